package rdma

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/monel-dev/monel/transport"
)

// Short chunks travel in cells, which the receiver watches: it need not wait for its
// adapter to report them. A cell is words of 8 bytes. The lower half of each is 4
// bytes of the chunk:
//
//	the payload's length, and in bits 16 to 27 which parts of 4 bytes of the header follow
//	those parts of the header; the others are as in the chunk before on this link
//	the payload
//
// The upper half is the chunk's mark. A receiver takes a chunk once all of its words
// have the mark, so it does not matter in which order an adapter writes them, only
// that it writes none by halves, or the lower half first. See inWords.
const (
	cellSize    = 256
	wordSize    = 8
	headerParts = transport.HeaderSize / 4
	// cellPayload is the longest payload that a cell holds.
	cellPayload = (cellSize/wordSize - 1 - headerParts) * 4

	partsAt  = 16
	allParts = 1<<headerParts - 1
)

// markOf is the mark of the chunk of that number: never 0, and another one than that
// of the chunk that was in the cell before.
func markOf(number uint64) uint32 { return uint32(number)<<1 | 1 }

// stale reports whether a cell that chunk number has been taken from is to be
// cleared: before marks come again, so that what has been left in it since long ago is
// not taken for new.
func stale(number uint64, cells int) bool { return number&(1<<30-1) < uint64(cells) }

// putCell writes a chunk to a cell and returns how many bytes of it that takes. The
// payload has at most cellPayload bytes; before is the header of the chunk before.
func putCell(cell *[cellSize]byte, h, before *transport.Header, payload []byte, mark uint32) int {
	high := uint64(mark) << 32
	n, parts, at := len(payload), 0, wordSize
	for i := 0; i < transport.HeaderSize; i += 4 {
		if part := binary.LittleEndian.Uint32(h[i:]); part != binary.LittleEndian.Uint32(before[i:]) {
			parts |= 1 << (i / 4)
			binary.LittleEndian.PutUint64(cell[at:], high|uint64(part))
			at += wordSize
		}
	}
	binary.LittleEndian.PutUint64(cell[:], high|uint64(parts)<<partsAt|uint64(n))
	for ; len(payload) >= 4; payload = payload[4:] {
		binary.LittleEndian.PutUint64(cell[at:], high|uint64(binary.LittleEndian.Uint32(payload)))
		at += wordSize
	}
	if len(payload) > 0 {
		var rest [4]byte
		copy(rest[:], payload)
		binary.LittleEndian.PutUint64(cell[at:], high|uint64(binary.LittleEndian.Uint32(rest[:])))
		at += wordSize
	}
	return at
}

// wordOf reads a word that an adapter may be writing. The memory begins on a multiple
// of 8 bytes.
func wordOf(memory []byte, i int) uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&memory[i*wordSize])))
}

// taken is what takeCell has found.
type taken int

const (
	nothing  taken = iota // not all of the chunk is there
	complete              // it is
	nonsense              // no peer of ours writes that
)

// takeCell reads a chunk from a cell: the length of its payload, the payload, and its
// header, which is that of the chunk before until then and changes only if the chunk is
// complete.
func takeCell(cell []byte, mark uint32, h *transport.Header, payload *[cellPayload]byte) (int, taken) {
	first := wordOf(cell, 0)
	if uint32(first>>32) != mark {
		return 0, nothing
	}
	n, parts := int(first&(1<<partsAt-1)), uint(first)>>partsAt&0xffff
	if n > cellPayload || parts > allParts {
		return 0, nonsense
	}
	missing, at, header := uint32(0), 1, *h
	for ; parts != 0; parts &= parts - 1 {
		w := wordOf(cell, at)
		missing |= uint32(w>>32) ^ mark
		binary.LittleEndian.PutUint32(header[4*bits.TrailingZeros(parts):], uint32(w))
		at++
	}
	for i := 0; i < n; i += 4 {
		w := wordOf(cell, at)
		missing |= uint32(w>>32) ^ mark
		binary.LittleEndian.PutUint32(payload[i:], uint32(w))
		at++
	}
	if missing != 0 {
		return 0, nothing
	}
	*h = header
	return n, complete
}
