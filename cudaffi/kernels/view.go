package kernels

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided/dtype"
)

// What errors wrap, for errors.Is.
var (
	// ErrRange: the range is not within the view.
	ErrRange = errors.New("range out of bounds")
	// ErrAlignment: an address or stride is not a multiple of the element size,
	// so the GPU could not access elements there.
	ErrAlignment = errors.New("misaligned")
	// ErrView: a View contradicts itself, or two do not fit each other.
	ErrView = errors.New("views do not fit")
	// ErrOperation: no such operator or number of ranks.
	ErrOperation = errors.New("no such operation")
)

// MaxDims is the largest number of dimensions of a View.
const MaxDims = 32

// View is elements in memory that the GPU can touch, numbered 0 to Count-1 in an
// order that is the row-major order of Size: element (i, j, …) is
// i*Stride[0] + j*Stride[1] + … bytes from Base. Strides may be 0 or negative.
// Without dimensions there is one element, or none. It does not change once made
// and may be used by several goroutines.
//
// Views are quickest to plan if dimensions of size 1 are left out and those that
// follow on each other in memory are one.
type View struct {
	Base   cudaffi.DevicePtr // element 0
	DType  dtype.DType
	Count  int64
	Size   []int64 // outermost first
	Stride []int64 // bytes
}

// check is whether the kernels can work on elements [lo,hi) of v.
func (v *View) check(lo, hi int64) error {
	if lo < 0 || lo > hi || hi > v.Count {
		return fmt.Errorf("kernels: elements [%d,%d) of a view of %d: %w", lo, hi, v.Count, ErrRange)
	}
	if !v.DType.Valid() || len(v.Size) != len(v.Stride) || len(v.Size) > MaxDims {
		return fmt.Errorf("kernels: a view of %v with %d sizes and %d strides: %w", v.DType, len(v.Size), len(v.Stride), ErrView)
	}
	es := int64(v.DType.Size())
	bits := int64(v.Base)
	count := int64(1)
	for i, n := range v.Size {
		if n < 1 || count > v.Count/n {
			return fmt.Errorf("kernels: sizes %v of a view of %d elements: %w", v.Size, v.Count, ErrView)
		}
		count *= n
		bits |= v.Stride[i]
	}
	if count != v.Count && (v.Count != 0 || len(v.Size) > 0) {
		return fmt.Errorf("kernels: sizes %v of a view of %d elements: %w", v.Size, v.Count, ErrView)
	}
	if bits&(es-1) != 0 {
		return fmt.Errorf("kernels: a view of %v at %#x with strides %v: %w", v.DType, uint64(v.Base), v.Stride, ErrAlignment)
	}
	return nil
}
