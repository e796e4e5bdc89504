package agree

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

// network joins a coordinator and its members by queues, so that tests decide
// when messages move.
type network struct {
	t       *testing.T
	members []*Member
	coord   *Coordinator
	up      []upward
	down    []downward
}

type upward struct {
	from    int
	payload []byte
}

type downward struct {
	to      int
	payload []byte
}

func newNetwork(t *testing.T, size int) *network {
	n := &network{t: t}
	for rank := range size {
		n.members = append(n.members, NewMember(func(p []byte) { n.up = append(n.up, upward{rank, p}) }))
	}
	n.coord = NewCoordinator(size, func(to int, p []byte) { n.down = append(n.down, downward{to, p}) })
	t.Cleanup(func() { n.coord.Close() })
	return n
}

// deliver moves messages until none is left.
func (n *network) deliver() {
	for len(n.up)+len(n.down) > 0 {
		if len(n.up) > 0 {
			m := n.up[0]
			n.up = n.up[1:]
			require.True(n.t, ForCoordinator(m.payload))
			require.NoError(n.t, n.coord.Handle(m.from, m.payload))
			continue
		}
		m := n.down[0]
		n.down = n.down[1:]
		require.False(n.t, ForCoordinator(m.payload))
		require.NoError(n.t, n.members[m.to].Handle(m.payload))
	}
}

// call is an all_reduce of the given shape.
func call(shape ...int64) *Call {
	c := NewCall(AllReduce, dtype.Float32, dtype.Sum, 0, shape)
	return &c
}

// cast is a broadcast from root.
func cast(root int, shape ...int64) *Call {
	c := NewCall(Broadcast, dtype.Float32, 0, root, shape)
	return &c
}
