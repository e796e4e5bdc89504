package rdma

import (
	"encoding/binary"

	"github.com/monel-dev/monel/transport/internal/converse"
)

// What the two sides of a connection say to each other. The side that dialed
// says hello and then offers the sending ends of its links; the other one answers
// each offer. Either side says bye before it closes; the side that dialed says
// before that how many chunks each link has had.

const (
	msgHello  converse.Type = 1 + iota // see converse
	msgOffer                           // see offer
	msgAnswer                          // see answer
	msgLast                            // channel, number of chunks
	msgBye                             // nothing
	msgTry                             // see trial; the side that dialed begins
	msgTried                           // see trial; the answer, and then the outcome
)

var protocol = converse.Protocol{Version: 3, Hello: msgHello, Bye: msgBye, MaxBody: maxBody}

const (
	maxBody  = 4096
	maxText  = 1000 // bytes of free text
	maxLanes = MaxRails * MaxQPs
)

// address is one queue pair as the other side has to know it.
type address struct {
	infiniBand bool
	mtu        uint8
	lid        uint16
	qpn, psn   uint32
	gid        [16]byte
	rkey       uint32 // of this side's memory
}

const addressSize = 1 + 1 + 2 + 4 + 4 + 16 + 4

// offer describes the sending end of a link.
type offer struct {
	channel         uint32
	slotSize, slots uint32
	memory          uint64 // address of the wish
	lanes           []address
}

// answer is what follows: the receiving end, or why there is none.
type answer struct {
	channel uint32
	refusal string
	memory  uint64 // address of the slots, which the cells follow
	cells   bool   // short chunks may take cells
	lanes   []address
}

// last is how many chunks a link has had when its sender closes, modulo 2^32.
type last struct{ channel, chunks uint32 }

func appendLanes(b []byte, lanes []address) []byte {
	b = append(b, byte(len(lanes)))
	for _, a := range lanes {
		b = append(converse.AppendBool(b, a.infiniBand), a.mtu)
		b = binary.LittleEndian.AppendUint16(b, a.lid)
		b = binary.LittleEndian.AppendUint32(b, a.qpn)
		b = binary.LittleEndian.AppendUint32(b, a.psn)
		b = append(b, a.gid[:]...)
		b = binary.LittleEndian.AppendUint32(b, a.rkey)
	}
	return b
}

func (o *offer) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, o.channel)
	b = binary.LittleEndian.AppendUint32(b, o.slotSize)
	b = binary.LittleEndian.AppendUint32(b, o.slots)
	b = binary.LittleEndian.AppendUint64(b, o.memory)
	return converse.Frame(msgOffer, appendLanes(b, o.lanes))
}

func (a *answer) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, a.channel)
	b = converse.AppendText(b, a.refusal, maxText)
	b = binary.LittleEndian.AppendUint64(b, a.memory)
	return converse.Frame(msgAnswer, appendLanes(converse.AppendBool(b, a.cells), a.lanes))
}

// trial is what the ranks of a pair say to each other when they try whether their
// ports reach each other: queue pairs, or why there are none, or how it ended.
type trial struct {
	failure string // empty if all is well so far
	lanes   []address
}

func (t *trial) encode(as converse.Type) []byte {
	return converse.Frame(as, appendLanes(converse.AppendText(nil, t.failure, maxText), t.lanes))
}

func decodeTrial(body []byte) (*trial, error) {
	r := converse.Reader{Rest: body}
	t := &trial{failure: r.Text(maxText), lanes: decodeLanes(&r)}
	return t, r.End("trial")
}

func (l last) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, l.channel)
	return converse.Frame(msgLast, binary.LittleEndian.AppendUint32(b, l.chunks))
}

func decodeLanes(r *converse.Reader) []address {
	n := int(r.U8())
	if n > maxLanes || n*addressSize > len(r.Rest) {
		r.Bad = true
		return nil
	}
	lanes := make([]address, n)
	for i := range lanes {
		a := &lanes[i]
		a.infiniBand, a.mtu, a.lid, a.qpn, a.psn = r.Bool(), r.U8(), r.U16(), r.U32(), r.U32()
		copy(a.gid[:], r.Take(16))
		a.rkey = r.U32()
		if a.mtu < 1 || a.mtu > 5 || a.qpn>>24 != 0 || a.psn>>24 != 0 {
			r.Bad = true
		}
	}
	return lanes
}

func decodeOffer(body []byte) (*offer, error) {
	r := converse.Reader{Rest: body}
	o := &offer{channel: r.U32(), slotSize: r.U32(), slots: r.U32(), memory: r.U64(), lanes: decodeLanes(&r)}
	return o, r.End("offer")
}

func decodeAnswer(body []byte) (*answer, error) {
	r := converse.Reader{Rest: body}
	a := &answer{channel: r.U32(), refusal: r.Text(maxText), memory: r.U64(), cells: r.Bool(), lanes: decodeLanes(&r)}
	return a, r.End("answer")
}

func decodeLast(body []byte) (last, error) {
	r := converse.Reader{Rest: body}
	l := last{r.U32(), r.U32()}
	return l, r.End("count of chunks")
}
