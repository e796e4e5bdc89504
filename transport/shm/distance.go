package shm

import "time"

// distance says whether the peer's processor is far: whether it shares no cache with
// this one, so that what either has written comes to the other line by line, several
// times slower than from memory. The system, or a virtual machine's host, moves
// processors about, so that may change at any time.
//
// It is seen from how long it takes to write memory that the peer has read.
type distance struct {
	far     bool
	against int // looks in a row that say otherwise
	unseen  int // long chunks since the last look
}

const (
	// lookBytes is how much is written for a look.
	lookBytes = 4 << 10
	// farLook is how long that takes at least with a peer that is far: 10 ns for each
	// line. Where a cache is shared, a line takes a fourth or third of it, elsewhere twice
	// as long and more.
	farLook = lookBytes / line * 10 * time.Nanosecond
	// looksToTurn is how many looks must agree, since a processor is at times busy with
	// something else.
	looksToTurn = 3
	// lookEvery is after how many long chunks that are written elsewhere, near a peer, one
	// is written here for a look, which costs a copy.
	lookEvery = 64
)

// saw counts a look.
func (d *distance) saw(took time.Duration) {
	d.unseen = 0
	if far := took >= farLook; far == d.far {
		d.against = 0
	} else if d.against++; d.against == looksToTurn {
		d.far, d.against = far, 0
	}
}

// skipped counts a chunk that was written without a look.
func (d *distance) skipped(n int) {
	if n > pastCachesTo {
		d.unseen++
	}
}

// due reports whether the next chunk is to be written here.
func (d *distance) due() bool { return d.far || d.against > 0 || d.unseen >= lookEvery }
