package kernel

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// Bytes are counted as read plus written. BenchmarkCopy is the yardstick for
// moves, Reduce/sum/float/… the one for the other reductions.

func eachTier(b *testing.B, f func(b *testing.B)) {
	was := Active()
	defer func() { active = was }()
	for _, tier := range Supported() {
		if err := Use(tier); err != nil {
			b.Fatal(err)
		}
		b.Run(tier.String(), f)
	}
}

// ones is memory whose elements are small normal numbers in every type.
func ones(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 0x38 + byte(i%4)
	}
	return b
}

func BenchmarkReduce(b *testing.B) {
	eachTier(b, func(b *testing.B) {
		for _, size := range []int{64 << 10, 8 << 20} {
			out, x, y := ones(size), ones(size), ones(size)
			for _, op := range dtype.Ops() {
				for _, dt := range dtype.All() {
					b.Run(fmt.Sprintf("%v/%v/%dKiB", op, dt, size>>10), func(b *testing.B) {
						b.SetBytes(int64(3 * size))
						for b.Loop() {
							ReduceFinish(op, dt, ptr(out), nil, ptr(x), ptr(y), size/dt.Size(), 3)
						}
					})
				}
			}
		}
	})
}

// BenchmarkReduceBoth stores every result twice.
func BenchmarkReduceBoth(b *testing.B) {
	const size = 64 << 10
	out1, out2, x, y := ones(size), ones(size), ones(size), ones(size)
	for _, dt := range dtype.All() {
		b.Run(dt.String(), func(b *testing.B) {
			b.SetBytes(4 * size)
			for b.Loop() {
				ReduceFinish(dtype.Sum, dt, ptr(out1), ptr(out2), ptr(x), ptr(y), size/dt.Size(), 1)
			}
		})
	}
}

// BenchmarkReduceShort shows the cost of a call.
func BenchmarkReduceShort(b *testing.B) {
	out, x, y := ones(64), ones(64), ones(64)
	for _, dt := range []dtype.DType{dtype.Float32, dtype.BFloat16, dtype.Float8E4M3} {
		for _, n := range []int{4, 28, 64} {
			b.Run(fmt.Sprintf("%v/%dB", dt, n), func(b *testing.B) {
				b.SetBytes(int64(3 * n))
				for b.Loop() {
					Reduce(dtype.Sum, dt, ptr(out), ptr(x), ptr(y), n/dt.Size())
				}
			})
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, n := range []int{64, 256, 4096, 256 << 10, 16 << 20, 64 << 20} {
		dst, src := ones(n), ones(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(2 * n))
			for b.Loop() {
				Copy(ptr(dst), ptr(src), n)
			}
		})
	}
}

func BenchmarkTranspose(b *testing.B) {
	eachTier(b, func(b *testing.B) {
		for _, edge := range []int{256, 4096} {
			dst, src := ones(edge*edge*4), ones(edge*edge*4)
			for _, es := range []int{1, 2, 4} {
				b.Run(fmt.Sprintf("%d×%d/%dB", edge, edge, es), func(b *testing.B) {
					b.SetBytes(int64(2 * edge * edge * es))
					stride := int64(edge * es)
					for b.Loop() {
						Transpose(ptr(dst), stride, ptr(src), stride, edge, edge, es)
					}
				})
			}
		}
	})
}

// BenchmarkTransposeNarrow moves matrices of few columns, as from planes to
// interleaved channels.
func BenchmarkTransposeNarrow(b *testing.B) {
	const rows = 16 << 10
	dst, src := ones(rows*16*4), ones(rows*16*4)
	for _, cols := range []int{3, 4, 8, 15} {
		b.Run(fmt.Sprint(cols), func(b *testing.B) {
			b.SetBytes(int64(2 * rows * cols * 4))
			for b.Loop() {
				Transpose(ptr(dst), int64(cols*4), ptr(src), rows*4, rows, cols, 4)
			}
		})
	}
}

func BenchmarkGather(b *testing.B) {
	eachTier(b, func(b *testing.B) {
		const n = 16 << 10
		dst, src := ones(n*4), ones(n*4*8)
		for _, stride := range []int{-1, 0, 2, 3, 8} {
			b.Run(fmt.Sprintf("stride%d", stride), func(b *testing.B) {
				b.SetBytes(2 * n * 4)
				from := ptr(src)
				if stride < 0 {
					from = unsafe.Add(from, (n-1)*4)
				}
				for b.Loop() {
					Gather(ptr(dst), from, n, 4, int64(4*stride))
				}
			})
		}
	})
}
