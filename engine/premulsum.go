package engine

import (
	"fmt"
	"sync"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// NewPreMulSum makes an operator that multiplies this rank's elements of type dt by
// factor before they are summed, as ncclRedOpCreatePreMulSum does. It is this
// communicator's, for tensors of that type, until FreeOp.
//
// factor is a tensor of one element of type dt in host memory, which is read before the call returns.
// Each rank may have another one; ranks agree on a call if all of them pass operators
// made by NewPreMulSum. A product is rounded to dt before it is added.
//
// The error is an *ArgumentError: factor is not such a tensor, or there are too many
// operators.
func (c *Comm) NewPreMulSum(dt strided.DType, factor strided.Tensor) (Op, error) {
	bad := func(argument string, err error) (Op, error) {
		return 0, &ArgumentError{Rank: c.rank, Call: "premulsum", Argument: argument, Err: err}
	}
	if argument, err := checkIn(factor); err != nil {
		return bad(argument, err)
	}
	if factor.DType() != dt || factor.Count() != 1 {
		return bad("factor", fmt.Errorf("%w: %d elements of %v; give one of %v", strided.ErrShape, factor.Count(), factor.DType(), dt))
	}
	if factor.OnDevice() {
		return bad("factor", fmt.Errorf("%w: give one in host memory", strided.ErrDevice))
	}
	view, err := factor.View(strided.Logical)
	if err != nil {
		return bad("factor", err)
	}
	size := dt.Size()
	copies := make([]byte, c.cfg.ChunkBytes-c.cfg.ChunkBytes%size)
	view.Pack(copies[:size], 0, 1)
	for n := size; n < len(copies); n *= 2 {
		copy(copies[n:], copies[:n])
	}
	op, ok := c.factors.add(&factorOf{dt: dt, copies: copies})
	if !ok {
		return bad("op", fmt.Errorf("there are %d operators already; free those that are not needed any more", mostFactors))
	}
	return op, nil
}

// FreeOp frees an operator that NewPreMulSum has made. Started collectives that use it
// must have ended.
func (c *Comm) FreeOp(op Op) error {
	if !c.factors.remove(op) {
		return &ArgumentError{Rank: c.rank, Call: "free op", Argument: "op", Err: fmt.Errorf("%v is not one that NewPreMulSum has made", op)}
	}
	return nil
}

// factorOf is what an operator multiplies by.
type factorOf struct {
	dt     strided.DType
	copies []byte // of the factor, as many as a chunk has elements
}

// mostFactors is how many operators a communicator may have: their numbers begin where
// the built-in ones end, as in NCCL, and fit into a byte.
const mostFactors = 255 - int(agree.PreMulSum)

// factors are the operators that were made, by number.
type factors struct {
	mu   sync.Mutex
	list []*factorOf // nil where one was freed
}

func (f *factors) add(one *factorOf) (Op, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, have := range f.list {
		if have == nil {
			f.list[i] = one
			return agree.PreMulSum + Op(i), true
		}
	}
	if len(f.list) == mostFactors {
		return 0, false
	}
	f.list = append(f.list, one)
	return agree.PreMulSum + Op(len(f.list)-1), true
}

func (f *factors) remove(op Op) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at(op) == nil {
		return false
	}
	f.list[op-agree.PreMulSum] = nil
	return true
}

// at is an operator's factor, nil if it has none. The list is locked.
func (f *factors) at(op Op) *factorOf {
	if op < agree.PreMulSum || int(op-agree.PreMulSum) >= len(f.list) {
		return nil
	}
	return f.list[op-agree.PreMulSum]
}

// operator is what an operator stands for: one of the built-in ones, and a factor.
type operator struct {
	op     Op
	factor []byte // nil: none
}

// comparable is an operator as ranks compare it, which may have numbered theirs
// differently.
func comparable(op Op) Op {
	if op > agree.PreMulSum {
		return agree.PreMulSum
	}
	return op
}

// operatorOf resolves an operator for elements of type dt.
func (c *Comm) operatorOf(op Op, dt strided.DType) (operator, error) {
	if op.Valid() {
		return operator{op: op}, nil
	}
	c.factors.mu.Lock()
	defer c.factors.mu.Unlock()
	f := c.factors.at(op)
	switch {
	case f == nil:
		return operator{op: op}, fmt.Errorf("%v is not a reduction operator; use Sum, Prod, Max, Min or Avg, or one that NewPreMulSum has made", op)
	case f.dt != dt:
		return operator{op: op}, fmt.Errorf("the operator is for elements of %v, and the tensors have %v", f.dt, dt)
	}
	return operator{op: Sum, factor: f.copies}, nil
}

// operand is what a rank adds to a reduction: its source, multiplied by a factor if
// there is one.
type operand struct {
	strided.View
	factor []byte
	c      *Comm
}

// pack is View.Pack.
func (s *operand) pack(slot []byte, lo, hi int64) {
	s.Pack(slot, lo, hi)
	s.scale(slot, hi-lo)
}

func (s *operand) scale(slot []byte, n int64) {
	if s.factor != nil {
		strided.Reduce(Prod, s.DType(), slot, slot, s.factor, n)
	}
}

// bytes are the elements [lo,hi), packed: in the source itself if they lie there so, else
// at the beginning of room.
func (s *operand) bytes(room func() []byte, lo, hi int64) (packed []byte, there bool) {
	if s.factor == nil {
		if packed, there = s.Bytes(lo, hi); there {
			return packed, true
		}
	}
	packed = room()[:int(hi-lo)*s.DType().Size()]
	s.pack(packed, lo, hi)
	return packed, false
}

// multiplied are the elements [lo,hi), packed and multiplied, until the next call.
func (s *operand) multiplied(lo, hi int64) []byte {
	if s.c.products == nil {
		s.c.products = make([]byte, s.c.cfg.ChunkBytes)
	}
	s.pack(s.c.products, lo, hi)
	return s.c.products
}

// reduceInto is View.ReduceInto.
func (s *operand) reduceInto(out, in []byte, lo, hi int64, op Op) {
	if s.factor == nil {
		s.ReduceInto(out, in, lo, hi, op)
		return
	}
	strided.Reduce(op, s.DType(), out, in, s.multiplied(lo, hi), hi-lo)
}

// reduceOut is View.ReduceOut.
func (s *operand) reduceOut(dst strided.View, out, in []byte, lo, hi int64, op Op, ranks int) {
	if s.factor == nil {
		s.ReduceOut(dst, out, in, lo, hi, op, ranks)
		return
	}
	sum := s.multiplied(lo, hi)
	strided.ReduceLast(op, s.DType(), sum, in, sum, hi-lo, ranks)
	dst.Unpack(sum, lo, hi)
	copy(out, sum)
}

// sendOperand is sendView for what is added to a reduction.
func (c *Comm) sendOperand(o agree.Op, to transport.Sender, index uint32, n int, s *operand, lo, hi int64) error {
	if s.factor == nil {
		return c.sendView(o, to, o.Walk, index, n, s.View, lo, hi)
	}
	return c.post(o, to, o.Walk, index, n, func(slot []byte) { s.pack(slot, lo, hi) })
}

// scaleAlone is a reduction of one rank: dst becomes src, multiplied.
func (c *Comm) scaleAlone(dst, src strided.Tensor, op operator) error {
	if op.factor == nil {
		return c.copyElements(dst, src)
	}
	to, err := dst.View(strided.Logical)
	if err != nil {
		return err
	}
	from, err := src.View(strided.Logical)
	if err != nil {
		return err
	}
	s := operand{View: from, factor: op.factor, c: c}
	return c.eachChunk(from.Count(), from.DType(), func(_ uint32, lo, hi int64, _ int) error {
		to.Unpack(s.multiplied(lo, hi), lo, hi)
		return nil
	})
}
