package kernels

import (
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided/dtype"
)

// Pack is Set's, as a command.
func (r *Run) Pack(v *View, lo, hi int64, out cudaffi.DevicePtr) error {
	return r.do(order{src: v, lo: lo, hi: hi, out: out})
}

// Unpack is Set's, as a command.
func (r *Run) Unpack(v *View, lo, hi int64, in cudaffi.DevicePtr) error {
	return r.do(order{dst: v, lo: lo, hi: hi, in: in})
}

// ReduceInto is Set's, as a command.
func (r *Run) ReduceInto(v *View, lo, hi int64, out, in cudaffi.DevicePtr, op dtype.Op) error {
	return r.do(order{src: v, lo: lo, hi: hi, out: out, in: in, reduces: true, op: op, ranks: 1})
}

// ReduceOut is Set's, as a command.
func (r *Run) ReduceOut(dst, src *View, lo, hi int64, out, in cudaffi.DevicePtr, op dtype.Op, ranks int) error {
	return r.do(order{src: src, dst: dst, lo: lo, hi: hi, out: out, in: in, reduces: true, op: op, ranks: ranks})
}

// Move is Set's, as a command.
func (r *Run) Move(dst, src *View, lo, hi int64) error {
	return r.do(order{src: src, dst: dst, lo: lo, hi: hi})
}
