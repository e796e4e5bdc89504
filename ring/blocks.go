package ring

// blocks is what the plans of collectives have in common in which every position
// has a block of its own. A loop moves one chunk of every block.
type blocks struct {
	chunk  int64 // elements of every chunk but a block's last; 0 for an all-reduce
	count  int64 // of every block, unless counts says otherwise
	counts []int64
	first  int64 // the block of position 0 in step 0
	last   Action
	middle Action
}

// AllGather plans for rank c.Rank that every rank gets the blocks of all, c.Count
// elements each or as c.Counts says.
//
// In step j of n, rank r handles a chunk of block (r-j) mod n:
//
//	j = 0          Send           its own, to the successor
//	j = 1 … n-2    RecvCopySend   keep and pass on
//	j = n-1        RecvCopy       keep
//
// Every link carries n-1 messages per loop, empty ones included, and all blocks but
// one: its receiver's. A loop has a chunk of every block, so there are as many loops
// as the longest block has chunks, and at least one.
//
// A rank's own block of the destination is left to the caller, and so is everything
// in a ring of one, whose plan has no steps. The error, if any, is a *ConfigError.
func AllGather(c Config) (Plan, error) {
	return newBlockPlan(c, blocks{middle: RecvCopySend, last: RecvCopy})
}

// ReduceScatter plans for rank c.Rank that every rank gets the sum of its block,
// c.Count elements, from all ranks.
//
// In step j of n, rank r handles a chunk of block (r-1-j) mod n:
//
//	j = 0          Send             its own elements, to the successor
//	j = 1 … n-2    RecvReduceSend   add its own, pass on
//	j = n-1        RecvReduceCopy   add its own: final; keep
//
// Block b is combined in the order b+1, b+2, …, b (mod n). Every link carries n-1
// messages per loop, and all blocks but one: its sender's. Before a rank writes any
// element of its block, a message about it has passed every rank.
//
// In a ring of one the plan has no steps. The error, if any, is a *ConfigError.
func ReduceScatter(c Config) (Plan, error) {
	c.Counts = nil
	return newBlockPlan(c, blocks{first: int64(c.Size) - 1, middle: RecvReduceSend, last: RecvReduceCopy})
}

func newBlockPlan(c Config, b blocks) (Plan, error) {
	if err := c.validate(); err != nil {
		return Plan{}, err
	}
	p := Plan{size: int64(c.Size), rank: int64(c.Rank)}
	if c.Size == 1 {
		return p, nil
	}
	b.chunk, b.count, b.counts = c.Chunk, c.Count, c.Counts
	if c.Align <= c.Chunk {
		b.chunk -= c.Chunk % c.Align
	}
	loops, longest := int64(1), c.longest()
	if longest > 0 {
		loops = (longest-1)/b.chunk + 1
	}
	if loops > maxMessages/(p.size-1) {
		return Plan{}, &ConfigError{
			Rank: c.Rank, Field: "Count", Value: longest,
			Want: "fewer elements or a larger Chunk: a link can number 2^32 messages",
		}
	}
	p.pipeline = newPipeline(loops, p.size, c.Depth)
	p.blocks = b
	return p, nil
}

// blockStep is step j of a loop.
func (p *Plan) blockStep(loop, j int64) Step {
	b := &p.blocks
	block := (p.rank + b.first - j + p.size) % p.size
	count := b.count
	if b.counts != nil {
		count = b.counts[block]
	}
	s := Step{Block: int(block), Action: b.middle}
	if loop <= count/b.chunk { // else the product may overflow
		s.Lo = loop * b.chunk
		s.Hi = s.Lo + min(b.chunk, count-s.Lo)
	}
	switch j {
	case 0:
		s.Action = Send
	case p.size - 1:
		s.Action = b.last
	}
	first := loop * (p.size - 1)
	if s.Action.Receives() {
		s.Recv = uint32(first + j - 1)
	}
	if s.Action.Sends() {
		s.Send = uint32(first + j)
	}
	return s
}
