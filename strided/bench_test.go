package strided

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Every benchmark here times its work and a yardstick in turn and reports the
// median ratio of the two as "ratio": how fast it is compared with the yardstick,
// which is copying as many bytes of the same memory unless said otherwise. Bytes
// are counted as read plus written.

// against runs work and yardstick in turn.
func against(b *testing.B, bytes int64, work, yardstick func()) {
	b.SetBytes(2 * bytes)
	var ratios []float64
	work()
	yardstick()
	for b.Loop() {
		start := time.Now()
		work()
		took := time.Since(start)
		b.StopTimer()
		start = time.Now()
		yardstick()
		ratios = append(ratios, float64(time.Since(start))/float64(took))
		b.StartTimer()
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}

// touched is new memory that the system has backed with pages.
func touched(n int64) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 0x38 + byte(i%4)
	}
	return p
}

// engineChunk is what the engine packs at a time.
const engineChunk = 256 << 10

// benchmarkMoves packs and unpacks all of x in the given walk: as a whole, and in
// chunks through one slot.
func benchmarkMoves(b *testing.B, name string, x Tensor, memory []byte) {
	v, err := x.View(Logical)
	if err != nil {
		b.Fatal(err)
	}
	bytes := v.Count() * v.plan.es
	slot := touched(bytes)
	flat := memory[:bytes]
	for _, m := range []struct {
		name string
		move func(lo, hi int64, slot []byte)
		copy func(part, slot []byte)
	}{
		{"pack", func(lo, hi int64, slot []byte) { v.Pack(slot, lo, hi) }, func(part, slot []byte) { copy(slot, part) }},
		{"unpack", func(lo, hi int64, slot []byte) { v.Unpack(slot, lo, hi) }, func(part, slot []byte) { copy(part, slot) }},
	} {
		b.Run(name+"/"+m.name+"/whole", func(b *testing.B) {
			against(b, bytes, func() { m.move(0, v.Count(), slot) }, func() { m.copy(flat, slot) })
		})
		b.Run(name+"/"+m.name+"/chunks", func(b *testing.B) {
			n := engineChunk / v.plan.es
			against(b, bytes, func() {
				for lo := int64(0); lo < v.Count(); lo += n {
					m.move(lo, min(lo+n, v.Count()), slot)
				}
			}, func() {
				for lo := int64(0); lo < bytes; lo += engineChunk {
					part := flat[lo:min(lo+engineChunk, bytes)]
					m.copy(part, slot[:len(part)])
				}
			})
		})
	}
}

func BenchmarkMoveTransposed(b *testing.B) {
	for _, dt := range []DType{Float32, Float16} {
		memory := touched(4096 * 4096 * int64(dt.Size()))
		x := FromBytes(dt, memory).Reshape(4096, 4096).Permute(1, 0)
		benchmarkMoves(b, fmt.Sprintf("%dB", dt.Size()), x, memory)
	}
}

// BenchmarkMoveChannels goes from images whose channels are interleaved to
// planes, and back.
func BenchmarkMoveChannels(b *testing.B) {
	for _, dt := range []DType{Float32, Float16} {
		memory := touched(4 * 64 * 128 * 128 * int64(dt.Size()))
		x := FromBytes(dt, memory)
		benchmarkMoves(b, fmt.Sprintf("toPlanes/%dB", dt.Size()), x.Reshape(4, 128, 128, 64).Permute(0, 3, 1, 2), memory)
		benchmarkMoves(b, fmt.Sprintf("toChannels/%dB", dt.Size()), x.Reshape(4, 64, 128, 128).Permute(0, 2, 3, 1), memory)
	}
}

// BenchmarkMoveRuns moves every second run of a matrix.
func BenchmarkMoveRuns(b *testing.B) {
	memory := touched(64 << 20)
	for _, run := range []int64{32, 64, 128, 256, 1024} {
		x := FromBytes(Float32, memory).Reshape(-1, run/2).Slice(1, 0, run/4)
		benchmarkMoves(b, fmt.Sprint(run), x, memory)
	}
}

// BenchmarkMoveScattered moves the transpose of every second column.
func BenchmarkMoveScattered(b *testing.B) {
	for _, dt := range []DType{Float32, Float16} {
		memory := touched(4096 * 4096 * int64(dt.Size()))
		x := FromBytes(dt, memory).Reshape(4096, 4096).Step(1, 2).Permute(1, 0)
		benchmarkMoves(b, fmt.Sprintf("%dB", dt.Size()), x, memory)
	}
}

// BenchmarkReduceTransposed compares the fused steps of a ring with packing,
// reducing, and unpacking one after the other, in chunks.
func BenchmarkReduceTransposed(b *testing.B) {
	for _, dt := range []DType{Float32, Float16, BFloat16, Int8, Float8E4M3} {
		const edge = 4096
		es := int64(dt.Size())
		make2 := func() Tensor { return FromBytes(dt, touched(edge*edge*es)).Reshape(edge, edge) }
		x, err := make2().Permute(1, 0).View(Logical)
		if err != nil {
			b.Fatal(err)
		}
		// The same order in memory, and a differently transposed one.
		same, _ := make2().Permute(1, 0).View(Logical)
		other, _ := make2().Reshape(64, 64, edge).Permute(1, 0, 2).View(Logical)
		cross, _ := make2().Reshape(64, 64, edge).Permute(2, 1, 0).Reshape(edge, 64, 64).View(Logical)
		flat, _ := make2().View(Logical)
		in, out, tmp := touched(engineChunk), touched(engineChunk), touched(engineChunk)
		a, _ := FromBytes(dt, in).View(Logical)
		t, _ := FromBytes(dt, tmp).View(Logical)
		n := engineChunk / es
		chunks := func(f func(lo, hi int64)) func() {
			return func() {
				for lo := int64(0); lo < x.Count(); lo += n {
					f(lo, min(lo+n, x.Count()))
				}
			}
		}
		b.Run(fmt.Sprintf("%v/into", dt), func(b *testing.B) {
			against(b, edge*edge*es,
				chunks(func(lo, hi int64) { x.ReduceInto(out, in, lo, hi, Sum) }),
				chunks(func(lo, hi int64) {
					x.Pack(tmp, lo, hi)
					a.ReduceInto(out, tmp, 0, hi-lo, Sum)
				}))
		})
		for name, y := range map[string]View{"same": same, "rows": other, "cross": cross, "flat": flat} {
			b.Run(fmt.Sprintf("%v/out/%s", dt, name), func(b *testing.B) {
				against(b, edge*edge*es,
					chunks(func(lo, hi int64) { x.ReduceOut(y, out, in, lo, hi, Sum, 2) }),
					chunks(func(lo, hi int64) {
						x.Pack(tmp, lo, hi)
						a.ReduceOut(t, out, tmp, 0, hi-lo, Sum, 2)
						y.Unpack(out, lo, hi)
					}))
			})
		}
	}
}

// BenchmarkMoveThin goes from a few planes to interleaved elements, and back.
func BenchmarkMoveThin(b *testing.B) {
	for _, dt := range []DType{Float64, Float32, Float16, Int8} {
		memory := touched(16 << 20)
		for _, thin := range []int64{2, 4, 8, 16, 32} {
			x := FromBytes(dt, memory)
			benchmarkMoves(b, fmt.Sprintf("toPlanes/%dB/%d", dt.Size(), thin), x.Reshape(-1, thin).Permute(1, 0), memory)
			benchmarkMoves(b, fmt.Sprintf("toElements/%dB/%d", dt.Size(), thin), x.Reshape(thin, -1).Permute(1, 0), memory)
		}
	}
}
