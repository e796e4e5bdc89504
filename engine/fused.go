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
	if t.bad = c.unfit(calls); t.bad != nil {
		return t
	}
	if dependent(calls, n) {
		t.walk = agree.OneByOne
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
	t.onHost = func(o agree.Op) error {
		if o.Walk == agree.OneByOne {
			return c.oneByOne(o, calls, t.reach)
		}
		return c.fusedAllReduce(o, calls, int(bytes))
	}
	return t
}

// unfit is why calls cannot be carried out: one of them is wrong; nil if none is.
func (c *Comm) unfit(calls []groupCall) *ArgumentError {
	for i := range calls {
		if t := calls[i].t; t != nil {
			return &ArgumentError{Rank: c.rank, Call: agree.AllReduce.String(), Argument: t.bad.Argument,
				Err: fmt.Errorf("%w (one of %d in a group that are carried out as one; none was)", t.bad.Err, len(calls))}
		}
	}
	return nil
}

// dependent reports whether one of the calls writes what another one reads or writes.
func dependent(calls []groupCall, n *notes) bool {
	f := footprint{touched: n.touched[:0]}
	defer func() { n.touched = f.touched }()
	for i := range calls {
		src, dst := readsOf(&calls[i].src), writesTo(&calls[i].dst)
		if f.conflict(&src, nil) != nil || f.conflict(&dst, nil) != nil {
			return true
		}
		f.add(&src)
		f.add(&dst)
	}
	return false
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
	if err == nil {
		err = c.shortAllReduce(o, view, view, calls[0].p.op)
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

// shortAllReduce runs an all_reduce of elements that fit into a chunk.
func (c *Comm) shortAllReduce(o agree.Op, in, out strided.View, op Op) error {
	if c.inOneRound(in.Count() * int64(in.DType().Size())) {
		return c.directAllReduce(o, in, out, operator{op: op})
	}
	return c.doublingAllReduce(o, in, out, operator{op: op})
}

// oneByOne is fusedAllReduce where some rank's calls need each other's results. Each sends
// chunks of the same description; links keep them in order.
func (c *Comm) oneByOne(o agree.Op, calls []groupCall, far *reach) error {
	for i := range calls {
		k := &calls[i]
		in, err := k.p.logical(k.p.src, &k.src)
		if err != nil {
			return err
		}
		out, err := k.p.logical(k.p.dst, &k.dst)
		if err == nil {
			err = c.shortAllReduce(o, in, out, k.p.op)
		}
		if err == nil && far != nil { // what the device has been told is to be there for the next
			err = far.d.gate.await(o.Stop, far.d.gate.run.Last())
		}
		if err != nil {
			return err
		}
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
