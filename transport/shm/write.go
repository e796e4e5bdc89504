package shm

import "github.com/monel-dev/monel/transport"

var _ transport.SlotWriter = (*sender)(nil)

// Write implements transport.SlotWriter. What a processor has written lies in its own
// cache, and where the system has put the peer on a processor that shares no cache with
// this one, it fetches that line by line, several times slower than it reads memory. So
// chunks of a middle size go past the caches.
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
	rest, past := s.slot, s.goesPast(n)
	for _, p := range pieces {
		if past {
			copyPast(rest, p)
		} else {
			copy(rest, p)
		}
		rest = rest[len(p):]
	}
	return n
}

// goesPast reports whether a chunk of n bytes is written past the caches. Ranks that
// share processors often read on the very one that has written.
func (s *sender) goesPast(n int) bool {
	return s.pace.moves && n >= pastCachesFrom && n <= pastCachesTo
}

// Chunks from and to so many bytes are written past the caches. Less is there sooner
// without the way to memory. For more, memory is too slow where processors do share a
// cache: two that exchange 256 KiB take twice as long through it there, and less than
// half as long where they do not, while up to 64 KiB it costs next to nothing there and
// still takes a quarter of the time elsewhere.
const (
	pastCachesFrom = 16 << 10
	pastCachesTo   = 64 << 10
)
