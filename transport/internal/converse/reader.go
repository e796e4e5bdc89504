package converse

import (
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// Reader takes a body apart. What is amiss makes it Bad for good, and everything zero that
// is read then.
type Reader struct {
	Rest []byte
	Bad  bool
}

// Take is the next n bytes.
func (r *Reader) Take(n int) []byte {
	if r.Bad || n > len(r.Rest) {
		r.Bad, r.Rest = true, nil
		return make([]byte, n)
	}
	b := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return b
}

// U8, U16, U32 and U64 are the next number.
func (r *Reader) U8() uint8   { return r.Take(1)[0] }
func (r *Reader) U16() uint16 { return binary.LittleEndian.Uint16(r.Take(2)) }
func (r *Reader) U32() uint32 { return binary.LittleEndian.Uint32(r.Take(4)) }
func (r *Reader) U64() uint64 { return binary.LittleEndian.Uint64(r.Take(8)) }

// Number is the next number of 4 bytes, which is to be at most limit.
func (r *Reader) Number(limit uint32) int {
	v := r.U32()
	if v > limit {
		r.Bad = true
		return 0
	}
	return int(v)
}

// Bool is what AppendBool has written.
func (r *Reader) Bool() bool {
	v := r.U8()
	r.Bad = r.Bad || v > 1
	return v == 1
}

// AppendBool appends a byte.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Text is what AppendText has written, with the same limit.
func (r *Reader) Text(limit int) string {
	n := int(r.U16())
	if n > limit {
		r.Bad = true
		return ""
	}
	return string(r.Take(n))
}

// AppendText appends a text, of which no more than limit bytes.
func AppendText(b []byte, text string, limit int) []byte {
	text = text[:min(len(text), limit)]
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// End returns nil if all has been read and nothing was amiss, else an error that wraps
// transport.ErrProtocol.
func (r *Reader) End(what string) error {
	if r.Bad || len(r.Rest) > 0 {
		return fmt.Errorf("%w: malformed %s", transport.ErrProtocol, what)
	}
	return nil
}
