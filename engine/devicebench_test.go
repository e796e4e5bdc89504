package engine_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// BenchmarkDevice measures all_reduce of two ranks that share a process, on streams,
// back to back, and beside each the same with the tensors in host memory. It is for
// real GPUs; ranks share one if there is no second. MB/s is the tensor's bytes by the
// time of a call.
func BenchmarkDevice(b *testing.B) {
	if os.Getenv(envGPU) != "1" {
		b.Skip("times of a simulated driver mean nothing; set " + envGPU + "=1 on a machine with GPUs")
	}
	for _, wire := range []string{"inproc", "shm", "tcp"} {
		for _, side := range []int64{1, 64, 256, 1024, 4096, 8192} {
			for _, layout := range []string{"contiguous", "transpose", "slice"} {
				for _, where := range []string{"device", "host"} {
					if newWorld := worlds[wire]; newWorld != nil {
						b.Run(fmt.Sprintf("%s/%d/%s/%s", wire, 4*side*side, layout, where), func(b *testing.B) {
							benchDevice(b, newWorld, side, layoutNamed(layout), where == "device")
						})
					}
				}
			}
		}
	}
}

func benchDevice(b *testing.B, newWorld func(testing.TB, int, engine.Config) world, side int64, l layout, there bool) {
	d := onDevices(b)
	w := newWorld(d, 2, d.config())
	elements, view := l.make([]int64{side, side})
	tensors := make([]strided.Tensor, len(w))
	streams := make([]cudaffi.Stream, len(w))
	for rank, c := range w {
		ctx := d.ctx[rank%len(d.ctx)]
		require.NoError(b, c.UseDevice(ctx.Device().Ordinal))
		var err error
		streams[rank], err = ctx.NewStream(cudaffi.PriorityDefault)
		require.NoError(b, err)
		d.Cleanup(func() { require.NoError(b, streams[rank].Destroy()) })
		if !there {
			tensors[rank] = view(strided.Of(make([]float32, elements)))
			continue
		}
		at, err := ctx.Alloc(4 * elements)
		require.NoError(b, err)
		d.Cleanup(func() { require.NoError(b, ctx.Free(at)) })
		require.NoError(b, ctx.Memset(at, 0, 4*elements, streams[rank]))
		tensors[rank] = view(strided.FromDevice(dtype.Float32, uint64(at), 4*elements))
	}
	run := func(calls int) {
		w.must(b, func(rank int, c *engine.Comm) error {
			for range calls {
				x := tensors[rank]
				if !there {
					if err := c.AllReduce(background, x, x, engine.Sum); err != nil {
						return err
					}
				} else if _, err := c.StartAllReduce(background, x, x, engine.Sum, engine.OnStream(streams[rank])); err != nil {
					return err
				}
			}
			return streams[rank].Sync()
		})
	}
	run(3)
	b.SetBytes(4 * side * side)
	b.ResetTimer()
	run(b.N)
}
