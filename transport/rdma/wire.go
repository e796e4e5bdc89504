package rdma

import (
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// What the two sides of a connection say to each other. The side that dialed
// says hello and then offers the sending ends of its links; the other one answers
// each offer. Either side says bye before it closes; the side that dialed says
// before that how many chunks each link has had.
//
// A message is a frame: type, 0, length of the body (2 bytes), body. Numbers
// are little-endian.

type messageType uint8

const (
	msgHello  messageType = 1 + iota // version, rank
	msgOffer                         // see offer
	msgAnswer                        // see answer
	msgLast                          // channel, number of chunks
	msgBye                           // nothing
	msgTry                           // see trial; the side that dialed begins
	msgTried                         // see trial; the answer, and then the outcome
)

const (
	protocolVersion = 3
	frameHeader     = 4
	maxBody         = 4096
	maxText         = 1000 // bytes of free text
	maxLanes        = MaxRails * MaxQPs
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

func frame(t messageType, body []byte) []byte {
	b := append([]byte{byte(t), 0, 0, 0}, body...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(body)))
	return b
}

func encodeHello(rank int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, protocolVersion)
	return frame(msgHello, binary.LittleEndian.AppendUint32(b, uint32(rank)))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendLanes(b []byte, lanes []address) []byte {
	b = append(b, byte(len(lanes)))
	for _, a := range lanes {
		b = append(appendBool(b, a.infiniBand), a.mtu)
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
	return frame(msgOffer, appendLanes(b, o.lanes))
}

func (a *answer) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, a.channel)
	refusal := a.refusal[:min(len(a.refusal), maxText)]
	b = binary.LittleEndian.AppendUint16(b, uint16(len(refusal)))
	b = append(b, refusal...)
	b = binary.LittleEndian.AppendUint64(b, a.memory)
	return frame(msgAnswer, appendLanes(appendBool(b, a.cells), a.lanes))
}

// trial is what the ranks of a pair say to each other when they try whether their
// ports reach each other: queue pairs, or why there are none, or how it ended.
type trial struct {
	failure string // empty if all is well so far
	lanes   []address
}

func (t *trial) encode(as messageType) []byte {
	failure := t.failure[:min(len(t.failure), maxText)]
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(failure)))
	return frame(as, appendLanes(append(b, failure...), t.lanes))
}

func decodeTrial(as messageType, body []byte) (*trial, error) {
	r := reader{b: body}
	n := int(r.u16())
	if n > maxText {
		r.short, n = true, 0
	}
	t := &trial{failure: string(r.take(n))}
	t.lanes = r.lanes()
	return t, r.end(as)
}

func (l last) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, l.channel)
	return frame(msgLast, binary.LittleEndian.AppendUint32(b, l.chunks))
}

// reader takes numbers from a body and remembers when it is too short.
type reader struct {
	b     []byte
	short bool
}

var zeros [maxBody]byte

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.short, r.b = true, nil
		return zeros[:n]
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) bool() bool {
	v := r.u8()
	r.short = r.short || v > 1
	return v == 1
}

func (r *reader) u8() uint8   { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) lanes() []address {
	n := int(r.u8())
	if n > maxLanes || n*addressSize > len(r.b) {
		r.short = true
		return nil
	}
	lanes := make([]address, n)
	for i := range lanes {
		a := &lanes[i]
		a.infiniBand, a.mtu, a.lid, a.qpn, a.psn = r.bool(), r.u8(), r.u16(), r.u32(), r.u32()
		copy(a.gid[:], r.take(16))
		a.rkey = r.u32()
		if a.mtu < 1 || a.mtu > 5 || a.qpn>>24 != 0 || a.psn>>24 != 0 {
			r.short = true
		}
	}
	return lanes
}

// end reports what is wrong with a message whose fields have been read.
func (r *reader) end(t messageType) error {
	if r.short || len(r.b) > 0 {
		return fmt.Errorf("%w: a malformed message of type %d", transport.ErrProtocol, t)
	}
	return nil
}

func decodeHello(body []byte, rank int) error {
	r := reader{b: body}
	version, from := r.u32(), r.u32()
	if err := r.end(msgHello); err != nil {
		return err
	}
	if version != protocolVersion || from != uint32(rank) {
		return fmt.Errorf("%w: it speaks as rank %d and version %d of this conversation, want version %d",
			transport.ErrProtocol, from, version, protocolVersion)
	}
	return nil
}

func decodeOffer(body []byte) (*offer, error) {
	r := reader{b: body}
	o := &offer{channel: r.u32(), slotSize: r.u32(), slots: r.u32(), memory: r.u64(), lanes: r.lanes()}
	return o, r.end(msgOffer)
}

func decodeAnswer(body []byte) (*answer, error) {
	r := reader{b: body}
	a := &answer{channel: r.u32()}
	n := int(r.u16())
	if n > maxText {
		r.short, n = true, 0
	}
	a.refusal = string(r.take(n))
	a.memory = r.u64()
	a.cells = r.bool()
	a.lanes = r.lanes()
	return a, r.end(msgAnswer)
}

func decodeLast(body []byte) (last, error) {
	r := reader{b: body}
	l := last{r.u32(), r.u32()}
	return l, r.end(msgLast)
}
