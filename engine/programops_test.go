package engine_test

import (
	"fmt"
	"strings"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// collective is one collective of a program: what its ranks have in common, and the
// layouts in which they have it.
type collective struct {
	kind    int // of collectives
	dt      strided.DType
	op      engine.Op
	root    int
	shape   []int64
	in, out []string // layouts by rank; "" in out is in place
	salt    int      // tells the values from those of other calls
}

// collectives are what programs call. start makes the tensors and begins the call;
// blocking is for calls that do not return before they have ended. The function that
// checks the result is called once it is there.
var collectives = []struct {
	name  string
	start func(k *collective, r *programRank, c *engine.Comm, blocking bool) (wait, check func() error, err error)
}{
	{"all_reduce", startAllReduce},
	{"broadcast", startBroadcast},
}

// collective makes one for a communicator of size ranks.
func (g *generator) collective(size int) collective {
	k := collective{kind: g.IntN(len(collectives)), root: g.IntN(size), salt: g.IntN(1 << 20)}
	dtypes := []strided.DType{dtype.Int8, dtype.Uint8, dtype.Int32, dtype.Uint32, dtype.Int64, dtype.Uint64,
		dtype.Float16, dtype.BFloat16, dtype.Float32, dtype.Float64, dtype.Float8E4M3, dtype.Float8E5M2}
	k.dt = dtypes[g.IntN(len(dtypes))]
	k.op = []engine.Op{engine.Sum, engine.Prod, engine.Max, engine.Min}[g.IntN(4)]
	for range 1 + g.IntN(3) {
		k.shape = append(k.shape, []int64{0, 1, 2, 3, 5, 8, 13}[min(6, g.IntN(20))])
	}
	if g.IntN(8) == 0 {
		k.shape = append(k.shape, int64(1+g.IntN(40)))
	}
	same := g.IntN(2) == 0
	for rank := range size {
		in, out := layouts[g.IntN(len(layouts))].name, ""
		if g.IntN(2) == 0 {
			out = layouts[g.IntN(len(layouts))].name
		}
		if same && rank > 0 {
			in, out = k.in[0], k.out[0]
		}
		k.in, k.out = append(k.in, in), append(k.out, out)
	}
	return k
}

func (k collective) String() string {
	return fmt.Sprintf("%s %v %v root %d %v [%s] -> [%s]", collectives[k.kind].name, k.dt, k.op, k.root, k.shape,
		strings.Join(k.in, " "), strings.Join(k.out, " "))
}

// value is element i of what a rank brings along.
func (k *collective) value(rank, i int) scalar { return input(k.dt, k.op, rank, i+k.salt) }

// tensors places what a rank brings along and where the result goes.
func (k *collective) tensors(r *programRank, rank int) (dst, src placed) {
	src = layoutNamed(k.in[rank]).place(r.t, k.dt, k.shape)
	src.fill(func(i int) scalar { return k.value(rank, i) })
	dst = src
	if k.out[rank] != "" {
		dst = layoutNamed(k.out[rank]).place(r.t, k.dt, k.shape)
	}
	return dst, src
}

func startAllReduce(k *collective, r *programRank, c *engine.Comm, blocking bool) (wait, check func() error, err error) {
	dst, src := k.tensors(r, c.Rank())
	check = func() error {
		if k.out[c.Rank()] != "" {
			if err := src.check(func(i int) scalar { return k.value(c.Rank(), i) }); err != nil {
				return err
			}
		}
		return dst.check(func(i int) scalar { return reduce(k.dt, k.op, c.Size(), i+k.salt) })
	}
	if blocking {
		return nil, check, c.AllReduce(background, dst.tensor, src.tensor, k.op)
	}
	work, err := c.StartAllReduce(background, dst.tensor, src.tensor, k.op)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return work.Wait(background) }, check, nil
}

func startBroadcast(k *collective, r *programRank, c *engine.Comm, blocking bool) (wait, check func() error, err error) {
	dst, src := k.tensors(r, c.Rank())
	check = func() error { return dst.check(func(i int) scalar { return k.value(k.root, i) }) }
	if blocking {
		return nil, check, c.Broadcast(background, dst.tensor, src.tensor, k.root)
	}
	work, err := c.StartBroadcast(background, dst.tensor, src.tensor, k.root)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return work.Wait(background) }, check, nil
}

// run calls and checks.
func (k collective) run(r *programRank, c *engine.Comm) error {
	_, check, err := collectives[k.kind].start(&k, r, c, true)
	if err == nil {
		err = check()
	}
	if err != nil {
		return fmt.Errorf("%v: %w", k, err)
	}
	return nil
}

// start calls, and returns what waits and checks.
func (k collective) start(r *programRank, c *engine.Comm) (finish func() error, err error) {
	wait, check, err := collectives[k.kind].start(&k, r, c, false)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", k, err)
	}
	return func() error {
		err := wait()
		if err == nil {
			err = check()
		}
		if err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
		return nil
	}, nil
}
