package tree_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/tree"
)

// This file models ranks that execute their plans over links with a fixed number
// of slots. Elements are modelled by counters: how far each rank's destination
// has been written, which suffices because chunks come in order.

// errStuck is returned by a run that cannot go on.
var errStuck = errors.New("deadlock")

type message struct {
	index  uint32
	lo, hi int64
}

type phase uint8

const (
	phaseFetch  phase = iota
	phaseNext         // wait for the parent's chunk
	phaseSend         // to each child: wait for a slot, fill it, commit
	phaseFinish       // copy to the destination, release the parent's slot
	phaseDone
)

type node struct {
	plan    tree.Plan
	step    tree.Step
	phase   phase
	child   int     // the next child to send to
	written int64   // elements [0,written) of the destination
	sent    []int64 // elements, by child
	msgs    []int   // messages, by child
}

type machine struct {
	config tree.Config // of rank 0
	slots  int
	nodes  []node
	links  [][]message // links[r] ends at rank r; what is queued occupies a slot
}

func newMachine(t testing.TB, c tree.Config, slots int) *machine {
	t.Helper()
	m := &machine{config: c, slots: slots, nodes: make([]node, c.Size), links: make([][]message, c.Size)}
	for r := range m.nodes {
		c.Rank = r
		plan, err := tree.Broadcast(c)
		require.NoError(t, err)
		fan := len(plan.Children())
		m.nodes[r] = node{plan: plan, sent: make([]int64, fan), msgs: make([]int, fan)}
	}
	return m
}

// advance lets rank r do the next elementary action of its program and reports
// whether it could. An error is a broken promise of the plan.
func (m *machine) advance(r int) (bool, error) {
	n := &m.nodes[r]
	s := &n.step
	switch n.phase {
	case phaseFetch:
		step, ok := n.plan.Next()
		if !ok {
			n.phase = phaseDone
			return true, nil
		}
		n.step = step
		if s.Lo < 0 || s.Hi < s.Lo || s.Hi > m.config.Count || s.Hi-s.Lo > m.config.Chunk {
			return false, fmt.Errorf("rank %d: no such chunk: %+v", r, *s)
		}
		n.phase = phaseNext
	case phaseNext:
		if s.Action.Receives() {
			if len(m.links[r]) == 0 {
				return false, nil
			}
			if got := m.links[r][0]; got != (message{s.Index, s.Lo, s.Hi}) {
				return false, fmt.Errorf("rank %d expects %+v, gets %+v", r, *s, got)
			}
		}
		n.child = 0
		n.phase = phaseSend
	case phaseSend:
		if !s.Action.Sends() || n.child == len(n.plan.Children()) {
			n.phase = phaseFinish
			break
		}
		child := n.plan.Children()[n.child]
		if len(m.links[child]) == m.slots {
			return false, nil
		}
		if m.nodes[child].plan.Parent() != r {
			return false, fmt.Errorf("rank %d sends to %d, whose parent is %d", r, child, m.nodes[child].plan.Parent())
		}
		m.links[child] = append(m.links[child], message{s.Index, s.Lo, s.Hi})
		n.sent[n.child] += s.Hi - s.Lo
		n.msgs[n.child]++
		n.child++
	case phaseFinish:
		if s.Action.Copies() {
			if s.Lo != n.written {
				return false, fmt.Errorf("rank %d writes [%d,%d) after [0,%d)", r, s.Lo, s.Hi, n.written)
			}
			n.written = s.Hi
		}
		if s.Action.Receives() {
			m.links[r] = m.links[r][1:]
		}
		n.phase = phaseFetch
	case phaseDone:
		return false, nil
	}
	return true, nil
}

// run lets ranks act until all are done or none can move. pick chooses who goes
// next among n ranks and for how many elementary actions at most; nil means each
// in turn, as far as it goes.
func (m *machine) run(pick func(n int) (rank, actions int)) error {
	idle, turn := 0, 0
	for idle <= len(m.nodes) {
		r, actions := turn, -1
		if pick != nil && idle == 0 {
			r, actions = pick(len(m.nodes))
		} else {
			turn = (turn + 1) % len(m.nodes)
		}
		// If nobody has moved lately, ask everyone in turn before giving up.
		idle++
		for ; actions != 0; actions-- {
			ok, err := m.advance(r)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			idle = 0
		}
	}
	for r := range m.nodes {
		if m.nodes[r].phase != phaseDone {
			return errStuck
		}
	}
	return m.checkEnd()
}

// checkEnd verifies what a completed broadcast owes to each rank and link.
func (m *machine) checkEnd() error {
	c := m.config
	if c.Size == 1 {
		return nil
	}
	chunk := c.Chunk
	if c.Align <= chunk {
		chunk = chunk / c.Align * c.Align
	}
	chunks := max(1, int((c.Count+chunk-1)/chunk))
	parents := 0
	for r := range m.nodes {
		n := &m.nodes[r]
		if r == c.Root {
			if n.written != 0 || n.plan.Parent() != -1 {
				return fmt.Errorf("the root %d receives", r)
			}
		} else {
			parents++
			if n.written != c.Count {
				return fmt.Errorf("rank %d has [0,%d) of %d elements", r, n.written, c.Count)
			}
		}
		if len(m.links[r]) != 0 {
			return fmt.Errorf("%d messages to rank %d were never received", len(m.links[r]), r)
		}
		for i := range n.sent {
			parents--
			if n.sent[i] != c.Count || n.msgs[i] != chunks {
				return fmt.Errorf("rank %d sent %d elements in %d messages to child %d, want %d in %d",
					r, n.sent[i], n.msgs[i], i, c.Count, chunks)
			}
		}
	}
	if parents != 0 {
		return fmt.Errorf("%d more ranks that receive than links", parents)
	}
	return nil
}
