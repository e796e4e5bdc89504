package ring

import (
	"iter"
	"math"
)

// Step is one step of a rank's program. Elements are numbered in the order in
// which the ranks have agreed to walk the tensor.
type Step struct {
	Action Action
	// Lo and Hi bound the elements [Lo,Hi) that the step is about, at most
	// Config.Chunk of them. An empty range is executed like any other: its
	// message has a header and no payload.
	Lo, Hi int64
	// Block is the position whose block the elements are of, and from whose start
	// Lo and Hi count, for an all-gather or reduce-scatter; 0 for an all-reduce.
	Block int
	// Recv is the index of the message that the step receives, Send of the one
	// that it sends; 0 where the action does neither. The sender's and the
	// receiver's indices of one message are equal, and differ from those of all
	// other messages of this plan on that link. They tell which hop of which
	// loop a message is, not its turn: ranks whose plans differ disagree on them
	// even if they agree on how many messages there are.
	Recv, Send uint32
}

// Plan is a rank's program: the remaining steps, to be executed one after the
// other. It is a plain value; a copy continues independently from the same
// step, so that a copy kept from the start repeats the program. A Plan may not
// be used by several goroutines at once.
type Plan struct {
	pipeline pipeline
	size     int64
	rank     int64
	perLoop  int64 // elements of every loop but the last
	full     cut   // every loop but the last
	tail     cut   // the last loop
	blocks   blocks
}

// Next returns the next step, or false when the program is at its end.
func (p *Plan) Next() (Step, bool) {
	loop, step, ok := p.pipeline.next()
	if !ok {
		return Step{}, false
	}
	if p.blocks.chunk != 0 {
		return p.blockStep(loop, step), true
	}
	return p.allReduceStep(loop, step), true
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

// newPlan cuts c.Count into loops and chunks for a collective that takes the
// given steps per loop.
func newPlan(c Config, steps int64) (Plan, error) {
	if err := c.validate(); err != nil {
		return Plan{}, err
	}
	size := int64(c.Size)
	p := Plan{size: size, rank: int64(c.Rank)}
	if size == 1 {
		return p, nil
	}
	chunk, align := c.Chunk, c.Align
	if align > chunk {
		align = 1
	}
	chunk -= chunk % align

	p.perLoop = math.MaxInt64
	if chunk <= math.MaxInt64/size {
		p.perLoop = chunk * size
	}
	loops := int64(1)
	if c.Count > 0 {
		loops = (c.Count-1)/p.perLoop + 1
	}
	if loops > maxMessages/(steps-1) {
		return Plan{}, &ConfigError{
			Rank: c.Rank, Field: "Count", Value: c.Count,
			Want: "fewer elements or a larger Chunk: a link can number 2^32 messages",
		}
	}
	p.pipeline = newPipeline(loops, steps, c.Depth)
	p.full = newCut(p.perLoop, size, align)
	p.tail = newCut(c.Count-(loops-1)*p.perLoop, size, align)
	return p, nil
}
