//go:build linux

package cudasim_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// What a call costs, including that of cudaffi. Nothing here is of interest for
// the speed of a GPU.
func BenchmarkCalls(b *testing.B) {
	sim := cudasim.Load(b)
	driver, err := cudaffi.Open(sim.Path())
	require.NoError(b, err)
	ctx, err := driver.Primary(0)
	require.NoError(b, err)
	stream, err := ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(b, err)
	event, err := ctx.NewEvent()
	require.NoError(b, err)
	p, err := ctx.Alloc(1 << 20)
	require.NoError(b, err)
	pinned, err := ctx.AllocPinned(1 << 20)
	require.NoError(b, err)
	module, err := ctx.Load([]byte(cudasim.Kernels))
	require.NoError(b, err)
	poke, err := module.Function("monel_sim_poke")
	require.NoError(b, err)
	args := new(struct {
		at    uint64
		off   int64
		value byte
	})
	args.at = uint64(p)
	params := []unsafe.Pointer{unsafe.Pointer(&args.at), unsafe.Pointer(&args.off), unsafe.Pointer(&args.value)}
	one := [3]uint32{1, 1, 1}
	value := uint32(0)
	calls := []struct {
		name string
		call func() error
	}{
		{"Query", func() error { _, err := stream.Query(); return err }},
		{"Launch", func() error { return poke.Launch(stream, one, one, 0, params...) }},
		{"Copy", func() error { return ctx.Copy(pinned.Device(), p, 64, stream) }},
		{"Record", func() error { return event.Record(stream) }},
		{"Write32", func() error { value++; return stream.Write32(p, value) }},
		{"LaunchDefault", func() error { return poke.Launch(ctx.StreamOf(0), one, one, 0, params...) }},
		{"LaunchAndSync", func() error {
			if err := poke.Launch(stream, one, one, 0, params...); err != nil {
				return err
			}
			return stream.Sync()
		}},
		{"AllocFree", func() error {
			q, err := ctx.Alloc(4096)
			if err != nil {
				return err
			}
			return ctx.Free(q)
		}},
	}
	for _, inside := range []bool{false, true} {
		for _, c := range calls {
			name := c.name
			if inside {
				name += "Inside"
			}
			b.Run(name, func(b *testing.B) {
				run := func() error {
					for range b.N {
						if err := c.call(); err != nil {
							return err
						}
					}
					return stream.Sync()
				}
				b.ResetTimer()
				if inside {
					err = ctx.Do(run)
				} else {
					err = run()
				}
				require.NoError(b, err)
			})
		}
	}
}
