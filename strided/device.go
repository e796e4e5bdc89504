package strided

import "slices"

// FromDevice is FromBytes of the bytes bytes at the address ptr of a CUDA device,
// as cuMemAlloc returns it. Tensors made of it have layouts, views and walks like
// any others, and checks of overlap work on them; only the host cannot touch their
// elements: Copy refuses, and the methods of a View that move elements panic.
// Errors wrap ErrDType, ErrShape, ErrUnaligned or, for address 0 with bytes > 0,
// ErrNilMemory.
func FromDevice(dt DType, ptr uint64, bytes int64) Tensor {
	if bytes < 0 {
		return Tensor{err: errorf("FromDevice", ErrShape, "%d bytes", bytes)}
	}
	return oneDim("FromDevice", dt, onDevice, memory{device: ptr, bytes: bytes})
}

// OnDevice reports whether the memory is a CUDA device's.
func (t Tensor) OnDevice() bool { return t.place == onDevice }

// Address is where element (0, 0, …) is, in the host's memory or a device's; 0 if
// there are no elements.
func (t Tensor) Address() uint64 {
	if t.layout.count == 0 {
		return 0
	}
	return uint64(t.at(t.layout.offset))
}

// Address is where element 0 is, in the host's memory or a device's; 0 if there
// are no elements.
func (v View) Address() uint64 {
	if v.far != nil {
		return v.far.at
	}
	return uint64(uintptr(v.base))
}

// Dims is how the elements lie, for whoever moves them without this package:
// element e = (i, j, …) of these sizes, counted in row-major order, is
// i*stride[0] + j*stride[1] + … bytes from Address. Dimensions that follow on each
// other in memory are one, and none has size 1. A single element has no
// dimensions, nor has a view without elements. The slices must not be changed.
// The elements of a walk of Halves do not lie in any such way, only those of its
// parts; see Part.
func (v View) Dims() (size, stride []int64) {
	p := v.plan
	switch {
	case p == nil || p.count < 2:
		return nil, nil
	case p.kind == inTurns:
		panic("strided: Dims of a view in halves; ask its parts")
	case p.kind == contiguous:
		return []int64{p.count}, []int64{p.es}
	case p.size[0] == 1:
		return p.size[1:], p.stride[1:]
	}
	return p.size, p.stride
}

// Packed is the layout of l's shape whose elements lie one after the other from
// the start of the memory, in the order of w, which is not one of Halves. Errors
// wrap ErrWalk.
func (l Layout) Packed(w Walk) (Layout, error) {
	if w.isHalves() {
		return Layout{}, errorf("Packed", ErrWalk, "no strides put elements in the order %v", w)
	}
	if err := w.Validate(l.shape); err != nil {
		return Layout{}, err
	}
	p := l
	p.offset, p.end = 0, l.count
	if w == Logical {
		p.strides = rowMajor(l.shape)
		return p, nil
	}
	var real [maxWalkDims]int
	k := 0
	for i, n := range l.shape {
		if n > 1 {
			real[k] = i
			k++
		}
	}
	p.strides = slices.Repeat([]int64{1}, len(l.shape))
	step := int64(1)
	for i := w.len() - 1; i >= 0; i-- {
		j, backwards := w.at(i)
		d := real[j]
		p.strides[d] = step
		if backwards {
			p.strides[d] = -step
			p.offset += (l.shape[d] - 1) * step
		}
		step *= l.shape[d]
	}
	return p, nil
}

// WithLayout is t's whole memory seen through l, whose element type is t's. Errors
// wrap ErrDType or ErrBounds.
func (t Tensor) WithLayout(l Layout) Tensor {
	if t.Err() != nil {
		return t
	}
	if l.dt != t.layout.dt {
		return Tensor{err: errorf("WithLayout", ErrDType, "%v memory as %v", t.layout.dt, l.dt)}
	}
	if have := t.mem.bytes / int64(l.dt.Size()); l.end > have {
		return Tensor{err: errorf("WithLayout", ErrBounds, "%v ends at element %d, the memory has %d", l, l.end, have)}
	}
	return Tensor{mem: t.mem, layout: l, place: t.place, access: t.access}
}
