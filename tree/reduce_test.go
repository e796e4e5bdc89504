package tree_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/tree"
)

// reducer models ranks that execute the plans of a reduce over links of few slots. A
// message carries how often every rank is in its sum.
type reducer struct {
	config tree.Config
	slots  int
	plans  []tree.Plan
	steps  []*tree.Step
	links  []map[int][]sum // by receiver and sender
	result []sum           // the root's, one per chunk
}

type sum struct {
	step  tree.Step
	ranks []int
}

func newReducer(t *testing.T, c tree.Config, slots int) *reducer {
	m := &reducer{config: c, slots: slots, steps: make([]*tree.Step, c.Size)}
	for r := range c.Size {
		c.Rank = r
		plan, err := tree.Reduce(c)
		require.NoError(t, err)
		m.plans, m.links = append(m.plans, plan), append(m.links, map[int][]sum{})
	}
	return m
}

func (m *reducer) advance(r int) (bool, error) {
	p := &m.plans[r]
	if m.steps[r] == nil {
		step, ok := p.Next()
		if !ok {
			return false, nil
		}
		m.steps[r] = &step
	}
	s := *m.steps[r]
	for _, child := range p.Children() {
		if len(m.links[r][child]) == 0 {
			return false, nil
		}
	}
	if s.Action.Sends() && len(m.links[p.Parent()][r]) == m.slots {
		return false, nil
	}
	total := make([]int, m.config.Size)
	total[r]++
	for _, child := range p.Children() {
		got := m.links[r][child][0]
		m.links[r][child] = m.links[r][child][1:]
		if got.step.Index != s.Index || got.step.Lo != s.Lo || got.step.Hi != s.Hi {
			return false, fmt.Errorf("rank %d expects %+v, gets %+v", r, s, got.step)
		}
		for i, n := range got.ranks {
			total[i] += n
		}
	}
	if s.Action.Sends() {
		m.links[p.Parent()][r] = append(m.links[p.Parent()][r], sum{s, total})
	} else {
		m.result = append(m.result, sum{s, total})
	}
	m.steps[r] = nil
	return true, nil
}

func TestReduce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for size := 2; size <= 40; size++ {
		for _, algorithm := range []tree.Algorithm{tree.Binomial, tree.Chain, tree.Flat} {
			for _, count := range []int64{0, 1, 7, 8, 9, 50} {
				c := tree.Config{Size: size, Root: rng.IntN(size), Count: count, Chunk: 8, Align: 4, Algorithm: algorithm}
				m := newReducer(t, c, 1+rng.IntN(2))
				for idle := 0; idle < 50*size; idle++ {
					moved, err := m.advance(rng.IntN(size))
					require.NoError(t, err, "%+v", c)
					if moved {
						idle = 0
					}
				}
				at := int64(0)
				for _, got := range m.result {
					require.Equal(t, tree.RecvReduceCopy, got.step.Action)
					require.Equal(t, at, got.step.Lo, "%+v", c)
					at = got.step.Hi
					for rank, n := range got.ranks {
						require.Equal(t, 1, n, "%+v: rank %d", c, rank)
					}
				}
				require.Equal(t, count, at, "%+v: deadlock", c)
				require.NotEmpty(t, m.result)
			}
		}
	}
}

// A rank's branch is itself and the branches of its children, in the order of
// positions, and every rank but the root is the child of its parent.
func TestBranches(t *testing.T) {
	for size := 1; size <= 70; size++ {
		for _, root := range []int{0, size / 2, size - 1} {
			of := func(rank int) (tree.Branch, int, []tree.Branch) {
				own, parent, children, err := tree.Branches(tree.Config{Size: size, Rank: rank, Root: root})
				require.NoError(t, err)
				return own, parent, children
			}
			for rank := range size {
				own, parent, children := of(rank)
				require.Equal(t, rank, own.Position)
				require.Equal(t, (rank-root+size)%size, own.First)
				at := own.First + 1
				for i := len(children) - 1; i >= 0; i-- {
					child, up, _ := of(children[i].Position)
					require.Equal(t, children[i], child, "both ends mean the same branch")
					require.Equal(t, rank, up)
					require.Equal(t, at, child.First)
					at += child.Size
				}
				require.Equal(t, own.First+own.Size, at)
				require.Equal(t, rank == root, parent < 0)
				if rank == root {
					require.Equal(t, size, own.Size)
				}
			}
		}
	}
	_, _, _, err := tree.Branches(tree.Config{Size: 2, Rank: 2})
	require.ErrorIs(t, err, tree.ErrConfig)
}
