package shm

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/monel-dev/monel/transport/internal/converse"
)

// What the two sides of a connection say to each other. The side that dialed
// says hello and then offers the segments of its sending ends; the other one
// answers each offer. An offer that can be had in no way is withdrawn. Either
// side says bye before it closes.

const (
	msgHello    converse.Type = 1 + iota // see converse
	msgOffer                             // see offer
	msgAnswer                            // see answer
	msgWithdraw                          // see withdrawal
	msgBye                               // nothing
)

var protocol = converse.Protocol{Version: 2, Hello: msgHello, Bye: msgBye, MaxBody: maxBody}

const (
	maxBody = 1024
	maxText = 500 // bytes of free text
)

// probeChannel stands for the channel of a segment that is made only to see
// whether it can be shared.
const probeChannel = math.MaxUint32

// way is a way for the receiver to get at the sender's segment.
type way uint8

const (
	wayProc way = 1 // /proc/PID/fd/FD
	wayPass way = 2 // passed over a Unix socket
)

func (w way) String() string {
	switch w {
	case wayProc:
		return "through /proc"
	case wayPass:
		return "passed over a Unix socket"
	default:
		return fmt.Sprintf("way %d", uint8(w))
	}
}

// offer describes a segment.
type offer struct {
	id      uint32 // returned in the answer
	channel uint32
	geometry
	size    int // of the file
	nonce   nonce
	way     way
	pid, fd uint32 // wayProc
	socket  string // wayPass: the name of the socket
	token   nonce  // wayPass: to be shown there
}

// verdict is the essence of an answer.
type verdict uint8

const (
	mapped   verdict = 0 // the link stands
	refused  verdict = 1 // the segment cannot be had this way
	mismatch verdict = 2 // the offer itself cannot be right
)

// answer says what has become of an offer.
type answer struct {
	id      uint32
	verdict verdict
	text    string // why, unless mapped
}

// withdrawal says that no segment can be had on a channel in any way.
type withdrawal struct {
	channel uint32
	text    string
}

func (o *offer) encode() []byte {
	var b []byte
	for _, v := range []uint32{o.id, o.channel, uint32(o.slotSize), uint32(o.slots), uint32(o.size)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(append(b, o.nonce[:]...), byte(o.way))
	b = binary.LittleEndian.AppendUint32(b, o.pid)
	b = binary.LittleEndian.AppendUint32(b, o.fd)
	b = converse.AppendText(b, o.socket, maxText)
	return converse.Frame(msgOffer, append(b, o.token[:]...))
}

func decodeOffer(body []byte) (o offer, err error) {
	r := converse.Reader{Rest: body}
	o.id, o.channel = r.U32(), r.U32()
	o.slotSize, o.slots = r.Number(MaxSlotSize), r.Number(MaxSlots)
	o.size = r.Number(math.MaxInt32)
	copy(o.nonce[:], r.Take(nonceSize))
	o.way = way(r.U8())
	o.pid, o.fd = r.U32(), r.U32()
	o.socket = r.Text(maxText)
	copy(o.token[:], r.Take(nonceSize))
	return o, r.End("offer")
}

func (a *answer) encode() []byte {
	b := append(binary.LittleEndian.AppendUint32(nil, a.id), byte(a.verdict))
	return converse.Frame(msgAnswer, converse.AppendText(b, a.text, maxText))
}

func decodeAnswer(body []byte) (a answer, err error) {
	r := converse.Reader{Rest: body}
	a.id, a.verdict, a.text = r.U32(), verdict(r.U8()), r.Text(maxText)
	r.Bad = r.Bad || a.verdict > mismatch
	return a, r.End("answer")
}

func (w *withdrawal) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, w.channel)
	return converse.Frame(msgWithdraw, converse.AppendText(b, w.text, maxText))
}

func decodeWithdrawal(body []byte) (w withdrawal, err error) {
	r := converse.Reader{Rest: body}
	w.channel, w.text = r.U32(), r.Text(maxText)
	return w, r.End("withdrawal")
}
