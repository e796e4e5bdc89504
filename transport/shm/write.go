package shm

import (
	"time"

	"github.com/monel-dev/monel/transport"
)

var _ transport.SlotWriter = (*sender)(nil)

// Chunks of at least so many bytes are written past the caches: those up to
// pastCachesTo always, unless ranks share processors and so often read on the very one
// that has written, and all to a peer that is far. Less is there sooner without the way
// to memory. For more, memory is too slow where processors share a
// cache: two that exchange 256 KiB take twice as long through it there, while up to
// 64 KiB it costs next to nothing.
const (
	pastCachesFrom = 16 << 10
	pastCachesTo   = 64 << 10
)

// goesPast reports whether a chunk of n bytes is written past the caches.
func (s *sender) goesPast(n int) bool {
	return n >= pastCachesFrom && (s.distance.far || s.pace.moves && n <= pastCachesTo)
}

// Write implements transport.SlotWriter.
func (s *sender) Write(pieces [][]byte) int {
	if s.slot == nil {
		panic("shm: Write without an acquired slot")
	}
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if n > len(s.slot) {
		panic("shm: Write of more than a slot holds")
	}
	if s.placed = s.seg.takesSlot(n); s.placed {
		s.place(pieces, n)
		return n
	}
	rest := s.slot
	for _, p := range pieces {
		rest = rest[copy(rest, p):]
	}
	return n
}

// place copies pieces of n bytes into the segment's next slot.
func (s *sender) place(pieces [][]byte, n int) {
	rest, past := s.seg.slot(s.at), s.goesPast(n)
	if n > pastCachesTo {
		rest, pieces = s.look(rest, pieces)
		past = s.goesPast(n)
	}
	for _, p := range pieces {
		if past {
			copyPast(rest, p)
		} else {
			copy(rest, p)
		}
		rest = rest[len(p):]
	}
	clear(s.left) // no memory of the caller's is held on to
}

// look copies the first lookBytes of pieces, to see how far the peer is, and returns
// what is left of both.
func (s *sender) look(slot []byte, pieces [][]byte) (_ []byte, left [][]byte) {
	start := time.Now()
	for todo := lookBytes; todo > 0; {
		k := copy(slot[:todo], pieces[0])
		slot, todo = slot[k:], todo-k
		if k == len(pieces[0]) {
			pieces = pieces[1:]
			continue
		}
		s.left = append(append(s.left[:0], pieces[0][k:]), pieces[1:]...)
		pieces = s.left
	}
	s.distance.saw(time.Since(start))
	return slot, pieces
}

// stage returns memory of this process for a chunk to be written to first, by whoever
// does not know how slots are best written. Commit copies it to the slot.
func (s *sender) stage() []byte {
	if s.staging == nil {
		s.staging = make([]byte, s.seg.slotSize)
	}
	return s.staging
}
