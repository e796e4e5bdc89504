package doubling_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/doubling"
)

// run is a half-open run of ranks and the order in which they were combined.
type run struct {
	lo, hi int
	tree   string
}

func (a run) with(b run) (run, error) {
	if a.hi != b.lo {
		return run{}, fmt.Errorf("[%d,%d) left of [%d,%d)", a.lo, a.hi, b.lo, b.hi)
	}
	return run{a.lo, b.hi, "(" + a.tree + "+" + b.tree + ")"}, nil
}

// simulate runs all ranks' plans, choosing at random who goes next, and returns
// what each ends with and the longest chain of messages.
func simulate(t *testing.T, size int, random *rand.Rand) (results []run, hops int) {
	t.Helper()
	type message struct {
		have run
		hop  int
	}
	type rank struct {
		steps []doubling.Step
		have  run
		hop   int
		sent  bool // the current exchange's message
	}
	type link struct{ from, to int }
	wire := map[link]message{}
	ranks := make([]rank, size)
	for r := range ranks {
		ranks[r] = rank{steps: slices.Collect(doubling.Steps(size, r)), have: run{r, r + 1, fmt.Sprint(r)}}
	}
	// advance takes one half of one step of a rank, or reports that it waits.
	advance := func(r int) bool {
		me := &ranks[r]
		step := me.steps[0]
		if step.Action.Sends() && !me.sent {
			_, twice := wire[link{r, step.Peer}]
			require.False(t, twice, "rank %d of %d sends to %d twice", r, size, step.Peer)
			wire[link{r, step.Peer}] = message{me.have, me.hop + 1}
			me.sent = true
			if !step.Action.Receives() {
				me.steps, me.sent = me.steps[1:], false
			}
			return true
		}
		m, ok := wire[link{step.Peer, r}]
		if !ok {
			return false
		}
		me.hop = max(me.hop, m.hop)
		if step.Action == doubling.RecvResult {
			me.have = m.have
		} else {
			left, right := m.have, me.have
			if step.Left {
				left, right = right, left
			}
			var err error
			me.have, err = left.with(right)
			require.NoError(t, err, "rank %d of %d", r, size)
			require.Equal(t, step.Last, me.have.hi-me.have.lo == size, "rank %d of %d: Last", r, size)
		}
		me.steps, me.sent = me.steps[1:], false
		return true
	}
	for {
		var busy []int
		for r := range ranks {
			if len(ranks[r].steps) > 0 {
				busy = append(busy, r)
			}
		}
		if len(busy) == 0 {
			break
		}
		random.Shuffle(len(busy), func(i, j int) { busy[i], busy[j] = busy[j], busy[i] })
		moved := slices.ContainsFunc(busy, advance)
		require.True(t, moved, "world of %d: all ranks wait for each other", size)
	}
	for r := range ranks {
		results = append(results, ranks[r].have)
		hops = max(hops, ranks[r].hop)
	}
	return results, hops
}

// TestEverySize: whatever the order of events, every rank ends with all ranks'
// elements, each once, combined in the same order, after the number of hops
// that Rounds says.
func TestEverySize(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for size := 1; size <= 130; size++ {
		results, hops := simulate(t, size, random)
		for r, have := range results {
			require.Equal(t, results[0], have, "rank %d of %d", r, size)
			require.Equal(t, size, have.hi-have.lo, "rank %d of %d", r, size)
		}
		rounds := doubling.Rounds(size)
		require.LessOrEqual(t, hops, rounds, "size %d", size)
		require.GreaterOrEqual(t, hops, rounds-1, "size %d", size)
		if size&(size-1) == 0 {
			require.Equal(t, rounds, hops, "size %d", size)
		}
	}
}

func TestPlans(t *testing.T) {
	plan := func(size, rank int) string {
		text := ""
		for s := range doubling.Steps(size, rank) {
			text += fmt.Sprintf("%v(%d", s.Action, s.Peer)
			if s.Left {
				text += " left"
			}
			if s.Last {
				text += " last"
			}
			text += ") "
		}
		return text
	}
	for _, c := range []struct {
		size, rank int
		want       string
	}{
		{1, 0, ""},
		{2, 0, "Exchange(1 left last) "},
		{2, 1, "Exchange(0 last) "},
		{3, 0, "RecvReduce(1 left) Exchange(2 left last) SendResult(1) "},
		{3, 1, "Send(0) RecvResult(0) "},
		{3, 2, "Exchange(0 last) "},
		{4, 2, "Exchange(3 left) Exchange(0 last) "},
		{5, 0, "RecvReduce(1 left) Exchange(2 left) Exchange(3 left last) SendResult(1) "},
		{5, 4, "Exchange(3) Exchange(2 last) "},
		{8, 5, "Exchange(4) Exchange(7 left) Exchange(1 last) "},
	} {
		require.Equal(t, c.want, plan(c.size, c.rank), "rank %d of %d", c.rank, c.size)
	}
}

func TestStepsPanicsOutsideTheWorld(t *testing.T) {
	require.Panics(t, func() { doubling.Steps(2, 2) })
	require.Panics(t, func() { doubling.Steps(2, -1) })
}
