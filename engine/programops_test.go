package engine_test

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// programOp is one collective of a program. start makes the tensors, calls and returns
// what waits for the end and checks the result; blocking is for the call that does not
// return before.
type programOp struct {
	text  string
	start func(r *programRank, c *engine.Comm, blocking bool) (finish func() error, err error)
	// add is start with a group in the call's place. What it returns is called when the group
	// has ended.
	add func(r *programRank, c *engine.Comm, in *engine.Group) (finish func() error, err error)
}

// opMakers make the collectives that programs call, for communicators of size ranks.
var opMakers = []func(g *generator, size int) programOp{
	(*generator).allReduce,
	(*generator).allReduce,
	(*generator).broadcast,
	(*generator).broadcast,
	(*generator).other,
	(*generator).other,
	(*generator).allGatherV,
	(*generator).allToAllV,
	(*generator).preMulSum,
	(*generator).barrier,
}

func (g *generator) collective(size int) programOp { return opMakers[g.IntN(len(opMakers))](g, size) }

// run calls and checks.
func (op *programOp) run(r *programRank, c *engine.Comm) error {
	finish, err := op.start(r, c, true)
	if err == nil {
		err = finish()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op.text, err)
	}
	return nil
}

func (g *generator) dtype() strided.DType {
	all := []strided.DType{dtype.Int8, dtype.Uint8, dtype.Int32, dtype.Uint32, dtype.Int64, dtype.Uint64,
		dtype.Float16, dtype.BFloat16, dtype.Float32, dtype.Float64, dtype.Float8E4M3, dtype.Float8E5M2}
	return all[g.IntN(len(all))]
}

func (g *generator) op() engine.Op {
	return []engine.Op{engine.Sum, engine.Prod, engine.Max, engine.Min, engine.Avg}[g.IntN(5)]
}

// shape is one of a few to some thousand elements, of which some have none.
func (g *generator) shape(least int64) (shape []int64) {
	for range 1 + g.IntN(3) {
		shape = append(shape, max(least, []int64{0, 1, 2, 3, 5, 8, 13}[min(6, g.IntN(20))]))
	}
	if g.IntN(8) == 0 {
		shape = append(shape, int64(1+g.IntN(40)))
	}
	return shape
}

// layoutNames are one for each rank, or in half of the cases the same for all.
func (g *generator) layoutNames(size int) (names []string) {
	same := g.IntN(2) == 0
	for rank := range size {
		name := layouts[g.IntN(len(layouts))].name
		if same && rank > 0 {
			name = names[0]
		}
		names = append(names, name)
	}
	return names
}

// allReduce and broadcast are written out here, since they may be under way while
// others are started.
func (g *generator) allReduce(size int) programOp { return g.allReduceOf(size, g.dtype(), g.op()) }

func (g *generator) allReduceOf(size int, dt strided.DType, op engine.Op) programOp {
	shape, in, salt := g.shape(0), g.layoutNames(size), g.IntN(1<<20)
	out := in
	inPlace := g.IntN(2) == 0
	if !inPlace {
		out = g.layoutNames(size)
	}
	text := fmt.Sprintf("all_reduce %v %v %v src %v dst %v in place %v", dt, op, shape, in, out, inPlace)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		given := func(i int) scalar { return input(dt, op, c.Rank(), i+salt) }
		src := layoutNamed(in[c.Rank()]).place(r.t, dt, shape)
		src.fill(given)
		dst := src
		if !inPlace {
			dst = layoutNamed(out[c.Rank()]).place(r.t, dt, shape)
		}
		check := func() error {
			if !inPlace {
				if err := src.check(given); err != nil {
					return err
				}
			}
			return dst.check(func(i int) scalar { return reduce(dt, op, c.Size(), i+salt) })
		}
		return programCall{
			func() error { return c.AllReduce(background, dst.tensor, src.tensor, op) },
			func() (*engine.Work, error) { return c.StartAllReduce(background, dst.tensor, src.tensor, op) },
			func(in *engine.Group) error { return in.AllReduce(dst.tensor, src.tensor, op) },
		}, check
	})
}

func (g *generator) broadcast(size int) programOp {
	dt, shape, in, salt, root := g.dtype(), g.shape(0), g.layoutNames(size), g.IntN(1<<20), g.IntN(size)
	out, inPlace := g.layoutNames(size), g.IntN(3) > 0 // which only the root sees
	text := fmt.Sprintf("broadcast %v %v in %v root %d in place %v", dt, shape, in, root, inPlace)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		x := layoutNamed(in[c.Rank()]).place(r.t, dt, shape)
		value := func(i int) scalar { return input(dt, engine.Max, root, i+salt) }
		src, apart := x.tensor, func() error { return nil }
		if c.Rank() == root && inPlace {
			x.fill(value)
		} else if c.Rank() == root {
			from := layoutNamed(out[root]).place(r.t, dt, shape)
			from.fill(value)
			src, apart = from.tensor, func() error { return from.check(value) }
		}
		return programCall{
			func() error { return c.Broadcast(background, x.tensor, src, root) },
			func() (*engine.Work, error) { return c.StartBroadcast(background, x.tensor, src, root) },
			func(in *engine.Group) error { return in.Broadcast(x.tensor, src, root) },
		}, func() error { return errors.Join(x.check(value), apart()) }
	})
}

// ended waits for a collective that was started.
func ended(work *engine.Work) error {
	if work == nil {
		return nil
	}
	return work.Wait(background)
}

// other is one of the collectives of the other tests' table.
func (g *generator) other(size int) programOp {
	k := collectiveCase{of: &collectives[g.IntN(len(collectives))], dt: g.dtype(), op: g.op(), block: g.shape(0),
		big: []string{"stacked", "joined", "flat"}[g.IntN(3)], in: g.layoutNames(size), out: g.layoutNames(size), root: g.IntN(size), inPlace: g.IntN(3) == 0}
	return callOf(k.String(), func(r *programRank, c *engine.Comm) (programCall, func() error) {
		own := k
		own.in, own.out = []string{k.in[c.Rank()]}, []string{k.out[c.Rank()]}
		if k.inPlace && !own.canSplit(r.t, size) {
			own.out = []string{"contiguous"}
		}
		dst, src, check, err := own.prepare(r.t, c, size)
		if err != nil {
			r.t.Fatalf("rank %d: %v: %v", c.Rank(), &own, err)
		}
		return programCall{
			func() error { return k.of.call(c, dst, src, k.op, k.root) },
			func() (*engine.Work, error) { return k.of.start(c, dst, src, k.op, k.root) },
			func(in *engine.Group) error { return k.of.add(in, dst, src, k.op, k.root) },
		}, check
	})
}

func (g *generator) barrier(int) programOp {
	return callOf("barrier", func(_ *programRank, c *engine.Comm) (programCall, func() error) {
		return programCall{
			func() error { return c.Barrier(background) },
			func() (*engine.Work, error) { return c.StartBarrier(background) },
			func(in *engine.Group) error { return in.Barrier() },
		}, func() error { return nil }
	})
}

// programCall is a collective in its three forms.
type programCall struct {
	call  func() error
	start func() (*engine.Work, error)
	add   func(in *engine.Group) error
}

// callOf is a collective whose tensors prepare makes, with what checks the result.
func callOf(text string, prepare func(r *programRank, c *engine.Comm) (programCall, func() error)) programOp {
	return programOp{text, func(r *programRank, c *engine.Comm, blocking bool) (func() error, error) {
		call, check := prepare(r, c)
		if blocking {
			return check, call.call()
		}
		work, err := call.start()
		return func() error { return errors.Join(ended(work), check()) }, err
	}, func(r *programRank, c *engine.Comm, in *engine.Group) (func() error, error) {
		call, check := prepare(r, c)
		return check, call.add(in)
	}}
}
