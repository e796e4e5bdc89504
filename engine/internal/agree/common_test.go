package agree

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// A shape of two dimensions that is large enough for walks of halves, in the
// chunks of newNetwork, and its two orders.
var (
	large     = []int64{512, 512}
	columns   = otherWalk
	byHalves  = strided.Halves(large, strided.Logical, columns, 64<<10)
	fromRight = strided.Halves(large, columns, strided.Logical, 64<<10)
)

// settle has every rank begin the call as it would walk, and settles who differs.
// It returns the order in which all then walk.
func settle(t *testing.T, n *network, c *Call, walks ...strided.Walk) (common strided.Walk, restarted bool) {
	t.Helper()
	var ops []Op
	for rank, m := range n.members {
		ops = append(ops, begin(t, m, c, walks[rank]))
		if ops[rank].Walk != ops[0].Walk {
			restarted = true
		}
	}
	for rank, op := range ops {
		if restarted {
			n.members[rank].Dispute(op)
		}
	}
	n.deliver()
	for rank, m := range n.members {
		if restarted {
			require.ErrorIs(t, ops[rank].Stop.Err(), ErrRestart)
		}
		ops[rank] = m.Restarted()
		require.NoError(t, ops[rank].Stop.Err())
		require.Equal(t, ops[0].Walk, ops[rank].Walk)
		require.NoError(t, m.End(nil))
	}
	return ops[0].Walk, restarted
}

func TestTwoOrdersByHalves(t *testing.T) {
	reversed := strided.Walk(2<<60 | 3<<48 | 1<<4) // both dimensions backwards
	require.NoError(t, reversed.Validate(large))
	require.NotEqual(t, strided.Logical, byHalves)
	unlike := NewCall(AllReduce, dtype.DType(99), 0, 0, large)
	rooted := NewCall(Broadcast, dtype.Float32, 0, 0, large)
	for name, c := range map[string]struct {
		call  *Call
		walks []strided.Walk
		want  strided.Walk
	}{
		"two ranks":       {call(large...), []strided.Walk{strided.Logical, columns}, byHalves},
		"the first first": {call(large...), []strided.Walk{columns, strided.Logical}, fromRight},
		"two of each":     {call(large...), []strided.Walk{strided.Logical, columns, columns, strided.Logical}, byHalves},
		"one odd":         {call(large...), []strided.Walk{columns, columns, columns, strided.Logical, columns}, fromRight},
		"none logical":    {call(large...), []strided.Walk{reversed, columns}, strided.Halves(large, reversed, columns, 64<<10)},
		"three orders":    {call(large...), []strided.Walk{strided.Logical, columns, reversed}, strided.Logical},
		"small":           {call(500, 200), []strided.Walk{strided.Logical, columns}, strided.Logical},
		"no such type":    {&unlike, []strided.Walk{strided.Logical, columns}, strided.Logical},
		"a broadcast":     {&rooted, []strided.Walk{strided.Logical, columns}, strided.Logical},
		"no such order":   {call(large...), []strided.Walk{strided.Logical, 12345}, strided.Logical},
		"many dimensions": {call(append(make([]int64, 20), large...)...), []strided.Walk{strided.Logical, columns}, strided.Logical},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, len(c.walks))
			walk, restarted := settle(t, n, c.call, c.walks...)
			require.True(t, restarted)
			require.Equal(t, c.want, walk)
			for range 2 {
				walk, restarted = settle(t, n, c.call, c.walks...)
				require.False(t, restarted, "it is remembered")
				require.Equal(t, c.want, walk)
			}
		})
	}
}

// Ranks whose layouts change do not stay with an order that suits none of them,
// and do not restart again and again.
func TestLayoutsChange(t *testing.T) {
	reversed := strided.Walk(2<<60 | 3<<48 | 1<<4)
	for name, c := range map[string]struct {
		then      []strided.Walk
		restarted bool
		want      strided.Walk
	}{
		"back to front": {[]strided.Walk{columns, strided.Logical}, true, strided.Logical},
		"one":           {[]strided.Walk{strided.Logical, strided.Logical}, true, strided.Logical},
		"to a third":    {[]strided.Walk{strided.Logical, reversed}, true, strided.Logical},
		"all alike":     {[]strided.Walk{reversed, reversed}, false, reversed},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 2)
			call := call(large...)
			first := []strided.Walk{strided.Logical, columns}
			walk, restarted := settle(t, n, call, first...)
			require.True(t, restarted)
			require.Equal(t, byHalves, walk)

			walk, restarted = settle(t, n, call, c.then...)
			require.Equal(t, c.restarted, restarted)
			require.Equal(t, c.want, walk)

			after := strided.Logical
			if !c.restarted {
				after = byHalves
			}
			for _, walks := range [][]strided.Walk{first, first, {columns, columns}} {
				walk, restarted = settle(t, n, call, walks...)
				if !c.restarted && walks[0] != first[0] {
					require.Equal(t, strided.Logical, walk)
					continue
				}
				require.False(t, restarted, "it is settled")
				require.Equal(t, after, walk)
			}
		})
	}
}
