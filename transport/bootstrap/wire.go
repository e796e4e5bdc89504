package bootstrap

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"github.com/monel-dev/monel/transport"
)

// A frame is what travels on an authenticated connection of the control plane:
// length of the payload (4 bytes, little endian), type, three zero bytes,
// payload.
const frameHeader = 8

type frameType uint8

// Frames of the rendezvous and of the control links. Their numbers are on the
// wire.
const (
	frameHello   frameType = 1 // rank to root: greeting
	frameTable   frameType = 2 // root to rank: everybody is here
	frameAck     frameType = 3 // rank to root: the table arrived
	frameRefusal frameType = 4 // root to rank: a WorldError
	framePing    frameType = 5 // root to rank: are you still there?
	framePong    frameType = 6 // rank to root: yes

	frameBeat    frameType = 16 // both ways: heartbeat
	frameReady   frameType = 17 // coordinator to member: all links stand
	frameReport  frameType = 18 // member to coordinator: something failed
	frameVerdict frameType = 19 // coordinator to member: this failed first
	frameBye     frameType = 20 // member to coordinator: I am leaving
	frameAllBye  frameType = 21 // coordinator to member: everybody is leaving
	frameMessage frameType = 22 // both ways: payload of the layer above
)

// appendFrame appends a whole frame to b.
func appendFrame(b []byte, t frameType, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, byte(t), 0, 0, 0)
	return append(b, payload...)
}

// readFrame reads one frame whose payload is at most limit bytes. Memory grows
// with what arrives, not with what the header promises.
func readFrame(r io.Reader, limit int) (frameType, []byte, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(h[:])
	t := frameType(h[4])
	if h[5] != 0 || h[6] != 0 || h[7] != 0 {
		return 0, nil, fmt.Errorf("%w: malformed frame header", transport.ErrProtocol)
	}
	if int64(n) > int64(limit) {
		return 0, nil, fmt.Errorf("%w: frame of type %d with %d bytes, at most %d are allowed", transport.ErrProtocol, t, n, limit)
	}
	const step = 64 << 10
	payload := make([]byte, 0, min(int(n), step))
	for len(payload) < int(n) {
		at := len(payload)
		payload = append(payload, make([]byte, min(int(n)-at, step))...)
		if _, err := io.ReadFull(r, payload[at:]); err != nil {
			return 0, nil, noEOF(err)
		}
	}
	return t, payload, nil
}

// noEOF turns the end of a stream in the middle of something into what it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// encoder appends fields to a payload.
type encoder struct{ b []byte }

func (e *encoder) u8(v uint8)   { e.b = append(e.b, v) }
func (e *encoder) u16(v uint16) { e.b = binary.LittleEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

// text appends at most limit bytes of s, behind their number.
func (e *encoder) text(s string, limit int) {
	if len(s) > limit {
		s = s[:limit]
	}
	e.u16(uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) addr(a netip.AddrPort) {
	ip := a.Addr().As16()
	if a.Addr().Is4() {
		e.u8(4)
	} else {
		e.u8(6)
	}
	e.b = append(e.b, ip[:]...)
	e.u16(a.Port())
	e.text(a.Addr().Zone(), maxZone)
}

const maxZone = 32

// decoder takes fields from a payload that may hold anything. After the first
// field that does not fit, everything it returns is zero and err is set.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", transport.ErrProtocol, what)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || len(d.b) < n {
		d.fail("payload is too short")
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// rank takes a rank or count that must lie in [lo, hi].
func (d *decoder) number(what string, lo, hi int) int {
	v := int64(int32(d.u32()))
	if d.err == nil && (v < int64(lo) || v > int64(hi)) {
		d.fail(fmt.Sprintf("%s %d is not in [%d, %d]", what, v, lo, hi))
		return 0
	}
	return int(v)
}

func (d *decoder) text(limit int) string {
	n := int(d.u16())
	if n > limit {
		d.fail(fmt.Sprintf("text of %d bytes, at most %d are allowed", n, limit))
		return ""
	}
	return string(d.take(n))
}

func (d *decoder) addr() netip.AddrPort {
	family := d.u8()
	raw := d.take(16)
	port := d.u16()
	zone := d.text(maxZone)
	if d.err != nil {
		return netip.AddrPort{}
	}
	ip := netip.AddrFrom16([16]byte(raw))
	switch {
	case family == 4 && ip.Is4In6() && zone == "":
		ip = ip.Unmap()
	case family == 6 && !ip.Is4In6():
		ip = ip.WithZone(zone)
	default:
		d.fail("malformed address")
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, port)
}

// end demands that nothing is left.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) != 0 {
		d.fail(fmt.Sprintf("%d bytes after the end of the payload", len(d.b)))
	}
	return d.err
}
