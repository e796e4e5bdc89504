//go:build (amd64 || arm64) && !nocuda

package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// onGPUs runs f on every rank of a communicator of goroutines, which have two
// simulated GPUs, wrapped by wrap. What waits for a GPU is done before and after:
// ranks of one process that share one would wait for each other.
func onGPUs(t *testing.T, ranks int, calls []Call, wrap func(c Comm, g *GPU) Comm, f func(r *Runner) error) {
	t.Helper()
	sim := cudasim.Load(t, cudasim.Devices(2))
	driver, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	comms, err := engine.NewLocal(ranks, engine.Config{CUDA: driver})
	require.NoError(t, err)
	runners := make([]*Runner, ranks)
	for rank, comm := range comms {
		ordinal := rank % driver.DeviceCount()
		require.NoError(t, comm.UseDevice(ordinal))
		ctx, err := driver.Primary(ordinal)
		require.NoError(t, err)
		stream, err := ctx.NewStream(cudaffi.PriorityDefault)
		require.NoError(t, err)
		gpu := &GPU{ctx, stream}
		buffers, err := Allocate(rank, ranks, calls, gpu)
		require.NoError(t, err)
		runners[rank] = &Runner{Comm: wrap(comm, gpu), Buffers: buffers}
	}
	errs := make([]error, ranks)
	var wg sync.WaitGroup
	for rank, r := range runners {
		wg.Go(func() { errs[rank] = f(r) })
	}
	wg.Wait()
	for rank, err := range errs {
		require.NoError(t, err, "rank %d", rank)
		require.NoError(t, comms[rank].Close())
		require.NoError(t, runners[rank].Buffers.gpu.Stream.Destroy())
		require.NoError(t, runners[rank].Buffers.gpu.Context.Release())
	}
}

func bare(c Comm, _ *GPU) Comm { return c }

func TestEverythingIsVerifiedOnGPUs(t *testing.T) {
	sweep := cli.Sweep{Min: 0, Max: 4096, Factor: 64}
	for _, collective := range cli.Collectives() {
		ranks := 3
		if collective == cli.Hypercube {
			ranks = 4
		}
		for i, layout := range layouts.Names() {
			if collective != cli.AllReduce && collective != cli.Broadcast && i%3 != int(collective[0])%3 {
				continue // the engine's own tests have all
			}
			t.Run(fmt.Sprint(collective, "/", layout), func(t *testing.T) {
				c := testCase(collective, layout)
				c.Ops, c.DTypes = []dtype.Op{dtype.Sum, dtype.Max}, []dtype.DType{dtype.Int8, dtype.BFloat16, dtype.Float32, dtype.Int64}
				calls := flatten(Lines(c, sweep, ranks))
				onGPUs(t, ranks, calls, bare, func(r *Runner) error {
					for _, call := range calls {
						wrong, err := r.Verify(t.Context(), call, 1)
						if err != nil || wrong != 0 {
							return fmt.Errorf("%+v: %d wrong, %w", call, wrong, err)
						}
					}
					return nil
				})
			})
		}
	}
}

// deviceSpoiler changes a byte on the device, as far from the first element of a
// tensor as at says.
type deviceSpoiler struct {
	Comm
	g     *GPU
	inSrc bool
	at    func(t strided.Tensor) int64 // in elements
}

func (s deviceSpoiler) StartAllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op, options ...engine.CallOption) (*engine.Work, error) {
	w, err := s.Comm.StartAllReduce(ctx, dst, src, op, options...)
	if err != nil {
		return nil, err
	}
	victim := dst
	if s.inSrc {
		victim = src
	}
	p := cudaffi.DevicePtr(int64(victim.Address()) + s.at(victim)*int64(victim.DType().Size()))
	b := make([]byte, 1)
	err = errors.Join(w.Wait(ctx), s.g.Stream.Sync(), s.g.Context.CopyToHost(b, p))
	b[0] ^= 1
	return w, errors.Join(err, s.g.Context.CopyFromHost(p, b))
}

func TestMistakesOnGPUsAreSeen(t *testing.T) {
	first := func(strided.Tensor) int64 { return 0 }
	before := func(strided.Tensor) int64 { return -1 }
	gap := func(strided.Tensor) int64 { return 1 }
	after := func(t strided.Tensor) int64 { return t.Count() }
	for _, tc := range []struct {
		name    string
		layout  layouts.Name
		inPlace bool
		inSrc   bool
		at      func(strided.Tensor) int64
	}{
		{"a wrong element", layouts.Transpose, true, false, first},
		{"a gap written", layouts.Column, true, false, gap},
		{"written before the tensor", layouts.Contiguous, true, false, before},
		{"written after the tensor", layouts.Contiguous, false, false, after},
		{"the source changed", layouts.Reverse, false, true, first},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spoil := func(c Comm, g *GPU) Comm { return deviceSpoiler{c, g, tc.inSrc, tc.at} }
			call := Call{Collective: cli.AllReduce, Layout: tc.layout, DType: dtype.Int32, Op: dtype.Sum, Count: 100, InPlace: tc.inPlace}
			onGPUs(t, 2, []Call{call}, spoil, func(r *Runner) error {
				wrong, err := r.Verify(t.Context(), call, 3)
				if wrong != 2 {
					return fmt.Errorf("%d wrong instead of 2, %w", wrong, err)
				}
				return err
			})
		})
	}
}

// deviceCounter counts the calls that are measured.
type deviceCounter struct {
	Comm
	calls *int
}

func (c deviceCounter) StartBroadcast(ctx context.Context, dst, src strided.Tensor, root int, options ...engine.CallOption) (*engine.Work, error) {
	*c.calls++
	return c.Comm.StartBroadcast(ctx, dst, src, root, options...)
}

func TestTimeOnGPUs(t *testing.T) {
	var calls [3]int
	count := func(c Comm, _ *GPU) Comm { return deviceCounter{c, &calls[c.Rank()]} }
	call := Call{Collective: cli.Broadcast, Layout: layouts.Mixed, DType: dtype.Float16, Root: 2, Count: 1 << 12}
	onGPUs(t, 3, []Call{call}, count, func(r *Runner) error {
		seconds, err := r.Time(t.Context(), call, 3, 10)
		if err == nil && seconds <= 0 {
			err = fmt.Errorf("took %g s", seconds)
		}
		return err
	})
	require.Equal(t, [3]int{13, 13, 13}, calls)
}

// groupCounter counts the groups that are put on a stream.
type groupCounter struct {
	Comm
	groups *int
}

func (g groupCounter) StartGroup(ctx context.Context, build func(*engine.Group) error) ([]*engine.Work, error) {
	*g.groups++
	return g.Comm.StartGroup(ctx, build)
}

// Groups of calls go on the stream, each waited for if asked.
func TestGroupsOnGPUs(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		t.Run(fmt.Sprintf("blocking=%v", blocking), func(t *testing.T) {
			var groups [2]int
			count := func(c Comm, _ *GPU) Comm { return groupCounter{c, &groups[c.Rank()]} }
			call := Call{Collective: cli.AllReduce, Layout: layouts.Mixed, DType: dtype.Float32, Op: oracle.MulSum, Count: 1 << 10}
			onGPUs(t, 2, []Call{call}, count, func(r *Runner) error {
				r.Aggregate, r.Blocking = 3, blocking
				if _, err := r.Time(t.Context(), call, 2, 5); err != nil {
					return err
				}
				wrong, err := r.Verify(t.Context(), call, 1)
				if wrong != 0 {
					return fmt.Errorf("%d wrong, %w", wrong, err)
				}
				return err
			})
			require.Equal(t, [2]int{7, 7}, groups)
		})
	}
}

// What a GPU lacks memory for is an error that says so.
func TestTooMuchForAGPU(t *testing.T) {
	sim := cudasim.Load(t, cudasim.Devices(1), cudasim.Memory(1<<20))
	driver, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	ctx, err := driver.Primary(0)
	require.NoError(t, err)
	defer func() { require.NoError(t, ctx.Release()) }()
	call := Call{Collective: cli.AllReduce, Layout: layouts.Contiguous, DType: dtype.Float32, Count: 1 << 20, InPlace: true}
	_, err = Allocate(0, 1, []Call{call}, &GPU{Context: ctx})
	require.ErrorIs(t, err, cudaffi.ErrOutOfMemory)
	require.ErrorContains(t, err, "for a tensor")
}
