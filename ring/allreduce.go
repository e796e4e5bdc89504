package ring

// AllReduce plans an all-reduce of c.Count elements for rank c.Rank.
//
// Every link carries 2n-2 messages per loop, empty ones included: a message's
// header is what the ranks agree by. Each rank sends 2(n-1)/n · Count elements
// in all, to within 3·Align for the last loop, which need not divide evenly.
//
// All loops but the last have chunks of exactly Chunk elements (rounded down to
// a multiple of Align). The last is cut evenly into n chunks whose sizes differ
// by less than two Align.
//
// A ring of one has no hops and its plan no steps: the result is the caller's
// own source, which the caller copies if it is to be elsewhere.
//
// The error, if any, is a *ConfigError.
func AllReduce(c Config) (Plan, error) {
	return newPlan(c, allReduceSteps(int64(c.Size)))
}

func allReduceSteps(size int64) int64 { return 2*size - 1 }

// allReduceStep is step j of a loop: the table in the package's documentation.
func (p *Plan) allReduceStep(loop, j int64) Step {
	cut := &p.full
	if loop == p.pipeline.loops-1 {
		cut = &p.tail
	}
	chunk := p.rank - 1 - j
	for chunk < 0 {
		chunk += p.size
	}
	lo, hi := cut.piece(chunk)
	base := loop * p.perLoop
	s := Step{Lo: base + lo, Hi: base + hi}

	last := p.pipeline.steps - 1
	switch {
	case j == 0:
		s.Action = Send
	case j < p.size-1:
		s.Action = RecvReduceSend
	case j == p.size-1:
		s.Action = RecvReduceCopySend
	case j < last:
		s.Action = RecvCopySend
	default:
		s.Action = RecvCopy
	}
	// A loop's message from step j is received in step j+1.
	first := loop * last
	if s.Action.Receives() {
		s.Recv = uint32(first + j - 1)
	}
	if s.Action.Sends() {
		s.Send = uint32(first + j)
	}
	return s
}
