package engine

import (
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
)

// FusedCalls is how many collectives of a group are looked at together for those that may
// be fused into one: its first so many, the next so many, and on. So a group that is
// carried out as several, of so many collectives each, gives the same to ranks that carry
// it out as one.
const FusedCalls = 64

// longestFused is how many bytes an all_reduce has at most that is fused with others. To
// pack and unpack more costs what a message of its own does.
const longestFused = 8 << 10

// fuses reports whether a call is an all_reduce that may be fused with others like it.
// That depends on nothing but what its signature has, so all ranks fuse alike: not on
// where the tensors are, nor on how they lie there.
func (c *Comm) fuses(call *agree.Call) bool {
	return call.Kind == agree.AllReduce && c.size > 1 && call.DType.Valid() && call.Op.Valid() && call.Spelled() &&
		call.Bytes() <= longestFused && c.allReduceOfBytes(call.Bytes()) == choose.Doubling
}

// fusable is how many calls from the first on are one operation: all_reduces of one type
// and operator that fit into a chunk together.
func (c *Comm) fusable(calls []groupCall) int {
	first := calls[0].description()
	if !c.fuses(first) {
		return 1
	}
	room := int64(c.cfg.ChunkBytes) - first.Bytes()
	for i := 1; i < len(calls); i++ {
		next := calls[i].description()
		if next.Sig != first.Sig && (next.DType != first.DType || next.Op != first.Op || !c.fuses(next)) {
			return i
		}
		if room -= next.Bytes(); room < 0 {
			return i
		}
	}
	return len(calls)
}

// fuse makes several all_reduces one task.
func (c *Comm) fuse(calls []groupCall, n *notes) *task {
	from := len(n.parts)
	for i := range calls {
		n.parts = append(n.parts, calls[i].description())
	}
	parts := n.parts[from:len(n.parts):len(n.parts)]
	t := &task{call: agree.Together(parts), parts: parts}
	if t.bad = c.unfit(calls, n); t.bad != nil {
		return t
	}
	far, bytes := &reach{}, int64(0)
	for i := range calls {
		k := &calls[i]
		t.empty = t.empty || k.src.OnDevice()
		far.add("dst", &k.dst)
		far.add("src", &k.src)
		bytes += bytesOf(k.src)
	}
	if t.reach = far.used(); t.reach != nil {
		t.tensors = far.tensors
	}
	t.onHost = func(o agree.Op) error { return c.fusedAllReduce(o, calls, int(bytes)) }
	return t
}

// unfit says why calls cannot be one, nil if they can: one of them is wrong, or writes what
// another one reads or writes, which is not to happen in an order then.
func (c *Comm) unfit(calls []groupCall, n *notes) *ArgumentError {
	refuse := func(argument string, err error) *ArgumentError {
		return &ArgumentError{Rank: c.rank, Call: agree.AllReduce.String(), Argument: argument,
			Err: fmt.Errorf("%w (one of %d in a group that are carried out as one; none was)", err, len(calls))}
	}
	f := footprint{touched: n.touched[:0]}
	defer func() { n.touched = f.touched }()
	for i := range calls {
		k := &calls[i]
		if k.t != nil {
			return refuse(k.t.bad.Argument, k.t.bad.Err)
		}
		src, dst := readsOf(&k.src), writesTo(&k.dst)
		if err := f.conflict(&src, nil); err != nil {
			return refuse("src", err)
		}
		if err := f.conflict(&dst, nil); err != nil {
			return refuse("dst", err)
		}
		f.add(&src)
		f.add(&dst)
	}
	return nil
}

// fusedAllReduce runs one attempt at several all_reduces of so many bytes: their tensors
// are packed one behind the other and reduced as one that fits into a chunk. Its elements
// are combined in the same order as in calls of their own, so the bits are the same; and
// nothing is written to any of the tensors before all ranks have agreed.
func (c *Comm) fusedAllReduce(o agree.Op, calls []groupCall, bytes int) error {
	if c.packed == nil {
		c.packed = make([]byte, c.cfg.ChunkBytes)
	}
	left := c.packed[:bytes]
	for i := range calls {
		k := &calls[i]
		view, err := k.p.logical(k.p.src, &k.src)
		if err != nil {
			return err
		}
		view.Pack(left, 0, view.Count())
		left = left[bytesOf(k.src):]
	}
	view, err := strided.FromBytes(calls[0].src.DType(), c.packed[:bytes]).View(strided.Logical)
	if err != nil {
		return err
	}
	op := operator{op: calls[0].p.op}
	if c.inOneRound(int64(bytes)) {
		err = c.directAllReduce(o, view, view, op)
	} else {
		err = c.doublingAllReduce(o, view, view, op)
	}
	if err != nil {
		return err
	}
	left = c.packed[:bytes]
	for i := range calls {
		k := &calls[i]
		view, err := k.p.logical(k.p.dst, &k.dst)
		if err != nil {
			return err
		}
		view.Unpack(left, 0, view.Count())
		left = left[bytesOf(k.dst):]
	}
	return nil
}

// logical is the view of a tensor in logical order, of which the recipe may be one.
func (p *prepared) logical(of strided.Recipe, t *strided.Tensor) (strided.View, error) {
	if p.walk == strided.Logical {
		return of.View(t), nil
	}
	return t.View(strided.Logical)
}
