package engine_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// deviceSizes are the worlds of the matrices on devices.
var deviceSizes = []int{1, 2, 3, 4}

// whole: nothing of the matrix is left out.
var whole = os.Getenv("CI") != "" && !raceDetector

// TestDeviceMatrix is the matrix of all_reduce and broadcast on tensors of devices:
// all dtypes x operators x layouts x sizes, in and out of place; with four ranks every
// third cell. The wires take its cells in turns.
func TestDeviceMatrix(t *testing.T) {
	for _, size := range deviceSizes {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			d := onDevices(t)
			cfg := d.config()
			cfg.ChunkBytes = smallChunk
			var bySize, byRing []world
			for _, wire := range []string{"inproc", "shm", "tcp"} {
				if newWorld := worlds[wire]; newWorld != nil {
					cfg.Algorithm = ""
					bySize = append(bySize, newWorld(d, size, cfg))
					cfg.Algorithm = "ring"
					byRing = append(byRing, newWorld(d, size, cfg))
				}
			}
			turn := 0
			var cells thin
			for _, dt := range dtype.All() {
				for _, op := range dtype.Ops() {
					if size == 1 && !oneOp(dt, op) {
						continue
					}
					for n, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						for m, l := range layouts {
							// Without CI, every layout meets every shape, dtype and operator, but
							// not all at once: that is a thirteenth of the cells.
							if (int(dt)+3*int(op)+5*n+7*m)%13 != size && !whole || cells.skip() {
								continue
							}
							if whole && size == 4 && cells%3 != 1 {
								continue // there are 2 and 3 beside it
							}
							turn = (turn + 1) % len(byRing)
							w, v := byRing[turn], bySize[turn]
							if (n+m)%2 == 0 {
								w, v = v, w
							}
							other := layouts[(m+1)%len(layouts)].name
							allReduceCase{dt: dt, op: op, shape: shape, in: []string{l.name}}.run(d, w)
							allReduceCase{dt: dt, op: op, shape: shape, in: []string{other}, out: []string{l.name}}.run(d, v)
							if whole && !oneOp(dt, op) {
								continue // a broadcast has no operator
							}
							broadcastCase{dt, shape, []string{l.name}, n % size, true}.run(d, w)
							broadcastCase{dt, shape, []string{l.name, other}, n % size, false}.run(d, v)
						}
						if (int(dt)+int(op)+n)%5 == 0 {
							allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts, out: twoOrders}.run(d, byRing[turn])
							allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts, out: mixedLayouts[1:]}.run(d, byRing[turn])
						}
					}
				}
			}
		})
	}
}

// TestDeviceWires is a slice of the matrix over the wires between processes.
func TestDeviceWires(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range deviceSizes[1:] {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				d := onDevices(t)
				cfg := d.config()
				cfg.ChunkBytes = smallChunk
				w := newWorld(d, size, cfg)
				for _, dt := range dtype.All() {
					op := dtype.Ops()[int(dt)%len(dtype.Ops())]
					for n, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						if (n+int(dt))%3 != size%3 {
							continue
						}
						l := layouts[(n+int(dt))%len(layouts)].name
						allReduceCase{dt: dt, op: op, shape: shape, in: []string{l}}.run(d, w)
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts, out: mixedLayouts[1:]}.run(d, w)
						broadcastCase{dt, shape, []string{l}, n % size, true}.run(d, w)
						broadcastCase{dt, shape, mixedLayouts, n % size, false}.run(d, w)
					}
				}
			})
		}
	}
}

// TestDeviceLargeTensors has links, slots and rings of commands fill up, with the default chunk
// size.
func TestDeviceLargeTensors(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3} {
			if raceDetector && size > 2 {
				continue // it takes ten times as long
			}
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				d := onDevices(t)
				w := newWorld(d, size, d.config())
				shape := []int64{4, 48, 61, 37} // 3.5 MB of float64
				for n, l := range []string{"contiguous", "transpose", "slice", "steps"} {
					dt := []strided.DType{dtype.Float64, dtype.BFloat16}[(n+size)%2]
					allReduceCase{dt: dt, op: engine.Sum, shape: shape, in: []string{l}}.run(d, w)
					broadcastCase{dt, shape, []string{l}, size - 1, true}.run(d, w)
				}
				allReduceCase{dt: dtype.Float64, op: engine.Avg, shape: shape, in: mixedLayouts, out: mixedLayouts[1:]}.run(d, w)
				for _, n := range []int64{64<<10 - 1, 64 << 10, 64<<10 + 1} {
					allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: []int64{n}, in: []string{"contiguous"}}.run(d, w)
				}
			})
		}
	}
}

// TestMixedMemory: some ranks' tensors are on devices, the others' in host memory.
func TestMixedMemory(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 4} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				d := onDevices(t)
				d.mixed = true
				cfg := d.config()
				cfg.ChunkBytes = smallChunk
				w := newWorld(d, size, cfg)
				for n, dt := range dtype.All() {
					op := dtype.Ops()[n%len(dtype.Ops())]
					for m, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						if (n+m)%2 != size%2 {
							continue
						}
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts[n%3:], out: []string{"transpose", "transpose", "contiguous", "slice"}}.run(d, w)
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts[n%3:], out: mixedLayouts}.run(d, w)
						broadcastCase{dt, shape, mixedLayouts, n % size, m%2 == 0}.run(d, w)
					}
				}
			})
		}
	}
}

// TestDeviceBits: results have the same bits as on the host.
func TestDeviceBits(t *testing.T) {
	for _, dt := range []strided.DType{dtype.Float32, dtype.Float16, dtype.BFloat16, dtype.Float8E4M3, dtype.Float8E5M2} {
		t.Run(dt.String(), func(t *testing.T) {
			d := onDevices(t)
			cfg := d.config()
			cfg.ChunkBytes = 1024
			w := localWorld(d, 3, cfg)
			for _, l := range layouts {
				layoutOf := func(int) string { return l.name }
				onHost := bits(t, w, dt, layoutOf)
				require.Equal(t, onHost, bits(d, w, dt, layoutOf), l.name)
				d.mixed = true
				require.Equal(t, onHost, bits(d, w, dt, layoutOf), l.name)
				d.mixed = false
			}
		})
	}
}

// manyDims makes tensors of more dimensions than a kernel goes through, none of
// which follow on each other in memory.
func manyDims(x strided.Tensor) strided.Tensor {
	dims := len(x.Shape())
	for i := range dims {
		x = x.Slice(i, 0, x.Shape()[i]-1)
	}
	return x
}

// TestManyDimensions: more than kernels go through.
func TestManyDimensions(t *testing.T) {
	stored := []int64{3, 3, 3, 3, 3, 3, 3, 3, 3, 3} // 2^10 elements of 3^10
	for _, size := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			d := onDevices(t)
			cfg := d.config()
			cfg.ChunkBytes = smallChunk
			w := localWorld(d, size, cfg)
			turned := func(x strided.Tensor) strided.Tensor { return manyDims(x).Permute(9, 0, 8, 1, 7, 2, 6, 3, 5, 4) }
			w.must(t, func(rank int, c *engine.Comm) error {
				t := forRank(d, rank)
				if err := reduceInPlace(c, view(t, "many", dtype.Float32, stored, manyDims), engine.Sum); err != nil {
					return err
				}
				if err := broadcastInPlace(c, view(t, "many", dtype.Int64, stored, turned), size-1); err != nil {
					return err
				}
				src, dst := view(t, "many", dtype.Float32, stored, manyDims), view(t, "turned", dtype.Float32, stored, turned)
				src.fill(func(i int) scalar { return input(dtype.Float32, engine.Avg, rank, i) })
				if err := c.AllReduce(background, dst.tensor, src.tensor, engine.Avg); err != nil {
					return err
				}
				return dst.check(func(i int) scalar { return reduce(dtype.Float32, engine.Avg, size, i) })
			})
		})
	}
}
