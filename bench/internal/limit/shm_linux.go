package limit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/bench/internal/affinity"
)

// slots and slotBytes are the shape of a segment. A chunk fills a slot or part of
// it, so chunks of several sizes may follow each other.
const (
	slots     = 4
	slotBytes = 256 << 10
	headBytes = 4 << 10
)

// segment is memory that its writer's next neighbour reads.
type segment struct {
	memory []byte
	// Counts of chunks, each on a cache line of its own.
	written, read *atomic.Uint64
}

// shm is a segment to write to and the segment of the rank before.
type shm struct {
	out, in       segment
	sending, took uint64 // chunks so far
	spins         int
}

func joinSHM(rank, size int, folder string) (*shm, error) {
	file := fmt.Sprintf("/dev/shm/%s.%d", filepath.Base(folder), rank)
	s := &shm{}
	if affinity.Bind(rank, size) {
		s.spins = 10000
	}
	var err error
	if s.out, err = mapSegment(file, os.O_CREATE|os.O_EXCL); err != nil {
		return nil, err
	}
	if err := leave(meetAt(folder, rank), file); err != nil {
		return nil, err
	}
	before, err := fetch(meetAt(folder, (rank+size-1)%size))
	if err != nil {
		return nil, err
	}
	if s.in, err = mapSegment(before, 0); err != nil {
		return nil, err
	}
	// Both of its users have it now.
	return s, os.Remove(before)
}

func mapSegment(path string, flags int) (segment, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return segment{}, err
	}
	defer f.Close()
	const size = headBytes + slots*slotBytes
	if err := f.Truncate(size); err != nil {
		return segment{}, err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return segment{}, err
	}
	return segment{m, counter(m, 0), counter(m, 128)}, nil
}

func counter(m []byte, at int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&m[at])) }

// length is where the length of the i-th chunk stands.
func (s segment) length(i uint64) *atomic.Uint64 { return counter(s.memory, 256+64*int(i%slots)) }

func (s segment) slot(i uint64) []byte {
	at := headBytes + int(i%slots)*slotBytes
	return s.memory[at : at+slotBytes]
}

func (s *shm) exchange(src, dst []byte, send, recv int64, chunk int) error {
	var sent, got int64
	for idle := 0; sent < send || got < recv; {
		moved := false
		if sent < send && s.sending-s.out.read.Load() < slots {
			n := copy(s.out.slot(s.sending), piece(src, sent, send, chunk))
			s.out.length(s.sending).Store(uint64(n))
			s.sending++
			s.out.written.Store(s.sending)
			sent += int64(n)
			moved = true
		}
		if got < recv && s.took < s.in.written.Load() {
			from := s.in.slot(s.took)[:s.in.length(s.took).Load()]
			// Slots were cut for the sender's tensor, which is as long as this one.
			n := copy(piece(dst, got, recv, slotBytes), from)
			s.took++
			s.in.read.Store(s.took)
			got += int64(n)
			moved = true
		}
		if moved {
			idle = 0
		} else if idle++; idle > s.spins {
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	return nil
}
