//go:build linux && (amd64 || arm64)

package kernels

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided/dtype"
)

// BenchmarkCommands measures an agent's commands on chunks beside launches, one at a
// time and with eight under way, on a GPU.
func BenchmarkCommands(b *testing.B) {
	if os.Getenv("MONEL_TEST_GPU") == "" {
		b.Skip("times of a simulated driver mean nothing; set MONEL_TEST_GPU=1 on a machine with a GPU")
	}
	d, err := cudaffi.Default()
	require.NoError(b, err)
	ctx, err := d.Primary(0)
	require.NoError(b, err)
	defer ctx.Release()
	set, err := Load(ctx)
	require.NoError(b, err)
	agent, err := LoadAgent(ctx)
	require.NoError(b, err)
	stream, err := ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(b, err)
	runs, err := agent.NewRuns(1)
	require.NoError(b, err)
	const side, room = 4096, 8 << 20
	data, err := ctx.Alloc(side * side * 4)
	require.NoError(b, err)
	slots, err := ctx.AllocPinned(room)
	require.NoError(b, err)
	views := map[string]*View{
		"contiguous": {Base: data, DType: dtype.Float32, Count: side * side, Size: []int64{side * side}, Stride: []int64{4}},
		"transposed": {Base: data, DType: dtype.Float32, Count: side * side, Size: []int64{side, side}, Stride: []int64{4, 4 * side}},
	}
	for name, v := range views {
		for _, n := range []int64{2, 64 << 10, 256 << 10} {
			at := func(i int64) (lo, hi int64, slot cudaffi.DevicePtr) {
				lo = i * n % v.Count
				return lo, lo + n, slots.Device() + cudaffi.DevicePtr(i*n*4%room)
			}
			do := map[string]func(run *Run, i int64) error{
				"pack":   func(run *Run, i int64) error { lo, hi, s := at(i); return run.Pack(v, lo, hi, s) },
				"unpack": func(run *Run, i int64) error { lo, hi, s := at(i); return run.Unpack(v, lo, hi, s) },
				"reduce_into": func(run *Run, i int64) error {
					lo, hi, s := at(i)
					_, _, other := at(i + 8)
					return run.ReduceInto(v, lo, hi, s, other, dtype.Sum)
				},
			}
			where := fmt.Sprintf("%s/%dB", name, n*4)
			for what, f := range do {
				for _, under := range []int{1, 8} {
					b.Run(where+"/"+what+"/"+map[int]string{1: "alone", 8: "eight"}[under], func(b *testing.B) {
						run, err := runs.Start(stream)
						require.NoError(b, err)
						b.SetBytes(n * 4)
						tickets := make([]Ticket, under)
						b.ResetTimer()
						for i := 0; i < b.N; i++ {
							k := i % under
							for i >= under && !run.Done(tickets[k]) {
							}
							if err := f(run, int64(i)); err != nil {
								b.Fatal(err)
							}
							tickets[k] = run.Last()
						}
						for !run.Done(run.Last()) {
						}
						b.StopTimer()
						run.End()
						require.NoError(b, stream.Sync())
						run.Release()
					})
				}
			}
			b.Run(where+"/pack/launches", func(b *testing.B) {
				b.SetBytes(n * 4)
				for i := 0; i < b.N; i++ {
					lo, hi, s := at(int64(i))
					if err := set.Pack(stream, v, lo, hi, s); err != nil {
						b.Fatal(err)
					}
				}
				require.NoError(b, stream.Sync())
			})
		}
	}
}
