package tcp

import (
	"github.com/monel-dev/monel/transport"
)

// stashSize is how far a read may reach beyond the current frame's payload. It
// makes one system call bring a payload and the next head, or many small
// frames; what it brings of payloads is copied once more, so it stays small.
const stashSize = 8 << 10

// inbound assembles frames from the stream of bytes of a link's first connection.
// Heads, and payload bytes that come along with them, pass through the stash; the rest
// of a payload's first stripe is read straight into the slot, or to where aimAt says.
// It knows no connection: whoever uses it reads into space(), says so with filled(),
// and calls parse().
type inbound struct {
	slotSize    int
	connections int // of the link

	header transport.Header
	number uint32  // of the current frame
	slot   *slot   // allocated by the first payload that it is to hold
	cut    stripes // how the current payload is cut; valid once headDone
	share  int     // the length of its first stripe
	got    int     // bytes of that that are where they go

	aim        // where the first stripe goes, if aimed
	aimed bool // it is known where the payload goes
	away  bool // that is not the slot

	headDone bool // the current frame's head has been parsed
	whole    bool // the first stripe is complete and has not been released

	stash    []byte
	from, to int // stash[from:to] has been read and not parsed

	bufs [maxBuffers][]byte
}

// head moves on to the end of the current frame's head, as far as the bytes at
// hand allow, and says whether it is there. The error wraps ErrProtocol or ErrCorrupt.
func (in *inbound) head() (done bool, err error) {
	if in.headDone {
		return true, nil
	}
	if in.to-in.from < headSize {
		return false, nil
	}
	in.cut, err = parseHead(in.stash[in.from:in.to], &in.header, in.slotSize, in.connections, in.number)
	if err != nil {
		return false, err
	}
	in.share = in.cut.length(0)
	in.from += headSize
	in.headDone = true
	in.got = 0
	return true, nil
}

// parse moves on as far as the bytes at hand allow and says whether a whole first
// stripe is there. It goes into the slot unless aimAt was called.
func (in *inbound) parse() (whole bool, err error) {
	if in.whole {
		return true, nil
	}
	if done, err := in.head(); !done {
		return false, err
	}
	if !in.aimed && in.cut.total > 0 {
		in.aimAtSlot()
	}
	if in.got < in.share && in.from < in.to {
		n := in.target.put(in.stash[in.from:in.to])
		in.from += n
		in.got += n
	}
	in.whole = in.got == in.share
	return in.whole, nil
}

// aimAt makes the first stripe of the current frame, whose head is there, go into the
// pieces, which are as long as it, what has come of it included.
func (in *inbound) aimAt(all ...[]byte) {
	in.at(all...)
	in.aimed, in.away = true, true
}

// home is where a stripe of the current frame goes in the slot.
func (in *inbound) home(j int) []byte {
	if in.slot == nil {
		in.slot = newSlot(in.slotSize)
	}
	lo, hi := in.cut.bounds(j)
	return in.slot.payload()[lo:hi]
}

func (in *inbound) aimAtSlot() {
	in.aimAt(in.home(0))
	in.away = false
}

// payload returns the payload of the whole chunk, which is in the slot.
func (in *inbound) payload() []byte {
	n := in.cut.total
	if n == 0 {
		return []byte{}
	}
	return in.slot.payload()[:n:n]
}

// space returns where the next bytes of the stream belong: buffers to be filled
// in order. There is some, unless parse has yielded a whole chunk.
func (in *inbound) space() [][]byte {
	if in.stash == nil {
		in.stash = make([]byte, stashSize)
	}
	if in.headDone {
		// The stash is empty, or parse would have taken from it.
		in.from, in.to = 0, 0
		bufs, all := in.target.space(in.bufs[:0])
		if all && len(bufs) < maxBuffers {
			bufs = append(bufs, in.stash)
		}
		return bufs
	}
	in.to = copy(in.stash, in.stash[in.from:in.to])
	in.from = 0
	in.bufs[0] = in.stash[in.to:]
	return in.bufs[:1]
}

// filled says that n bytes have been read into space().
func (in *inbound) filled(n int) {
	if in.headDone {
		k := min(n, in.share-in.got)
		in.target.filled(k)
		in.got += k
		n -= k
	}
	in.to += n
}

// release ends the current chunk.
func (in *inbound) release() {
	in.whole = false
	in.headDone = false
	in.target.none()
	in.aimed, in.away = false, false
	in.number++
}

// atBoundary says whether the stream is between two frames.
func (in *inbound) atBoundary() bool { return !in.headDone && in.from == in.to }
