package strided

import "slices"

// Reshape gives t another shape with the same number of elements in the same
// logical order; one size may be -1 and is worked out. It never copies: where no
// strides describe the new shape over t's memory, the error wraps ErrNeedsCopy.
func (t Tensor) Reshape(dims ...int64) Tensor {
	if t.Err() != nil {
		return t
	}
	shape, err := t.inferShape(dims)
	if err != nil {
		return Tensor{err: err}
	}
	strides, ok := reshapeStrides(&t.layout, shape)
	if !ok {
		return Tensor{err: errorf("Reshape", ErrNeedsCopy, "%v to %v; Copy it to a contiguous tensor first, or reshape before permuting", t.layout, shape)}
	}
	return t.with("Reshape", shape, strides, t.layout.offset)
}

// Flatten is Reshape to one dimension.
func (t Tensor) Flatten() Tensor { return t.Reshape(-1) }

// inferShape copies dims with the -1 filled in and the count checked.
func (t Tensor) inferShape(dims []int64) ([]int64, error) {
	shape := slices.Clone(dims)
	unknown := slices.Index(shape, -1)
	if unknown >= 0 {
		shape[unknown] = 1
	}
	count, err := countOf("Reshape", t.layout.dt, shape)
	if err != nil {
		return nil, err
	}
	if unknown >= 0 && count > 0 && t.layout.count%count == 0 {
		shape[unknown] = t.layout.count / count
		count = t.layout.count
	}
	if count != t.layout.count {
		return nil, errorf("Reshape", ErrShape, "%v (%d elements) to %v", t.layout.shape, t.layout.count, dims)
	}
	return shape, nil
}

// reshapeStrides lays shape over l's elements in logical order. l's dimensions
// are merged as far as possible first, so a new dimension fits if and only if it
// divides what is left of one merged dimension.
func reshapeStrides(l *Layout, shape []int64) ([]int64, bool) {
	if l.count == 0 {
		return rowMajor(shape), true
	}
	var d dims
	d.logical(l)
	strides := make([]int64, len(shape))
	at, left, step := d.n, int64(1), int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		if left == 1 && at > 0 && shape[i] != 1 {
			at--
			left, step = d.size[at], d.stride[at]
		}
		if left%shape[i] != 0 {
			return nil, false
		}
		strides[i] = step
		left /= shape[i]
		step *= shape[i]
	}
	return strides, true // the counts are equal, so nothing is left
}
