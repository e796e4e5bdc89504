package engine_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestDriverFaults has every call of the driver fail once, in turn: on no rank does
// anything hang, all ranks get a typed error or none does, streams go on, and
// nothing is left behind.
func TestDriverFaults(t *testing.T) {
	defer engine.SetInStore(0)() // so that communicators allocate
	for name, k := range map[string]struct {
		loaded bool // the kernels are, so that their loading is not part of it
		result int
		step   int // every so many-th call
	}{
		"any call": {true, cudasim.OutOfMemory, 1},
		"loading":  {false, cudasim.Unknown, 17},
	} {
		t.Run(name, func(t *testing.T) {
			if raceDetector {
				k.step *= 5
			}
			d := simulated(t, cudasim.Delays(1, 0))
			cfg := d.config()
			cfg.ChunkBytes, cfg.Timeout = smallChunk, 20*time.Second
			if k.loaded {
				holder, err := engine.NewLocal(1, cfg)
				require.NoError(t, err)
				for _, ctx := range d.ctx[:2] {
					require.NoError(t, holder[0].UseDevice(ctx.Device().Ordinal))
				}
				defer func() { require.NoError(t, holder[0].Close()) }()
			}
			users := [2]*user{d.newUser(0, 300, 2), d.newUser(1, 300, 2)}
			happened := 0
			for n := 1; ; n += k.step {
				for _, u := range users {
					u.used = 4096
					u.write(1)
					require.NoError(t, u.stream.Sync())
				}
				before := d.sim.Live()
				d.sim.FailNth(n, k.result)
				w, err := engine.NewLocal(2, cfg)
				require.NoError(t, err)
				var errs, closing [2]error
				world(w).each(t, func(rank int, c *engine.Comm) error {
					errs[rank] = useDevice(c, users[rank])
					return nil
				})
				if (errs[0] == nil) != (errs[1] == nil) {
					// The rank that has finished rightly hears of it in its next call.
					errs[0], errs[1] = heard(w[0], errs[0]), heard(w[1], errs[1])
				}
				for rank, c := range w {
					closing[rank] = c.Close()
				}
				if d.sim.Armed() > 0 {
					require.NoError(t, errors.Join(errs[:]...))
					require.NoError(t, errors.Join(closing[:]...))
					for d.sim.Armed() > 0 { // the test's own calls are not to fail
						_, _ = d.driver.Device(0)
					}
					break
				}
				happened++
				what := fmt.Sprintf("call %d: %v / %v, closing %v / %v", n, errs[0], errs[1], closing[0], closing[1])
				require.Equal(t, errs[0] == nil, errs[1] == nil, what)
				for _, err := range errs {
					if err == nil {
						continue
					}
					var re *engine.RankError
					var mismatch *engine.MismatchError
					var argument *engine.ArgumentError
					require.True(t, errors.As(err, &re) || errors.As(err, &mismatch) || errors.As(err, &argument), what)
				}
				for _, u := range users {
					require.NoError(t, u.stream.Sync(), what)
				}
				require.Equal(t, before, d.sim.Live(), what)
			}
			t.Logf("%d calls failed", happened)
		})
	}
}

// useDevice makes calls of every kind and returns the first error.
func useDevice(c *engine.Comm, u *user) error {
	var works []*engine.Work
	var errs []error
	for i, start := range []func() (*engine.Work, error){
		func() (*engine.Work, error) {
			return c.StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream))
		},
		func() (*engine.Work, error) {
			x := u.x.Slice(0, 0, 20)
			return c.StartAllReduce(background, x, x, engine.Max, engine.OnStream(u.stream))
		},
		func() (*engine.Work, error) {
			return c.StartBroadcast(background, u.x, u.x, 1, engine.OnStream(u.stream))
		},
		func() (*engine.Work, error) {
			return nil, c.AllReduce(background, u.x.Slice(0, 0, 150), u.x.Slice(0, 150, 300), engine.Max)
		},
	} {
		work, err := start()
		if err != nil {
			errs = append(errs, fmt.Errorf("start %d: %w", i, err))
			break
		}
		if work != nil {
			works = append(works, work)
		}
	}
	for i, work := range works {
		if err := work.Wait(background); err != nil {
			errs = append(errs, fmt.Errorf("work %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// TestLostDevice: a kernel that goes wrong takes its device's context with it, before
// it has begun or in the middle. All ranks hear from which rank; there, the error has
// the driver's. Nothing hangs.
func TestLostDevice(t *testing.T) {
	if os.Getenv(envGPU) == "1" {
		t.Skip("this would cost the process its GPUs")
	}
	for _, elements := range []int64{20, 3000} { // by doubling, by the ring
		for _, when := range []string{"first", "second", "begun"} {
			t.Run(fmt.Sprintf("%d elements/%s", elements, when), func(t *testing.T) {
				sim := cudasim.Load(t)
				driver, err := cudaffi.Open(sim.Path())
				require.NoError(t, err)
				w := localWorld(t, 2, engine.Config{CUDA: driver, ChunkBytes: smallChunk})
				var ctx [2]*cudaffi.Context
				var x [2]strided.Tensor
				for rank := range ctx {
					ctx[rank], err = driver.Primary(rank)
					require.NoError(t, err)
					at, err := ctx[rank].Alloc(8 * elements)
					require.NoError(t, err)
					x[rank] = strided.FromDevice(dtype.Int32, uint64(at), 8*elements).Step(0, 2)
				}
				switch when {
				case "first":
					sim.FailKernel("", 1, cudasim.IllegalAddress)
				case "second":
					w.must(t, func(rank int, c *engine.Comm) error { return c.AllReduce(background, x[rank], x[rank], engine.Sum) })
					sim.FailKernel("", 2, cudasim.IllegalAddress)
				}
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					if when == "begun" && rank == 1 {
						time.Sleep(20 * time.Millisecond)
						sim.Lose(0, cudasim.IllegalAddress)
					}
					work, err := c.StartAllReduce(background, x[rank], x[rank], engine.Sum)
					if err == nil {
						err = work.Wait(background)
					}
					return heard(c, err)
				})
				lost := -1
				for rank, err := range errs {
					require.ErrorIs(t, err, engine.ErrCUDA)
					require.ErrorContains(t, err, "CUDA_ERROR_ILLEGAL_ADDRESS")
					require.Equal(t, engine.UnhandledCudaError, engine.ResultOf(err))
					var re *engine.RankError
					require.ErrorAs(t, err, &re)
					require.True(t, lost < 0 || lost == re.Rank, "the ranks name different ones: %v", errs)
					lost = re.Rank
					var device *engine.DeviceError
					if errors.As(err, &device) && rank == lost {
						require.Equal(t, rank, device.Device)
						require.ErrorIs(t, err, cudaffi.ErrIllegalAddress)
					}
				}
				for _, c := range w {
					_, err := c.StartAllReduce(background, x[lost], x[lost], engine.Sum)
					require.ErrorIs(t, err, engine.ErrCUDA)
					require.NoError(t, c.Close())
				}
				require.NoError(t, ctx[1-lost].Synchronize())
				for rank := range ctx {
					require.NoError(t, ctx[rank].Release())
				}
			})
		}
	}
}
