package kernels

import (
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided/dtype"
)

// maxRanks is how many ranks an average may be of: those numbers that float has.
const maxRanks = 1 << 24

// order is one call's arguments.
type order struct {
	src, dst *View
	lo, hi   int64
	in, out  cudaffi.DevicePtr
	reduces  bool
	op       dtype.Op
	ranks    int // that Avg divides by
}

// carryOut checks an order and launches what it takes.
func (p *planner) carryOut(o *order) error {
	if err := o.check(); err != nil || o.lo == o.hi {
		return err
	}
	v := o.either()
	p.task = task{src: o.src != nil, dst: o.dst != nil, es: int64(v.DType.Size()), reduces: o.reduces}
	p.arithmetic = newArithmetic(v.DType, o.op, o.ranks)
	s := span{in: uint64(o.in), out: uint64(o.out), lo: o.lo, hi: o.hi}
	if o.src != nil {
		s.a = uint64(o.src.Base)
	}
	if o.dst != nil {
		s.b = uint64(o.dst.Base)
	}
	if !s.join(o.src, o.dst) {
		return fmt.Errorf("kernels: sizes %v and %v: %w", o.src.Size, o.dst.Size, ErrView)
	}
	return p.all(s)
}

// either is a view of the order: there is at least one.
func (o *order) either() *View {
	if o.src != nil {
		return o.src
	}
	return o.dst
}

func (o *order) check() error {
	v := o.either()
	if err := v.check(o.lo, o.hi); err != nil {
		return err
	}
	if o.src != nil && o.dst != nil {
		if err := o.dst.check(o.lo, o.hi); err != nil {
			return err
		}
		if o.src.DType != o.dst.DType || o.src.Count != o.dst.Count {
			return fmt.Errorf("kernels: from %d elements of %v to %d of %v: %w", o.src.Count, o.src.DType, o.dst.Count, o.dst.DType, ErrView)
		}
	}
	if uint64(o.in|o.out)&uint64(v.DType.Size()-1) != 0 {
		return fmt.Errorf("kernels: slots of %v at %#x and %#x: %w", v.DType, uint64(o.in), uint64(o.out), ErrAlignment)
	}
	if o.reduces && (!o.op.Valid() || o.op == dtype.Avg && (o.ranks < 1 || o.ranks > maxRanks)) {
		return fmt.Errorf("kernels: %v of %d ranks: %w", o.op, o.ranks, ErrOperation)
	}
	return nil
}

// newArithmetic is op on elements of type dt, for the kernels. An average of one
// rank is a sum.
func newArithmetic(dt dtype.DType, op dtype.Op, ranks int) arithmetic {
	a := arithmetic{kind: uint32(dt), op: uint32(op)}
	switch {
	case op == dtype.Avg && ranks == 1:
		a.op = uint32(dtype.Sum)
	case op == dtype.Avg:
		a.ranks = int32(ranks)
		a.magic32, _ = reciprocal(uint32(ranks))
		a.magic64, a.shift = reciprocal64(uint64(ranks))
		a.inverse = 1 / float64(ranks)
	}
	return a
}

// do has an order carried out on a stream.
func (s *Set) do(stream cudaffi.Stream, o order) error {
	p := planners.Get().(*planner)
	p.on = on{s, stream}
	p.l = &p.on
	err := p.carryOut(&o)
	p.on = on{}
	planners.Put(p)
	return err
}

// Pack copies the elements [lo,hi) of v to the slot out, packed in their order.
// Slots hold hi-lo elements at least, begin at a multiple of the element size,
// and are memory of the device or mapped pinned memory of the host.
func (s *Set) Pack(stream cudaffi.Stream, v *View, lo, hi int64, out cudaffi.DevicePtr) error {
	return s.do(stream, order{src: v, lo: lo, hi: hi, out: out})
}

// Unpack copies the slot in to the elements [lo,hi) of v. What lies between them
// is not touched. Elements of v must not overlap.
func (s *Set) Unpack(stream cudaffi.Stream, v *View, lo, hi int64, in cudaffi.DevicePtr) error {
	return s.do(stream, order{dst: v, lo: lo, hi: hi, in: in})
}

// ReduceInto computes out = in (+) elements [lo,hi) of v, in being the left
// operand. Avg adds. out may be in.
func (s *Set) ReduceInto(stream cudaffi.Stream, v *View, lo, hi int64, out, in cudaffi.DevicePtr, op dtype.Op) error {
	return s.do(stream, order{src: v, lo: lo, hi: hi, out: out, in: in, reduces: true, op: op, ranks: 1})
}

// ReduceOut is the last step of a reduction: it computes in (+) elements [lo,hi)
// of src, for Avg divided by ranks, and writes the result to the elements [lo,hi)
// of dst and, unless that is 0, to the slot out, which may be in. dst has src's
// type and count; its memory is src's element for element, or disjoint from it.
func (s *Set) ReduceOut(stream cudaffi.Stream, dst, src *View, lo, hi int64, out, in cudaffi.DevicePtr, op dtype.Op, ranks int) error {
	return s.do(stream, order{src: src, dst: dst, lo: lo, hi: hi, out: out, in: in, reduces: true, op: op, ranks: ranks})
}

// Move copies the elements [lo,hi) of src to those of dst, a view of as many
// elements of the same type in memory that is disjoint from src's.
func (s *Set) Move(stream cudaffi.Stream, dst, src *View, lo, hi int64) error {
	return s.do(stream, order{src: src, dst: dst, lo: lo, hi: hi})
}
