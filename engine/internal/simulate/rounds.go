package simulate

import (
	"fmt"

	"github.com/monel-dev/monel/bruck"
	"github.com/monel-dev/monel/pairwise"
)

// AllGather carries out an all_gather of a block of count elements for each rank in log2
// rounds, for some of the ranks if there are many. Each must know all blocks in the end,
// and find in its partner's plan what it expects.
func AllGather(size int, count int64) (f Figures, err error) {
	for r := 0; r < size; r += max(1, size/looked) {
		own, known := Figures{}, 1
		for round := range bruck.AllGather(size, r) {
			if round.Send+round.Blocks > known || round.Recv != known {
				return f, fmt.Errorf("rank %d of %d sends blocks up to %d and knows %d", r, size, round.Send+round.Blocks, known)
			}
			if theirs, ok := roundOf(size, round.From, own.Hops); !ok || theirs.To != r || theirs.Blocks != round.Blocks {
				return f, fmt.Errorf("rank %d of %d expects %d blocks from %d, which sends %+v", r, size, round.Blocks, round.From, theirs)
			}
			known += round.Blocks
			own.Hops++
			own.Steps++
			own.Sent += int64(round.Blocks) * count
		}
		if known != size {
			return f, fmt.Errorf("rank %d of %d knows %d blocks in the end", r, size, known)
		}
		if f != (Figures{}) && own != f {
			return f, fmt.Errorf("rank %d of %d takes %+v, others %+v", r, size, own, f)
		}
		f = own
	}
	if f.Hops > 0 {
		f.Messages = 1 // each round has another partner
	}
	return f, nil
}

// roundOf is a round of a rank's plan.
func roundOf(size, rank int, number int64) (round bruck.Round, ok bool) {
	for r := range bruck.AllGather(size, rank) {
		if number == 0 {
			return r, true
		}
		number--
	}
	return round, false
}

// AllToAll carries out an exchange of parts of count elements between all pairs of ranks,
// for some of the ranks if there are many. Each must meet each other once, in a round in
// which that one meets it.
func AllToAll(size int, count int64) (f Figures, err error) {
	for r := 0; r < size; r += max(1, size/looked) {
		met := make([]bool, size)
		own := Figures{}
		for round := range size {
			peer := pairwise.Partner(size, r, round)
			if met[peer] || pairwise.Partner(size, peer, round) != r {
				return f, fmt.Errorf("rank %d of %d meets %d in round %d, which it has met or which meets another", r, size, peer, round)
			}
			met[peer] = true
			if peer != r {
				own.Hops++
				own.Sent += count
			}
			own.Steps++
		}
		if r > 0 && own != f {
			return f, fmt.Errorf("rank %d of %d takes %+v, others %+v", r, size, own, f)
		}
		f = own
	}
	if size > 1 {
		f.Messages = 1 // of as many chunks as a part has
	}
	return f, nil
}
