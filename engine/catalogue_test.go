package engine_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// The catalogue of failures that people have met with strided tensors, and with
// ranks that disagree or die, in other stacks. Each test does what the report
// did, on its shapes.

// catalogue runs one case on every transport with the given number of ranks, on
// tensors of the host's memory and on tensors of devices.
func catalogue(t *testing.T, name string, size int, run func(t testing.TB, w world)) {
	t.Run(name, func(t *testing.T) {
		for transport, newWorld := range worlds {
			t.Run(transport, func(t *testing.T) { run(t, newWorld(t, size, engine.Config{})) })
			t.Run("device/"+transport, func(t *testing.T) {
				d := onDevices(t)
				run(d, newWorld(d, size, d.config()))
			})
		}
	})
}

// view places a tensor whose storage has the given dimensions.
func view(t testing.TB, name string, dt strided.DType, stored []int64, of func(strided.Tensor) strided.Tensor) placed {
	return placeView(t, name, dt, product(stored), func(t strided.Tensor) strided.Tensor { return of(t.Reshape(stored...)) })
}

// reduceInPlace all-reduces in place and checks the caller's own tensor.
func reduceInPlace(c *engine.Comm, p placed, op engine.Op) error {
	dt, size := p.tensor.DType(), c.Size()
	p.fill(func(i int) scalar { return input(dt, op, c.Rank(), i) })
	if err := c.AllReduce(background, p.tensor, p.tensor, op); err != nil {
		return err
	}
	return p.check(func(i int) scalar { return reduce(dt, op, size, i) })
}

// broadcastInPlace broadcasts from root and checks the caller's own tensor.
func broadcastInPlace(c *engine.Comm, p placed, root int) error {
	dt := p.tensor.DType()
	if c.Rank() == root {
		p.fill(func(i int) scalar { return input(dt, engine.Max, root, i) })
	}
	if err := c.Broadcast(background, p.tensor, p.tensor, root); err != nil {
		return err
	}
	return p.check(func(i int) scalar { return input(dt, engine.Max, root, i) })
}

func TestCatalogue(t *testing.T) {
	// Classifier-free guidance split over two ranks: each holds a partial noise
	// prediction whose latents were permuted; the sum is taken, then rank 0's
	// conditional noise is broadcast. "Tensors must be contiguous" elsewhere.
	catalogue(t, "SGLang-24332", 2, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			latents := func(x strided.Tensor) strided.Tensor { return x.Permute(0, 3, 1, 2) }
			partial := view(t, "partial", dtype.BFloat16, []int64{1, 128, 128, 16}, latents)
			noise := view(t, "cond_noise", dtype.BFloat16, []int64{1, 128, 128, 16}, latents)
			return errors.Join(reduceInPlace(c, partial, engine.Sum), broadcastInPlace(c, noise, 0))
		})
	})

	// all_reduce(x.contiguous()); return x: the caller's x stayed unreduced.
	catalogue(t, "Megatron-5337", 2, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			x := view(t, "x", dtype.Float32, []int64{8, 2, 512}, func(x strided.Tensor) strided.Tensor { return x.Permute(1, 0, 2) })
			return reduceInPlace(c, x, engine.Sum)
		})
	})

	// A column of a matrix: silently wrong in Gloo.
	catalogue(t, "PyTorch-192920", 3, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			column := func(x strided.Tensor) strided.Tensor { return x.Select(1, 1) }
			return errors.Join(
				broadcastInPlace(c, view(t, "column", dtype.Float32, []int64{4, 3}, column), 1),
				broadcastInPlace(c, view(t, "column", dtype.Int64, []int64{1000, 7}, column), 2),
				reduceInPlace(c, view(t, "column", dtype.Float32, []int64{1000, 7}, column), engine.Sum))
		})
	})

	// Strided input, silently wrong in NCCL: transposed and stepped tensors.
	catalogue(t, "PyTorch-159548-62283-128066", 2, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			return errors.Join(
				reduceInPlace(c, view(t, "x.t()", dtype.Float32, []int64{300, 200}, func(x strided.Tensor) strided.Tensor { return x.Permute(1, 0) }), engine.Sum),
				reduceInPlace(c, view(t, "x[:, ::2]", dtype.Float32, []int64{64, 64}, func(x strided.Tensor) strided.Tensor { return x.Step(1, 2) }), engine.Max),
				broadcastInPlace(c, view(t, "x[::2]", dtype.Float64, []int64{10, 10}, func(x strided.Tensor) strided.Tensor { return x.Step(0, 2) }), 0))
		})
	})

	// channels_last on some ranks, contiguous on others: elements that have the
	// same offset are not the same element.
	catalogue(t, "PyTorch-163712", 4, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			weight := func() placed {
				if rank%2 == 0 {
					return view(t, "contiguous", dtype.Float32, []int64{64, 3, 7, 7}, func(x strided.Tensor) strided.Tensor { return x })
				}
				return view(t, "channels_last", dtype.Float32, []int64{64, 7, 7, 3}, func(x strided.Tensor) strided.Tensor { return x.Permute(0, 3, 1, 2) })
			}
			return errors.Join(
				reduceInPlace(c, weight(), engine.Avg),
				reduceInPlace(c, weight(), engine.Sum),
				broadcastInPlace(c, weight(), 1))
		})
	})

	// The gradient of a sum is an expanded scalar: one element of memory under
	// a whole shape. A legal input; as an output it is refused, because its
	// elements are the same memory.
	catalogue(t, "PyTorch-73515-75773", 2, func(t testing.TB, w world) {
		expand := func(x strided.Tensor) strided.Tensor { return x.Expand(32, 17) }
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			grad := view(t, "grad", dtype.Float32, []int64{1, 1}, expand)
			sum := view(t, "sum", dtype.Float32, []int64{32, 17}, func(x strided.Tensor) strided.Tensor { return x })
			grad.fill(func(int) scalar { return scalar{f: float64(rank + 1)} })
			if err := c.AllReduce(background, sum.tensor, grad.tensor, engine.Sum); err != nil {
				return err
			}
			return sum.check(func(int) scalar { return scalar{f: 3} })
		})
		for rank, err := range w.each(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			grad := view(t, "grad", dtype.Float32, []int64{1, 1}, expand)
			return c.AllReduce(background, grad.tensor, grad.tensor, engine.Sum)
		}) {
			require.ErrorIs(t, err, engine.ErrOverlap, "rank %d", rank)
		}
	})

	// A batch cut out of a larger one, more than one sample long, after CFG.
	catalogue(t, "xDiT-450-vLLM-Omni-2367", 2, func(t testing.TB, w world) {
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			half := func(x strided.Tensor) strided.Tensor { return x.Permute(1, 0, 2).Slice(1, 2, 4) }
			return errors.Join(
				reduceInPlace(c, view(t, "batch", dtype.Float16, []int64{4, 77, 64}, half), engine.Sum),
				broadcastInPlace(c, view(t, "batch", dtype.Float16, []int64{4, 77, 64}, half), 1))
		})
	})

	// Shapes or dtypes that differ between ranks: a hang or wrong numbers.
	catalogue(t, "NCCL-1417-1394-PyTorch-150433", 3, func(t testing.TB, w world) {
		for _, odd := range []struct {
			dt    strided.DType
			shape []int64
		}{
			{dtype.Float32, []int64{100, 99}},
			{dtype.Float32, []int64{1}},
			{dtype.BFloat16, []int64{100, 100}},
			{dtype.Int32, []int64{100, 100}},
			{dtype.Float32, []int64{0}},
		} {
			buffers := make([]placed, len(w))
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				t := forRank(t, rank)
				dt, shape := dtype.Float32, []int64{100, 100}
				if rank == 1 {
					dt, shape = odd.dt, odd.shape
				}
				buffers[rank] = layoutNamed("transpose").place(t, dt, shape)
				buffers[rank].fill(func(i int) scalar { return input(dt, engine.Sum, rank, i) })
				return c.AllReduce(background, buffers[rank].tensor, buffers[rank].tensor, engine.Sum)
			})
			for rank, err := range errs {
				var mismatch *engine.MismatchError
				require.ErrorAs(t, err, &mismatch, "rank %d", rank)
				require.ErrorIs(t, err, engine.ErrMismatch)
				require.Equal(t, []int{1}, mismatch.Groups[0].Ranks, "the rank that disagrees is named first")
				dt := buffers[rank].tensor.DType()
				require.NoError(t, buffers[rank].check(func(i int) scalar { return input(dt, engine.Sum, rank, i) }), "untouched")
			}
		}
		// The communicator has survived all that.
		w.must(t, func(rank int, c *engine.Comm) error {
			t := forRank(t, rank)
			return reduceInPlace(c, layoutNamed("transpose").place(t, dtype.Float32, []int64{10, 10}), engine.Sum)
		})
	})

	// A port scanner finds the bootstrap port first: connects, sends garbage,
	// hangs about.
	t.Run("NCCL-1612-1871", func(t *testing.T) {
		addr := freeAddr(t)
		stop := make(chan struct{})
		var scanners sync.WaitGroup
		for _, greeting := range []string{"", "GET / HTTP/1.0\r\n\r\n", string(slices.Repeat([]byte{0xff}, 4096))} {
			scanners.Go(func() { scan(addr, greeting, stop) })
		}
		defer scanners.Wait()
		defer close(stop)
		comms := make([]*engine.Comm, 3)
		var ranks sync.WaitGroup
		errs := make([]error, len(comms))
		for rank := range comms {
			ranks.Go(func() {
				time.Sleep(time.Duration(rank) * 20 * time.Millisecond)
				comms[rank], errs[rank] = engine.Init(background, engine.Config{
					Rank: rank, Size: len(comms), Root: addr, Secret: []byte("a secret of this job"), Transport: "tcp"})
			})
		}
		ranks.Wait()
		require.NoError(t, errors.Join(errs...))
		keep(t, comms).must(t, func(rank int, c *engine.Comm) error {
			return reduceInPlace(c, layoutNamed("slice").place(t, dtype.Float32, []int64{33, 9}), engine.Sum)
		})
	})
}

// freeAddr is a loopback address with a port that was free just now.
func freeAddr(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// scan connects to addr again and again, says greeting, and stays a while.
func scan(addr, greeting string, stop <-chan struct{}) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return
		case <-time.After(3 * time.Millisecond):
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		fmt.Fprint(c, greeting)
		if open = append(open, c); len(open) > 20 {
			open[0].Close()
			open = open[1:]
		}
	}
}
