package ring_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/monel-dev/monel/ring"
)

// This file models a ring of ranks that execute their plans over links with a
// fixed number of slots. Memory is modelled by what it must mean: a message
// carries an arc, the run of consecutive ranks whose elements it is the sum of,
// so that "every rank exactly once, in ring order" can be checked exactly at any
// world size, and every element of every rank has one bit for "source read" and
// one for "destination written".

// errStuck is returned by a run that cannot go on.
var errStuck = errors.New("deadlock")

type arc struct{ first, ranks int }

type message struct {
	index  uint32
	lo, hi int64
	sum    arc
}

// phase is where a rank stands within its current step.
type phase uint8

const (
	phaseFetch phase = iota
	phaseNext
	phaseAcquire
	phaseCommit
	phaseRelease
	phaseDone
)

func (p phase) String() string {
	return [...]string{"Fetch", "Next", "Acquire", "Commit", "Release", "Done"}[p]
}

type node struct {
	plan    ring.Plan
	step    ring.Step
	phase   phase
	sum     arc   // what the current step computes
	sent    int64 // elements
	msgs    int64 // messages sent
	read    bitmap
	written bitmap
}

type machine struct {
	config ring.Config // of rank 0
	slots  int
	nodes  []node
	links  []queue // links[r] ends at rank r; what is queued occupies a slot
}

func newMachine(t testing.TB, c ring.Config, slots int) *machine {
	t.Helper()
	m := &machine{config: c, slots: slots, nodes: make([]node, c.Size), links: make([]queue, c.Size)}
	for r := range m.nodes {
		c.Rank = r
		plan, err := ring.AllReduce(c)
		if err != nil {
			t.Fatal(err)
		}
		m.nodes[r] = node{plan: plan, read: newBitmap(c.Count), written: newBitmap(c.Count)}
		m.links[r].slots = make([]message, slots)
	}
	return m
}

// advance lets rank r do the next elementary action of its program and reports
// whether it could. An error is a broken promise of the plan.
func (m *machine) advance(r int) (bool, error) {
	n := &m.nodes[r]
	in, out := &m.links[r], &m.links[(r+1)%len(m.links)]
	switch n.phase {
	case phaseFetch:
		step, ok := n.plan.Next()
		if !ok {
			n.phase = phaseDone
			return true, nil
		}
		n.step = step
		n.phase = phaseNext
		fallthrough
	case phaseNext:
		if n.step.Action.Receives() {
			if in.len == 0 {
				return false, nil
			}
			if got := in.front(); got.index != n.step.Recv || got.lo != n.step.Lo || got.hi != n.step.Hi {
				return false, fmt.Errorf("rank %d expects message %d [%d,%d), gets %d [%d,%d)",
					r, n.step.Recv, n.step.Lo, n.step.Hi, got.index, got.lo, got.hi)
			}
		}
		n.phase = phaseAcquire
		fallthrough
	case phaseAcquire:
		if n.step.Action.Sends() && out.len == m.slots {
			return false, nil
		}
		n.phase = phaseCommit
	case phaseCommit:
		if err := m.compute(r); err != nil {
			return false, err
		}
		if n.step.Action.Sends() {
			out.push(message{index: n.step.Send, lo: n.step.Lo, hi: n.step.Hi, sum: n.sum})
			n.sent += n.step.Hi - n.step.Lo
			n.msgs++
		}
		n.phase = phaseRelease
	case phaseRelease:
		if n.step.Action.Receives() {
			in.pop()
		}
		n.phase = phaseFetch
	case phaseDone:
		return false, nil
	}
	return true, nil
}

// compute does what the current step of rank r does with memory.
func (m *machine) compute(r int) error {
	n, s := &m.nodes[r], &m.nodes[r].step
	fail := func(what string) error {
		return fmt.Errorf("rank %d, %v [%d,%d): %s", r, s.Action, s.Lo, s.Hi, what)
	}
	if s.Lo < 0 || s.Hi < s.Lo || s.Hi > m.config.Count || s.Hi-s.Lo > m.config.Chunk {
		return fail("no such chunk")
	}
	if s.Action.Receives() {
		n.sum = m.links[r].front().sum
	} else {
		n.sum = arc{first: r}
	}
	if s.Action.Reduces() || !s.Action.Receives() {
		if (n.sum.first+n.sum.ranks)%len(m.nodes) != r || n.sum.ranks == len(m.nodes) {
			return fail(fmt.Sprintf("adds to the sum of %d ranks from %d on", n.sum.ranks, n.sum.first))
		}
		n.sum.ranks++
		if !n.read.add(s.Lo, s.Hi) {
			return fail("source read twice")
		}
	}
	if s.Action.Copies() {
		if n.sum.ranks != len(m.nodes) {
			return fail(fmt.Sprintf("writes the sum of only %d ranks", n.sum.ranks))
		}
		if !n.written.add(s.Lo, s.Hi) {
			return fail("destination written twice")
		}
		if !n.read.has(s.Lo, s.Hi) {
			return fail("destination written before the source was read")
		}
	}
	return nil
}

// run lets each rank go as far as it can, in turn, until all are done or none
// can move. pick chooses who goes next among n ranks and for how many elementary
// actions at most; nil means the one after the last, and as far as it goes.
func (m *machine) run(pick func(n int) (rank, actions int)) error {
	idle, turn := 0, 0
	for idle <= len(m.nodes) {
		r, actions := turn, -1
		if pick != nil && idle == 0 {
			r, actions = pick(len(m.nodes))
		} else {
			turn = (turn + 1) % len(m.nodes)
		}
		moved := false
		for ; actions != 0; actions-- {
			ok, err := m.advance(r)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			moved = true
		}
		if moved {
			idle = 0
		} else {
			// Somebody may still move: ask everyone in turn before giving up.
			idle++
		}
	}
	for r := range m.nodes {
		if m.nodes[r].phase != phaseDone {
			return errStuck
		}
	}
	return m.checkEnd()
}

// checkEnd verifies what a completed all-reduce owes to each rank and link.
func (m *machine) checkEnd() error {
	for r := range m.nodes {
		n := &m.nodes[r]
		switch {
		case m.links[r].len != 0:
			return fmt.Errorf("%d messages to rank %d were never received", m.links[r].len, r)
		case len(m.nodes) > 1 && !n.read.full():
			return fmt.Errorf("rank %d left source elements out", r)
		case len(m.nodes) > 1 && !n.written.full():
			return fmt.Errorf("rank %d left destination elements unwritten", r)
		}
	}
	return nil
}

// queue is a link: a FIFO of at most len(slots) messages.
type queue struct {
	slots     []message
	head, len int
}

func (q *queue) front() *message { return &q.slots[q.head] }

func (q *queue) push(m message) {
	tail := q.head + q.len
	if tail >= len(q.slots) {
		tail -= len(q.slots)
	}
	q.slots[tail] = m
	q.len++
}

func (q *queue) pop() {
	q.head++
	if q.head == len(q.slots) {
		q.head = 0
	}
	q.len--
}

// bitmap is a set of elements.
type bitmap struct {
	words []uint64
	count int64
}

func newBitmap(count int64) bitmap {
	return bitmap{words: make([]uint64, (count+63)/64), count: count}
}

// add adds [lo,hi) and reports whether none of it was there.
func (b *bitmap) add(lo, hi int64) bool {
	fresh := true
	b.each(lo, hi, func(w *uint64, mask uint64) {
		fresh = fresh && *w&mask == 0
		*w |= mask
	})
	return fresh
}

// has reports whether all of [lo,hi) is there.
func (b *bitmap) has(lo, hi int64) bool {
	all := true
	b.each(lo, hi, func(w *uint64, mask uint64) { all = all && *w&mask == mask })
	return all
}

func (b *bitmap) full() bool { return b.has(0, b.count) }

func (b *bitmap) each(lo, hi int64, visit func(w *uint64, mask uint64)) {
	for lo < hi {
		end := min(hi, (lo/64+1)*64)
		mask := ^uint64(0) >> (64 - (end - lo)) << (lo % 64)
		visit(&b.words[lo/64], mask)
		lo = end
	}
}
