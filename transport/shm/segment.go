package shm

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/monel-dev/monel/transport"
)

// A segment begins with a control block, then come the cells, each with the
// description of a chunk, then the notes, one for each cell, and from a page
// boundary on the slots. Sender and receiver walk over the cells in the same order,
// and over the slots. A chunk of few bytes lies in its cell, one of somewhat more
// in the note beside it, and any other in the next slot. So a sender may be dozens
// of short chunks ahead of its receiver, which in a one-way collective is what
// makes ranks that share a processor take long turns; and short chunks take no
// slots. The sender writes a chunk's bytes, then its description, and last of all
// its number, which makes it complete. The receiver counts the chunks that it has
// released.
//
// Words that one side writes often and the other watches have cache lines of
// their own, and their neighbours too, which hardware likes to fetch along.

const (
	line     = 64
	farApart = 2 * line
	pageSize = 4096

	controlSize = 1024
	cellStride  = farApart

	// cells is how many chunks a link holds at most, no fewer than slots.
	cells = 64
	// smallSize is how many bytes fit into a cell.
	smallSize = cellStride - 8 - transport.HeaderSize
	// mostNote is the size of a note, unless slots are so small that notes would be
	// as large as all of them: a note is no more than a slot's 1/notesInSlot.
	mostNote    = 1 << 10
	notesInSlot = 32

	segmentMagic = "MonelSM2"
	nonceSize    = 16
)

// control is the beginning of a segment.
type control struct {
	magic    [8]byte
	nonce    nonce
	slotSize uint32
	slots    uint32
	_        [2*farApart - 32]byte

	released atomic.Uint32 // chunks released so far, modulo 2^32; the receiver's
	_        [farApart - 4]byte

	// Set by the side that is about to sleep, taken back by whoever wakes it.
	receiverSleeps atomic.Uint32
	_              [farApart - 4]byte
	senderSleeps   atomic.Uint32
	_              [farApart - 4]byte
}

// cell describes the chunk in a slot.
type cell struct {
	// seq is the chunk's number, counted from 1 modulo 2^32, once the rest of
	// the cell and the slot are written.
	seq    atomic.Uint32
	length uint32
	header transport.Header
	// small is the payload if it fits, which the receiver's processor fetches along
	// with the rest.
	small [smallSize]byte
}

// copyHeader copies word by word. The source was written so a moment ago, and to read it
// in larger pieces the processor would have to wait until it is in the cache.
func copyHeader(to, from *transport.Header) {
	binary.LittleEndian.PutUint64(to[0:], binary.LittleEndian.Uint64(from[0:]))
	binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(from[8:]))
	binary.LittleEndian.PutUint64(to[16:], binary.LittleEndian.Uint64(from[16:]))
	binary.LittleEndian.PutUint64(to[24:], binary.LittleEndian.Uint64(from[24:]))
	binary.LittleEndian.PutUint64(to[32:], binary.LittleEndian.Uint64(from[32:]))
	binary.LittleEndian.PutUint64(to[40:], binary.LittleEndian.Uint64(from[40:]))
}

// nonce tells a segment from every other one.
type nonce [nonceSize]byte

// geometry is the shape of all segments of a mesh. A segment without slots is
// made only to see whether segments can be shared.
type geometry struct{ slotSize, slots int }

func (g geometry) stride() int { return roundUp(g.slotSize, line) }

// noteSize is 0 if there are no notes.
func (g geometry) noteSize() int { return min(mostNote, g.slotSize/notesInSlot/line*line) }
func (g geometry) notesAt() int  { return controlSize + cells*cellStride }
func (g geometry) slotsAt() int  { return roundUp(g.notesAt()+cells*g.noteSize(), pageSize) }
func (g geometry) size() int     { return roundUp(g.slotsAt()+g.slots*g.stride(), pageSize) }

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// segment is a mapped segment.
type segment struct {
	geometry
	mem []byte
	ctl *control

	// What geometry says, worked out.
	firstNote, note int
	firstSlot, step int
}

// view interprets mapped memory: g.size() bytes, or for a probe the control
// block alone.
func view(mem []byte, g geometry) *segment {
	return &segment{geometry: g, mem: mem, ctl: (*control)(unsafe.Pointer(&mem[0])),
		firstNote: g.notesAt(), note: g.noteSize(), firstSlot: g.slotsAt(), step: g.stride()}
}

func (s *segment) cell(i int) *cell {
	return (*cell)(unsafe.Pointer(&s.mem[controlSize+i*cellStride]))
}

// takesSlot reports whether the bytes of a chunk lie in a slot.
func (s *segment) takesSlot(n int) bool { return n > smallSize && n > s.note }

// short is where n bytes of the chunk in a cell lie that take no slot.
func (s *segment) short(i, n int) []byte {
	if n <= smallSize {
		return s.cell(i).small[:n:n]
	}
	at := s.firstNote + i*s.note
	return s.mem[at : at+n : at+n]
}

func (s *segment) slot(i int) []byte {
	at := s.firstSlot + i*s.step
	return s.mem[at : at+s.slotSize : at+s.slotSize]
}

// format writes what check reads.
func (s *segment) format(n nonce) {
	s.ctl.nonce = n
	s.ctl.slotSize, s.ctl.slots = uint32(s.slotSize), uint32(s.slots)
	copy(s.ctl.magic[:], segmentMagic)
}

// check reports whether this is the segment that the peer speaks of.
func (s *segment) check(n nonce) error {
	if string(s.ctl.magic[:]) != segmentMagic || s.ctl.nonce != n ||
		s.ctl.slotSize != uint32(s.slotSize) || s.ctl.slots != uint32(s.slots) {
		return fmt.Errorf("%w: it is not the memory that the peer described", transport.ErrProtocol)
	}
	return nil
}
