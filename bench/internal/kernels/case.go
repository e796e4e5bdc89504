// Package kernels measures what the data path does to memory on one core: pack,
// unpack and the fused reductions, over layouts and element types, beside plain
// copies of as many bytes.
package kernels

import (
	"fmt"
	"slices"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/strided/dtype"
)

// Kernel is one of the data path's steps.
type Kernel string

// The kernels, by what they read and write.
const (
	Pack       Kernel = "pack"        // memory -> slot
	Unpack     Kernel = "unpack"      // slot -> memory
	ReduceInto Kernel = "reduce_into" // slot (+) memory -> slot
	ReduceOut  Kernel = "reduce_out"  // slot (+) memory -> memory and slot
	// Unfused does what ReduceInto does in two steps, to show what fusing them
	// is worth: it packs to a scratch buffer and adds that.
	Unfused Kernel = "pack_then_add"
)

// Moved is how many bytes a kernel reads and writes per byte of the tensor.
func (k Kernel) Moved() int64 {
	switch k {
	case ReduceInto, Unfused:
		return 3
	case ReduceOut:
		return 4
	}
	return 2
}

// Reduces reports whether the kernel has an operator.
func (k Kernel) Reduces() bool { return k.Moved() > 2 }

// Shape is a layout with the size at which it is measured.
type Shape struct {
	Name       string
	contiguous bool
	sums       bool // Pack and Unpack, plain copies here, are measured elsewhere
	spec       func(es int64) layouts.Spec
}

// Case is one row of the table.
type Case struct {
	Kernel Kernel
	DType  dtype.DType
	Op     dtype.Op // of the kernels that reduce
	Shape  Shape
	// Chunk is how many bytes are moved at a time, to or from one slot that is
	// used again and again and stays in the cache, as collectives do; 0 moves
	// the whole tensor to or from a slot of its size.
	Chunk int64
}

// Name is the case in words without spaces: kernel/dtype/op/layout/chunking.
func (c Case) Name() string {
	name := fmt.Sprintf("%s/%v", c.Kernel, c.DType)
	if c.Kernel.Reduces() {
		name += "/" + c.Op.String()
	}
	return name + "/" + c.Shape.Name + "/" + c.Chunking()
}

// Chunking says how much is moved at a time.
func (c Case) Chunking() string {
	if c.Chunk == 0 {
		return "whole"
	}
	return fmt.Sprintf("%dK", c.Chunk>>10)
}

// spec is the tensor's shape, strides and storage.
func (c Case) spec() layouts.Spec { return c.Shape.spec(int64(c.DType.Size())) }

// Bytes is the tensor's size.
func (c Case) Bytes() int64 { return c.spec().Count() * int64(c.DType.Size()) }

const mib = 1 << 20

// shapes are the layouts, under the names that --filter sees.
func shapes() []Shape {
	shaped := func(shape []int64, order ...int) func(int64) layouts.Spec {
		return func(int64) layouts.Spec { return layouts.InOrder(shape, order) }
	}
	named := func(name layouts.Name, bytes int64) func(int64) layouts.Spec {
		return func(es int64) layouts.Spec { return layouts.New(name, 0, bytes/es) }
	}
	window := func(run int64) func(int64) layouts.Spec {
		return func(es int64) layouts.Spec { return layouts.Window(32*mib/run, run/es, 2*run/es) }
	}
	return []Shape{
		{"contiguous_8M", true, false, named(layouts.Contiguous, 8*mib)},
		{"contiguous_256M", true, true, named(layouts.Contiguous, 256*mib)},
		{"transpose_4096x4096", false, false, shaped([]int64{4096, 4096}, 1, 0)},
		{"channels_last_to_NCHW", false, false, shaped([]int64{4, 64, 128, 128}, 0, 2, 3, 1)},
		{"NCHW_to_channels_last", false, false, shaped([]int64{4, 128, 128, 64}, 0, 3, 1, 2)},
		{"slice_runs_256B", false, false, window(256)},
		{"slice_runs_64B", false, false, window(64)},
		{"column_32M", false, false, named(layouts.Column, 32*mib)},
		{"reverse_32M", false, false, named(layouts.Reverse, 32*mib)},
	}
}

// Cases are all rows: every kernel, type and layout, whole and in chunks of
// chunk bytes, with every operator of ops. Pack and Unpack know the size of
// elements only, so the first type of each size stands for the others there.
func Cases(dtypes []dtype.DType, ops []dtype.Op, chunk int64) []Case {
	var all []Case
	for _, s := range shapes() {
		for _, k := range []Kernel{Pack, Unpack, ReduceInto, Unfused, ReduceOut} {
			for i, dt := range dtypes {
				sameSize := func(other dtype.DType) bool { return other.Size() == dt.Size() }
				if !k.Reduces() && (s.sums || slices.ContainsFunc(dtypes[:i], sameSize)) {
					continue
				}
				for _, op := range ops {
					if !k.Reduces() && op != ops[0] || k == Unfused && s.contiguous {
						continue
					}
					for _, chunk := range []int64{0, chunk} {
						all = append(all, Case{k, dt, op, s, chunk})
					}
				}
			}
		}
	}
	return slices.Clip(all)
}
