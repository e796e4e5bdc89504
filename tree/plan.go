package tree

import "iter"

// Step is one step of a rank's program: one chunk. Elements are numbered in the
// order in which the ranks have agreed to walk the tensor.
type Step struct {
	Action Action
	// Lo and Hi bound the elements [Lo,Hi) of the chunk, at most Config.Chunk of
	// them. An empty range is executed like any other: its message has a header
	// and no payload.
	Lo, Hi int64
	// Index is the index of the message that the step receives and of those that
	// it sends. It differs from that of all other messages of this plan on the
	// same link.
	Index uint32
}

// Plan is a rank's program: its place in the tree and the remaining steps, to be
// executed one after the other. It is a plain value; a copy continues
// independently from the same step, so that a copy kept from the start repeats
// the program. A Plan may not be used by several goroutines at once.
type Plan struct {
	parent   int
	children []int
	action   Action
	count    int64
	chunk    int64 // elements of every chunk but the last
	chunks   int64
	next     int64 // chunk of the next step
}

// Parent is the position from which this rank receives, -1 at the root.
func (p *Plan) Parent() int { return p.parent }

// Children are the positions to which this rank sends each chunk, in this
// order. The slice is shared by all copies of the plan and must not be written
// to.
func (p *Plan) Children() []int { return p.children }

// Next returns the next step, or false when the program is at its end.
func (p *Plan) Next() (Step, bool) {
	if p.next == p.chunks {
		return Step{}, false
	}
	i := p.next
	p.next++
	lo := i * p.chunk
	return Step{
		Action: p.action,
		Lo:     lo,
		Hi:     lo + min(p.chunk, p.count-lo),
		Index:  uint32(i),
	}, true
}

// Steps ranges over the remaining steps without consuming them.
func (p *Plan) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		rest := *p
		for {
			s, ok := rest.Next()
			if !ok || !yield(s) {
				return
			}
		}
	}
}

// newPlan cuts c.Count into chunks and finds the rank's place in the tree. The
// action is for the caller to fill in.
func newPlan(c Config) (Plan, error) {
	if err := c.validate(); err != nil {
		return Plan{}, err
	}
	p := Plan{parent: -1, count: c.Count, chunk: c.Chunk}
	if c.Size == 1 {
		return p, nil
	}
	if c.Align <= c.Chunk {
		p.chunk -= c.Chunk % c.Align
	}
	p.chunks = 1
	if c.Count > 0 {
		p.chunks = (c.Count-1)/p.chunk + 1
	}
	if p.chunks > maxMessages {
		return Plan{}, &ConfigError{
			Rank: c.Rank, Field: "Count", Value: c.Count,
			Want: "fewer elements or a larger Chunk: a link can number 2^32 messages",
		}
	}
	p.parent, p.children = c.Algorithm.place(c.Size, (c.Rank-c.Root+c.Size)%c.Size)
	if p.parent >= 0 {
		p.parent = (p.parent + c.Root) % c.Size
	}
	for i := range p.children {
		p.children[i] = (p.children[i] + c.Root) % c.Size
	}
	return p, nil
}
