package strided

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// memory is where elements live: an address and the number of bytes behind it
// that may be touched.
type memory struct {
	ptr    unsafe.Pointer // of host memory; nil if the memory is a device's
	device uint64         // of device memory; 0 if the memory is the host's
	bytes  int64
}

// place says whose the memory of a Tensor is.
type place uint8

const (
	nowhere place = iota // it was not made, or in vain
	onHost
	onDevice
)

// start is the address as a number. Hosts and devices share one address space.
func (m *memory) start() uintptr { return uintptr(m.ptr) + uintptr(m.device) }

// Tensor is memory with a Layout. Its methods make other Tensors of the same
// memory. The zero Tensor is not usable and says so through Err.
type Tensor struct {
	mem    memory
	layout Layout
	place  place
	access Access // to a device's memory; nil: there is none
	err    error
}

// Of is the one-dimensional tensor of data's elements: Go's integers and floats
// of the supported sizes, or dtype.F16, BF16, E4M3 and E5M2. For memory that has
// no Go type, there are FromBytes and FromPointer. The memory stays the
// caller's: collectives write to it, and it must not be touched meanwhile.
func Of[T dtype.Element](data []T) Tensor {
	size := int64(unsafe.Sizeof(*new(T)))
	return oneDim("Of", dtype.Of[T](), onHost, memory{ptr: unsafe.Pointer(unsafe.SliceData(data)), bytes: int64(len(data)) * size})
}

// FromBytes is the one-dimensional tensor of the elements of type dt in b, whose
// length and address must be multiples of the element size. Errors wrap
// ErrDType, ErrShape or ErrUnaligned.
func FromBytes(dt DType, b []byte) Tensor {
	return oneDim("FromBytes", dt, onHost, memory{ptr: unsafe.Pointer(unsafe.SliceData(b)), bytes: int64(len(b))})
}

// FromPointer is FromBytes of the bytes bytes at p, which may be memory of Go or
// of anybody else as long as it stays valid while the tensor is in use. A nil p
// with bytes > 0 is ErrNilMemory.
func FromPointer(dt DType, p unsafe.Pointer, bytes int64) Tensor {
	if bytes < 0 {
		return Tensor{err: errorf("FromPointer", ErrShape, "%d bytes", bytes)}
	}
	return oneDim("FromPointer", dt, onHost, memory{ptr: p, bytes: bytes})
}

func oneDim(fn string, dt DType, in place, mem memory) Tensor {
	if !dt.Valid() {
		return Tensor{err: errorf(fn, ErrDType, "%v does not exist", dt)}
	}
	size := int64(dt.Size())
	switch {
	case mem.bytes%size != 0:
		return Tensor{err: errorf(fn, ErrShape, "%d bytes are not a whole number of %v elements of %d bytes", mem.bytes, dt, size)}
	case mem.start() == 0 && mem.bytes > 0:
		return Tensor{err: errorf(fn, ErrNilMemory, "%d bytes at a nil pointer", mem.bytes)}
	case mem.start()%uintptr(size) != 0:
		return Tensor{err: errorf(fn, ErrUnaligned, "address %#x is not a multiple of the %d bytes of a %v", mem.start(), size, dt)}
	}
	count := mem.bytes / size
	known := &dense[(uint64(count)*5+uint64(dt))%uint64(len(dense))]
	if l := known.Load(); l != nil && l.dt == dt && l.count == count {
		return Tensor{mem: mem, layout: *l, place: in}
	}
	l, err := makeLayout(fn, dt, []int64{count}, []int64{1}, 0)
	if err != nil {
		return Tensor{err: err}
	}
	known.Store(&l)
	return Tensor{mem: mem, layout: l, place: in}
}

// dense are layouts that oneDim has made. Callers from other languages come with an
// address and a count each time, and the same few counts over and over.
var dense [64]atomic.Pointer[Layout]

// Err is the first error of the chain of calls that made t, or nil. A Tensor
// with an error has no elements and no memory.
func (t Tensor) Err() error {
	if t.err == nil && t.place == nowhere {
		return errorf("Tensor", ErrNilMemory, "the zero Tensor has no memory: make one with Of, FromBytes or FromPointer")
	}
	return t.err
}

// IsZero reports whether t is the zero Tensor, which stands for "none" where a
// tensor is optional.
func (t Tensor) IsZero() bool { return t.place == nowhere && t.err == nil }

// Layout is how the elements lie in the memory.
func (t Tensor) Layout() Layout { return t.layout }

// DType is the element type.
func (t Tensor) DType() DType { return t.layout.dt }

// Shape is a copy of the sizes of all dimensions.
func (t Tensor) Shape() []int64 { return t.layout.Shape() }

// Count is the number of elements.
func (t Tensor) Count() int64 { return t.layout.count }

// IsContiguous reports whether the elements lie one after the other in logical
// order.
func (t Tensor) IsContiguous() bool { return t.layout.IsContiguous() }

// String describes the tensor, not its elements.
func (t Tensor) String() string {
	if err := t.Err(); err != nil {
		return fmt.Sprintf("Tensor(%v)", err)
	}
	return fmt.Sprintf("Tensor(%v)", t.layout)
}

// with is t seen through another layout. It keeps its slices.
func (t Tensor) with(fn string, shape, strides []int64, offset int64) Tensor {
	l, err := makeLayout(fn, t.layout.dt, shape, strides, offset)
	if err != nil {
		return Tensor{err: err}
	}
	if have := t.mem.bytes / int64(l.dt.Size()); l.end > have {
		return Tensor{err: errorf(fn, ErrBounds, "%v ends at element %d, the memory has %d", l, l.end, have)}
	}
	return Tensor{mem: t.mem, layout: l, place: t.place, access: t.access}
}

// parts is a copy of t's shape and strides, to be changed, and its offset.
func (t Tensor) parts() (shape, strides []int64, offset int64) {
	return slices.Clone(t.layout.shape), slices.Clone(t.layout.strides), t.layout.offset
}

// at is where element number i of the memory, not of the tensor, lies.
func (t Tensor) at(i int64) uintptr {
	return t.mem.start() + uintptr(i*int64(t.layout.dt.Size()))
}
