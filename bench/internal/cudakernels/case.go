// Package cudakernels measures what the data path does to a GPU's memory: pack,
// unpack and the fused reductions, over layouts and element types, to and from
// slots on the device and in pinned memory of the host, beside the driver's copies
// of as many bytes.
package cudakernels

import (
	"fmt"
	"slices"

	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/strided/dtype"
)

// Slots says where slots are.
type Slots string

// The places of slots.
const (
	Device Slots = "device" // the GPU's memory
	Pinned Slots = "pinned" // the host's, which the kernels reach across the bus
)

// Layout is a way for a tensor to lie in memory.
type Layout struct {
	Name string
	spec func(count int64) layouts.Spec
}

// Case is one row of the table.
type Case struct {
	Kernel kernels.Kernel
	DType  dtype.DType
	Op     dtype.Op // of the kernels that reduce
	Layout Layout
	Slots  Slots
	// Chunk is how many bytes are moved at a time, to or from one slot that is used
	// again and again, as collectives do; 0 moves the whole tensor to or from a
	// slot of its size.
	Chunk int64
}

// Name is the case in words without spaces: kernel/dtype/op/layout/slots/chunking.
func (c Case) Name() string {
	name := fmt.Sprintf("%s/%v", c.Kernel, c.DType)
	if c.Kernel.Reduces() {
		name += "/" + c.Op.String()
	}
	return fmt.Sprintf("%s/%s/%s/%s", name, c.Layout.Name, c.Slots, c.Chunking())
}

// Chunking says how much is moved at a time.
func (c Case) Chunking() string {
	if c.Chunk == 0 {
		return "whole"
	}
	return fmt.Sprintf("%dK", c.Chunk>>10)
}

// Crossings is how many bytes are counted per byte of the tensor: all that are
// read and written on the device, or those that cross the bus in one direction.
func (c Case) Crossings() int64 {
	if c.Slots == Pinned {
		return 1
	}
	return c.Kernel.Moved()
}

// Spec is the case's tensor of about so many bytes.
func (c Case) Spec(bytes int64) layouts.Spec {
	return c.Layout.spec(bytes / int64(c.DType.Size()))
}

// Layouts are the layouts of the table.
func Layouts() []Layout {
	named := func(n layouts.Name) func(int64) layouts.Spec {
		return func(count int64) layouts.Spec { return layouts.New(n, 0, count) }
	}
	return []Layout{
		{"contiguous", named(layouts.Contiguous)},
		{"transpose", named(layouts.Transpose)},
		// One column more and one row less, so that no row is aligned.
		{"odd_transpose", func(count int64) layouts.Spec {
			s := layouts.Transpose.Shape(count)
			return layouts.InOrder([]int64{max(s[0]-1, 1), s[1] + 1}, []int{1, 0})
		}},
		{"channels_last_to_NCHW", named(layouts.ChannelsLast)},
		{"NCHW_to_channels_last", func(count int64) layouts.Spec {
			s := layouts.ChannelsLast.Shape(count)
			return layouts.InOrder([]int64{s[0], s[2], s[3], s[1]}, []int{0, 3, 1, 2})
		}},
		{"pixels_to_planes", func(count int64) layouts.Spec {
			s := layouts.Contiguous.Shape(max(count/3, 1))
			return layouts.InOrder([]int64{3, s[0], s[1]}, []int{1, 2, 0})
		}},
		{"aligned_slice", func(count int64) layouts.Spec { return layouts.Window(max(count/1024, 1), 1024, 2048) }},
		{"slice", named(layouts.Slice)},
		{"column", named(layouts.Column)},
		{"reverse", named(layouts.Reverse)},
	}
}

// Cases are all rows. Pack and Unpack know the size of elements only, so the first
// type of each size stands for the others there. Chunks of chunk bytes are for
// slots in pinned memory, as collectives have them.
func Cases(dtypes []dtype.DType, ops []dtype.Op, slots []Slots, chunk int64) []Case {
	var all []Case
	for _, l := range Layouts() {
		for _, k := range []kernels.Kernel{kernels.Pack, kernels.Unpack, kernels.ReduceInto, kernels.ReduceOut} {
			for i, dt := range dtypes {
				sameSize := func(other dtype.DType) bool { return other.Size() == dt.Size() }
				if !k.Reduces() && slices.ContainsFunc(dtypes[:i], sameSize) {
					continue
				}
				for _, op := range ops {
					if !k.Reduces() && op != ops[0] || k == kernels.ReduceInto && op == dtype.Avg {
						continue // only the last step divides
					}
					for _, s := range slots {
						all = append(all, Case{k, dt, op, l, s, 0})
						if s == Pinned {
							all = append(all, Case{k, dt, op, l, s, chunk})
						}
					}
				}
			}
		}
	}
	return all
}
