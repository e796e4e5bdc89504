package simulate

import (
	"fmt"

	"github.com/monel-dev/monel/ring"
)

// looked is how many ranks of a large ring are looked at. All ranks of a ring go
// through the same actions in the same order, on chunks that are shifted by one from
// each to the next, so that one more or less shows nothing new.
const looked = 8

// RingPlan is ring.AllReduce, ring.AllGather or ring.ReduceScatter.
type RingPlan func(ring.Config) (ring.Plan, error)

// Ring carries out a collective on a ring, for some of the ranks if there are many.
// Each of them has to find in its predecessor's messages what it expects, in that
// order, and to go through the same actions as the first: since they all do, they all
// are at the same time in the same step, and one clock does for all.
func Ring(c ring.Config, plan RingPlan) (Figures, error) {
	var f Figures
	stride := max(1, c.Size/looked)
	for r := 0; r < c.Size; r += stride {
		one, err := ringRank(c, plan, r)
		if err != nil {
			return Figures{}, err
		}
		if r > 0 && (one.Hops != f.Hops || one.Steps != f.Steps || one.Messages != f.Messages) {
			return Figures{}, fmt.Errorf("rank %d of %d takes %+v, rank 0 %+v", r, c.Size, one, f)
		}
		f.Hops, f.Steps, f.Messages = one.Hops, one.Steps, one.Messages
		f.Sent = max(f.Sent, one.Sent)
		f.Total += one.Sent
	}
	if stride > 1 {
		f.Total = 0
	}
	return f, nil
}

// ringRank carries out one rank's plan, and its predecessor's beside it.
func ringRank(c ring.Config, of RingPlan, rank int) (f Figures, err error) {
	c.Rank = rank
	plan, err := of(c)
	if err != nil {
		return f, err
	}
	c.Rank = c.Prev()
	prev, err := of(c)
	if err != nil {
		return f, err
	}
	// When the rank's own messages were sent, which is when its predecessor's were, in
	// their order, from the first that is not yet received.
	var sent []int64
	var now int64
	for s, ok := plan.Next(); ok; s, ok = plan.Next() {
		f.Steps++
		if s.Action.Receives() {
			from, ok := prev.Next()
			for ok && !from.Action.Sends() {
				from, ok = prev.Next()
			}
			if !ok || from.Send != s.Recv || from.Lo != s.Lo || from.Hi != s.Hi || from.Block != s.Block {
				return f, fmt.Errorf("rank %d of %d expects message %d [%d,%d), its predecessor's next is %d [%d,%d)",
					rank, c.Size, s.Recv, s.Lo, s.Hi, from.Send, from.Lo, from.Hi)
			}
			if len(sent) == 0 {
				return f, fmt.Errorf("rank %d of %d waits for message %d, which is sent after it", rank, c.Size, s.Recv)
			}
			now = max(now, sent[0]+1)
			sent = sent[1:]
		}
		if s.Action.Sends() {
			sent = append(sent, now)
			f.Sent += s.Hi - s.Lo
			f.Messages++
		}
	}
	if len(sent) != 0 {
		return f, fmt.Errorf("rank %d of %d leaves %d messages", rank, c.Size, len(sent))
	}
	f.Hops = now
	return f, nil
}
