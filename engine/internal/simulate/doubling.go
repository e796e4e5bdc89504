package simulate

import (
	"fmt"
	"slices"

	"github.com/monel-dev/monel/doubling"
)

// message is one rank's elements, or a combination, on its way.
type message struct {
	sent  int64
	ranks int // whose elements it combines
}

type doublingRank struct {
	steps []doubling.Step // that are left
	have  message
	sent  bool // what the first of them sends
}

// Doubling carries out an all_reduce of count elements by recursive doubling, on all
// ranks. Every rank must end with the elements of all.
func Doubling(size int, count int64) (f Figures, err error) {
	ranks := make([]doublingRank, size)
	for r := range ranks {
		ranks[r].steps, ranks[r].have.ranks = slices.Collect(doubling.Steps(size, r)), 1
	}
	links := map[[2]int]message{} // of which each carries one message
	own := make([]Figures, size)
	for moved := true; moved; {
		moved = false
		for r := range ranks {
			q := &ranks[r]
			if len(q.steps) == 0 {
				continue
			}
			step := q.steps[0]
			if step.Action.Sends() && !q.sent {
				key := [2]int{r, step.Peer}
				if _, twice := links[key]; twice {
					return f, fmt.Errorf("rank %d sends to %d twice", r, step.Peer)
				}
				links[key] = q.have
				own[r].Sent += count
				f.Total += count
				f.Messages = 1
				q.sent, moved = true, true
			}
			if step.Action.Receives() {
				m, there := links[[2]int{step.Peer, r}]
				if !there {
					continue
				}
				q.have.sent = max(q.have.sent, m.sent+1)
				if step.Action == doubling.RecvResult {
					q.have.ranks = m.ranks
				} else {
					q.have.ranks += m.ranks
				}
			}
			own[r].Steps++
			q.steps, q.sent = q.steps[1:], false
			moved = true
		}
	}
	for r := range ranks {
		if len(ranks[r].steps) > 0 || ranks[r].have.ranks != size {
			return f, fmt.Errorf("rank %d of %d ends with the elements of %d ranks", r, size, ranks[r].have.ranks)
		}
		f.Hops = max(f.Hops, ranks[r].have.sent)
		f.Steps = max(f.Steps, own[r].Steps)
		f.Sent = max(f.Sent, own[r].Sent)
	}
	return f, nil
}
