package shm

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/monel-dev/monel/transport"
)

// What the two sides of a connection say to each other. The side that dialed
// says hello and then offers the segments of its sending ends; the other one
// answers each offer. An offer that can be had in no way is withdrawn. Either
// side says bye before it closes.
//
// A message is a frame: type, 0, length of the body (2 bytes), body. Numbers
// are little-endian.

type messageType uint8

const (
	msgHello    messageType = 1 + iota // version, rank
	msgOffer                           // see offer
	msgAnswer                          // see answer
	msgWithdraw                        // see withdrawal
	msgBye                             // nothing
)

const (
	protocolVersion = 2
	frameHeader     = 4
	maxBody         = 1024
	maxText         = 500 // bytes of free text
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

// hello opens a conversation.
type hello struct {
	version, rank uint32
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

// encoder appends to a frame.
type encoder struct{ b []byte }

func newFrame(t messageType) *encoder { return &encoder{[]byte{byte(t), 0, 0, 0}} }

func (e *encoder) u8(v uint8)   { e.b = append(e.b, v) }
func (e *encoder) u32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }

func (e *encoder) text(s string) {
	s = s[:min(len(s), maxText)]
	e.b = binary.LittleEndian.AppendUint16(e.b, uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) frame() []byte {
	binary.LittleEndian.PutUint16(e.b[2:], uint16(len(e.b)-frameHeader))
	return e.b
}

// decoder takes a body apart. The first thing amiss sets bad, for good.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.b) {
		d.bad = true
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8   { return d.take(1)[0] }
func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }

// number reads a number of at most limit.
func (d *decoder) number(limit uint32) int {
	v := d.u32()
	if v > limit {
		d.bad = true
		return 0
	}
	return int(v)
}

func (d *decoder) text() string {
	n := int(binary.LittleEndian.Uint16(d.take(2)))
	if n > maxText {
		d.bad = true
		return ""
	}
	return string(d.take(n))
}

func (d *decoder) end(what string) error {
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("%w: malformed %s", transport.ErrProtocol, what)
	}
	return nil
}

func (h *hello) encode() []byte {
	e := newFrame(msgHello)
	e.u32(h.version)
	e.u32(h.rank)
	return e.frame()
}

func decodeHello(body []byte) (h hello, err error) {
	d := decoder{b: body}
	h.version, h.rank = d.u32(), d.u32()
	return h, d.end("hello")
}

func (o *offer) encode() []byte {
	e := newFrame(msgOffer)
	e.u32(o.id)
	e.u32(o.channel)
	e.u32(uint32(o.slotSize))
	e.u32(uint32(o.slots))
	e.u32(uint32(o.size))
	e.b = append(e.b, o.nonce[:]...)
	e.u8(uint8(o.way))
	e.u32(o.pid)
	e.u32(o.fd)
	e.text(o.socket)
	e.b = append(e.b, o.token[:]...)
	return e.frame()
}

func decodeOffer(body []byte) (o offer, err error) {
	d := decoder{b: body}
	o.id, o.channel = d.u32(), d.u32()
	o.slotSize, o.slots = d.number(MaxSlotSize), d.number(MaxSlots)
	o.size = d.number(math.MaxInt32)
	copy(o.nonce[:], d.take(nonceSize))
	o.way = way(d.u8())
	o.pid, o.fd = d.u32(), d.u32()
	o.socket = d.text()
	copy(o.token[:], d.take(nonceSize))
	return o, d.end("offer")
}

func (a *answer) encode() []byte {
	e := newFrame(msgAnswer)
	e.u32(a.id)
	e.u8(uint8(a.verdict))
	e.text(a.text)
	return e.frame()
}

func decodeAnswer(body []byte) (a answer, err error) {
	d := decoder{b: body}
	a.id, a.verdict, a.text = d.u32(), verdict(d.u8()), d.text()
	d.bad = d.bad || a.verdict > mismatch
	return a, d.end("answer")
}

func (w *withdrawal) encode() []byte {
	e := newFrame(msgWithdraw)
	e.u32(w.channel)
	e.text(w.text)
	return e.frame()
}

func decodeWithdrawal(body []byte) (w withdrawal, err error) {
	d := decoder{b: body}
	w.channel, w.text = d.u32(), d.text()
	return w, d.end("withdrawal")
}

func encodeBye() []byte { return newFrame(msgBye).frame() }
