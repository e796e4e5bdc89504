package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// maxRanks and maxBytes bound what programs call; with its gaps and guards, a tensor
// of so many bytes fits into storage.
const (
	maxRanks = 8
	maxBytes = 1 << 20
	storage  = 8 * maxBytes
)

// program makes random calls, the same on all ranks that have the same seed, and
// verifies each of them element by element.
type program struct {
	*rand.Rand
	buffers *measure.Buffers
	calls   int
}

func newProgram(seed uint64, buffers *measure.Buffers) *program {
	return &program{Rand: rand.New(rand.NewPCG(seed, 0)), buffers: buffers}
}

// errWrong says that a result was wrong.
type errWrong struct {
	values int64
	call   measure.Call
}

func (e *errWrong) Error() string { return fmt.Sprintf("%d wrong values in %+v", e.values, e.call) }

// step makes the next call, on the communicator that is chosen by lot of those of this
// rank, and returns its error and the communicator. On one that is nil, because it has
// failed, it makes none.
func (p *program) step(comms ...*engine.Comm) (*engine.Comm, error) {
	which := p.IntN(2 * len(comms)) // more often the first
	comm := comms[0]
	if which < len(comms) {
		comm = comms[which]
	}
	c, seed, start := p.call(), p.Uint64(), p.IntN(3) == 0
	p.calls++
	if comm == nil {
		return nil, nil
	}
	if c.Collective == cli.SendRecv && comm.Size() == 1 {
		c.Collective = cli.AllReduce
	}
	c.Root %= comm.Size()
	if c.Collective.InBlocks() {
		c.Count = max(c.Count-c.Count%int64(comm.Size()), int64(comm.Size()))
	}
	var on measure.Comm = comm
	if start {
		on = started{comm}
	}
	r := measure.Runner{Comm: on, Buffers: p.buffers}
	wrong, err := r.Once(context.Background(), c, seed)
	if err == nil && wrong != 0 {
		err = &errWrong{wrong, c}
	}
	return comm, err
}

// call is a random one, for communicators of any size.
func (p *program) call() measure.Call {
	collectives := []cli.Collective{cli.AllReduce, cli.AllReduce, cli.Broadcast, cli.AllGather, cli.ReduceScatter,
		cli.AllToAll, cli.Gather, cli.Scatter, cli.Reduce, cli.SendRecv}
	names, types, ops := layouts.Names(), dtype.All(), dtype.Ops()
	c := measure.Call{
		Collective: collectives[p.IntN(len(collectives))],
		Layout:     names[p.IntN(len(names))],
		DType:      types[p.IntN(len(types))],
		Op:         ops[p.IntN(len(ops))],
		Root:       p.IntN(maxRanks),
	}
	c.InPlace = p.IntN(2) == 0 && c.Collective.Has(cli.InPlace)
	bytes := 8 << p.IntN(15) // to 128 KiB, and now and then more
	if p.IntN(8) == 0 {
		bytes = maxBytes
	}
	c.Count = 1 + p.Int64N(int64(bytes/c.DType.Size()))
	return c
}

// started makes calls with their started form, and waits.
type started struct{ *engine.Comm }

func (s started) AllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op) error {
	w, err := s.StartAllReduce(ctx, dst, src, op)
	return ended(ctx, w, err)
}

func (s started) Broadcast(ctx context.Context, dst, src strided.Tensor, root int) error {
	w, err := s.StartBroadcast(ctx, dst, src, root)
	return ended(ctx, w, err)
}

func (s started) AllGather(ctx context.Context, dst, src strided.Tensor) error {
	w, err := s.StartAllGather(ctx, dst, src)
	return ended(ctx, w, err)
}

func (s started) ReduceScatter(ctx context.Context, dst, src strided.Tensor, op strided.Op) error {
	w, err := s.StartReduceScatter(ctx, dst, src, op)
	return ended(ctx, w, err)
}

func (s started) AllToAll(ctx context.Context, dst, src strided.Tensor) error {
	w, err := s.StartAllToAll(ctx, dst, src)
	return ended(ctx, w, err)
}

func (s started) Group(ctx context.Context, build func(g *engine.Group) error) error {
	works, err := engine.StartGroup(ctx, func(on func(*engine.Comm) *engine.Group) error { return build(on(s.Comm)) })
	for _, w := range works {
		err = errors.Join(err, w.Wait(ctx))
	}
	return err
}

func ended(ctx context.Context, w *engine.Work, err error) error {
	if err != nil {
		return err
	}
	return w.Wait(ctx)
}
