package ring_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/ring"
)

// In small worlds every schedule can be tried. program is one rank's sequence of
// elementary actions that touch links; a state of the world is how far each rank
// has got.
type program []phase

func programOf(t *testing.T, c ring.Config) program {
	t.Helper()
	plan, err := ring.AllReduce(c)
	require.NoError(t, err)
	var p program
	for s := range plan.Steps() {
		if s.Action.Receives() {
			p = append(p, phaseNext)
		}
		if s.Action.Sends() {
			p = append(p, phaseAcquire, phaseCommit)
		}
		if s.Action.Receives() {
			p = append(p, phaseRelease)
		}
	}
	return p
}

// done counts actions of one kind among the first pc.
func (p program) done(kind phase, pc int) int {
	n := 0
	for _, k := range p[:pc] {
		if k == kind {
			n++
		}
	}
	return n
}

// explore walks every reachable state and counts those at which all programs are
// done, and those at which nobody can move although some are not.
func explore(programs []program, slots int) (finished, stuck, states int) {
	n := len(programs)
	// Messages committed and released by each rank at each of its positions.
	commits, releases := make([][]int, n), make([][]int, n)
	for r, p := range programs {
		for pc := range len(p) + 1 {
			commits[r] = append(commits[r], p.done(phaseCommit, pc))
			releases[r] = append(releases[r], p.done(phaseRelease, pc))
		}
	}
	type state [4]uint8
	seen := map[state]bool{{}: true}
	for todo := []state{{}}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		moved, done := false, true
		for r, p := range programs {
			pc := int(at[r])
			if pc == len(p) {
				continue
			}
			done = false
			prev, next := (r+n-1)%n, (r+1)%n
			switch p[pc] {
			case phaseNext:
				if commits[prev][at[prev]] == releases[r][pc] {
					continue
				}
			case phaseAcquire:
				if commits[r][pc]-releases[next][at[next]] == slots {
					continue
				}
			}
			moved = true
			then := at
			then[r]++
			if !seen[then] {
				seen[then] = true
				todo = append(todo, then)
			}
		}
		if done {
			finished++
		} else if !moved {
			stuck++
		}
	}
	return finished, stuck, len(seen)
}

// Whatever the schedule, a plan completes with as many slots as its depth; and
// with fewer than it needs, no schedule completes. That the outcome is the same
// for all schedules is what lets the other tests decide by one run.
func TestEverySchedule(t *testing.T) {
	for _, c := range []struct{ size, loops, depth, need int }{
		{2, 1, 2, 2},
		{2, 5, 2, 2},
		{2, 5, 4, 2}, // with two hops per loop, two slots are enough at any depth
		{3, 1, 2, 2},
		{3, 3, 2, 2},
		{3, 3, 3, 3},
		{3, 3, 4, 4},
		{4, 1, 2, 2},
		{4, 2, 2, 2},
		{4, 2, 3, 3},
	} {
		t.Run(fmt.Sprintf("size=%d/loops=%d/depth=%d", c.size, c.loops, c.depth), func(t *testing.T) {
			programs := make([]program, c.size)
			for r := range programs {
				programs[r] = programOf(t, ring.Config{
					Size: c.size, Rank: r, Count: int64(c.size * c.loops), Chunk: 1, Align: 1, Depth: c.depth,
				})
			}
			for slots := 1; slots <= c.depth; slots++ {
				finished, stuck, states := explore(programs, slots)
				t.Logf("%d slots: %d states", slots, states)
				if slots >= c.need {
					require.Equal(t, 1, finished)
					require.Zero(t, stuck)
				} else {
					require.Zero(t, finished)
					require.Equal(t, 1, stuck, "by the theory there is one final state")
				}
			}
		})
	}
}
