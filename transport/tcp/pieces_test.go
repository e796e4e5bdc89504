package tcp

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// scattered cuts n bytes of new memory into pieces with gaps between them.
func scattered(rng *rand.Rand, n int) (list [][]byte) {
	for number := 1 + rng.IntN(2*maxBuffers); number > 1; number-- {
		k := min(n, []int{0, 1, rng.IntN(2*n/number + 1)}[rng.IntN(3)])
		list = append(list, make([]byte, k, k+1)[:k:k])
		n -= k
	}
	return append(list, make([]byte, n))
}

// TestPieces fills pieces by every means, changing where they are amid it.
func TestPieces(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	var p, next pieces
	for round := range 500 {
		want := make([]byte, rng.IntN(1000))
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		list := scattered(rng, len(want))
		p.set(list...)
		for rest := want; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			switch rng.IntN(3) {
			case 0:
				if got := p.put(rest[:n]); got != n {
					t.Fatalf("round %d: put took %d of %d bytes", round, got, n)
				}
				rest = rest[n:]
			case 1:
				var array [8][]byte
				bufs, all := p.space(array[:0])
				room, read := 0, 0
				for _, b := range bufs {
					if len(b) == 0 {
						t.Fatalf("round %d: space lists an empty buffer", round)
					}
					room += len(b)
					read += copy(b, rest[read:n])
				}
				if all && room != len(rest) || !all && len(bufs) != len(array) {
					t.Fatalf("round %d: space lists %d buffers of %d bytes, %d are missing, and says all: %v", round, len(bufs), room, len(rest), all)
				}
				p.filled(read)
				rest = rest[read:]
			default:
				list = scattered(rng, len(want))
				next.set(list...)
				p.moveTo(&next)
				p.none()
				p, next = next, p
			}
		}
		if got := bytes.Join(list, nil); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, round %d: %d bytes differ", seed, round, len(want))
		}
		if p.put([]byte{1}) != 0 {
			t.Fatalf("round %d: full pieces took a byte", round)
		}
	}
}

// TestQueueOfPieces takes frames out of a queue in writes of any size, keeping
// what is left of them as soon as their memory may change.
func TestQueueOfPieces(t *testing.T) {
	const seed = 9
	rng := rand.New(rand.NewPCG(seed, seed))
	const slotSize = 3000
	for round := range 300 {
		var q queue
		var sent, want []byte
		var lent [][]byte
		write := func(limit int) {
			for limit > 0 && !q.empty() {
				n := 0
				for _, b := range q.buffers() {
					if len(b) == 0 {
						t.Fatalf("round %d: an empty buffer is to be written", round)
					}
					k := min(len(b), limit)
					sent = append(sent, b[:k]...)
					n, limit = n+k, limit-k
				}
				for n > 0 {
					_, n = q.advance(n)
				}
			}
		}
		for range 1 + rng.IntN(5) {
			s := newSlot(slotSize)
			for i := range s.mem {
				s.mem[i] = byte(rng.Uint32())
			}
			payload := make([]byte, rng.IntN(slotSize+1))
			for i := range payload {
				payload[i] = byte(rng.Uint32())
			}
			want = append(append(want, s.mem[:headSize]...), payload...)
			f := outgoing{begin: s.mem[:headSize], home: s.payload(), slot: s}
			if rng.IntN(2) == 0 {
				copy(s.payload(), payload)
				f.begin = s.mem[:headSize+len(payload)]
			} else {
				f.pieces = scattered(rng, len(payload))
				rest := payload
				for _, p := range f.pieces {
					rest = rest[copy(p, rest):]
				}
			}
			lent = append(lent, f.pieces...)
			q.push(f)
			if rng.IntN(3) == 0 {
				continue // it waits for the next
			}
			write(rng.IntN(headSize + 2*slotSize))
			q.keep()
			for _, p := range lent {
				clear(p)
			}
			lent = nil
		}
		write(1 << 30)
		if !bytes.Equal(sent, want) {
			t.Fatalf("seed %d, round %d: what was written is not what was queued", seed, round)
		}
	}
}
