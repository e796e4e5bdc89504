package agree

import "encoding/binary"

// wireReader reads little-endian fields off a control message. It never
// panics: reading past the end yields zeros and sets bad.
type wireReader struct {
	b   []byte
	bad bool
}

func (r *wireReader) take(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *wireReader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *wireReader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (r *wireReader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *wireReader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (r *wireReader) text() string { return string(r.take(int(r.u32()))) }

func appendText(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func (r *wireReader) ranks() []int {
	n := int(r.u32())
	if n < 0 || n > len(r.b)/4 {
		r.bad = true
		return nil
	}
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = int(r.u32())
	}
	return ranks
}

func appendRanks(b []byte, ranks []int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ranks)))
	for _, rank := range ranks {
		b = binary.LittleEndian.AppendUint32(b, uint32(rank))
	}
	return b
}
