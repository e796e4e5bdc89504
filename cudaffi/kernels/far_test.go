//go:build linux && (amd64 || arm64)

package kernels

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// sparse is memory larger than there is, of which little is touched.
func sparse(t *testing.T, bytes int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(b)) })
	return b
}

// TestFar: ranges far into tensors of more elements and bytes than 32 bits count.
func TestFar(t *testing.T) {
	h, rng := onHost(t), seeded(t)
	const bytes = 20 << 30
	mine, theirs := sparse(t, bytes), sparse(t, bytes)
	const odd = 1<<31 + 5
	type T = strided.Tensor
	for _, test := range []struct {
		name string
		view func(T) T
		near []int64 // elements to look around
	}{
		{"contiguous", func(x T) T { return x }, []int64{1 << 31, 1 << 32}},
		{"column", func(x T) T { return x.Slice(0, 0, 3*odd).Reshape(odd, 3).Select(1, 1) }, []int64{1 << 30, odd}},
		{"backwards", func(x T) T { return x.Reverse(0) }, []int64{1000, 1 << 31, 1 << 32}},
		{"two rows", func(x T) T { return x.Slice(0, 0, 2*odd).Reshape(2, odd) }, []int64{odd, 2 * odd}},
		{"two long columns", func(x T) T { return x.Slice(0, 0, 2*odd).Reshape(odd, 2).Permute(1, 0) }, []int64{500, odd, 2 * odd}},
		{"thousands of rows", func(x T) T { return x.Slice(0, 0, 5<<30).Reshape(1<<17, 5<<13).Permute(1, 0) }, []int64{1 << 30, 1 << 31, 1<<32 + 12345}},
		{"runs", func(x T) T { return x.Slice(0, 0, 5<<30).Reshape(5, 1<<15, 1<<15).Slice(2, 3, 30003).Permute(1, 0, 2) }, []int64{1 << 31}},
	} {
		for _, dt := range []dtype.DType{dtype.Int8, dtype.Float32} {
			es := int64(dt.Size())
			for _, memory := range [][]byte{mine, theirs} { // what was touched goes back
				require.NoError(t, unix.Madvise(memory, unix.MADV_DONTNEED))
			}
			x, y := test.view(strided.FromBytes(dt, mine)), test.view(strided.FromBytes(dt, theirs))
			if x.Err() != nil {
				continue // floats are fewer
			}
			want, err := y.View(strided.Logical)
			require.NoError(t, err)
			v := tensor{x, mine}.view(cudaffi.DevicePtr(address(mine)))
			for _, near := range test.near {
				for range 3 {
					n := 1 + rng.Int64N(20_000)
					lo := max(0, min(near-rng.Int64N(n), v.Count-n))
					hi := min(lo+n, v.Count)
					in, out, expected := values(rng, dt, int((hi-lo)*es)), aligned(int((hi-lo)*es)), aligned(int((hi-lo)*es))
					slot := func(b []byte) cudaffi.DevicePtr { return cudaffi.DevicePtr(address(b)) }
					require.NoError(t, h.do(order{dst: v, lo: lo, hi: hi, in: slot(in)}))
					want.Unpack(in, lo, hi)
					op := dtype.Ops()[rng.IntN(5)]
					require.NoError(t, h.do(order{src: v, dst: v, lo: lo, hi: hi, in: slot(in), reduces: true, op: op, ranks: 2}))
					want.ReduceOut(want, nil, in, lo, hi, op, 2)
					require.NoError(t, h.do(order{src: v, lo: lo, hi: hi, out: slot(out)}))
					want.Pack(expected, lo, hi)
					require.NoError(t, same(dt, expected, out, false), "%s [%d,%d)", test.name, lo, hi)
				}
			}
		}
	}
}
