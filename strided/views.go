package strided

import "slices"

// dim resolves a dimension number, where -1 is the last dimension.
func (t Tensor) dim(fn string, dim int) (int, error) {
	n := len(t.layout.shape)
	if dim < -n || dim >= n {
		return 0, errorf(fn, ErrShape, "dimension %d of a tensor with %d dimensions %v", dim, n, t.layout.shape)
	}
	if dim < 0 {
		dim += n
	}
	return dim, nil
}

// Permute reorders the dimensions: dimension i of the result is dimension
// dims[i] of t. Each dimension is named once; -1 is the last one.
func (t Tensor) Permute(dims ...int) Tensor {
	if t.Err() != nil {
		return t
	}
	if len(dims) != len(t.layout.shape) {
		return Tensor{err: errorf("Permute", ErrShape, "%d dimensions named, the tensor %v has %d", len(dims), t.layout.shape, len(t.layout.shape))}
	}
	shape, strides, offset := t.parts()
	seen := make([]bool, len(dims))
	for i, d := range dims {
		d, err := t.dim("Permute", d)
		if err != nil {
			return Tensor{err: err}
		}
		if seen[d] {
			return Tensor{err: errorf("Permute", ErrShape, "dimension %d is named twice in %v", d, dims)}
		}
		seen[d] = true
		shape[i], strides[i] = t.layout.shape[d], t.layout.strides[d]
	}
	return t.with("Permute", shape, strides, offset)
}

// Slice keeps the indices [lo,hi) of dimension dim, 0 <= lo <= hi <= size.
func (t Tensor) Slice(dim int, lo, hi int64) Tensor {
	if t.Err() != nil {
		return t
	}
	dim, err := t.dim("Slice", dim)
	if err != nil {
		return Tensor{err: err}
	}
	shape, strides, offset := t.parts()
	if lo < 0 || lo > hi || hi > shape[dim] {
		return Tensor{err: errorf("Slice", ErrShape, "[%d,%d) of dimension %d, whose size is %d", lo, hi, dim, shape[dim])}
	}
	if lo < hi {
		offset += lo * strides[dim]
	}
	shape[dim] = hi - lo
	return t.with("Slice", shape, strides, offset)
}

// Step keeps every k-th index of dimension dim, k >= 1, beginning with the
// first.
func (t Tensor) Step(dim int, k int64) Tensor {
	if t.Err() != nil {
		return t
	}
	dim, err := t.dim("Step", dim)
	if err != nil {
		return Tensor{err: err}
	}
	if k < 1 {
		return Tensor{err: errorf("Step", ErrShape, "step %d: it must be at least 1 (Reverse turns a dimension around)", k)}
	}
	shape, strides, offset := t.parts()
	if shape[dim] > 0 {
		shape[dim] = (shape[dim]-1)/k + 1
	}
	if shape[dim] > 1 {
		strides[dim] *= k // reaches no farther than the last index did
	}
	return t.with("Step", shape, strides, offset)
}

// Select takes index i of dimension dim, 0 <= i < size, and drops the
// dimension.
func (t Tensor) Select(dim int, i int64) Tensor {
	if t.Err() != nil {
		return t
	}
	dim, err := t.dim("Select", dim)
	if err != nil {
		return Tensor{err: err}
	}
	shape, strides, offset := t.parts()
	if i < 0 || i >= shape[dim] {
		return Tensor{err: errorf("Select", ErrShape, "index %d of dimension %d, whose size is %d", i, dim, shape[dim])}
	}
	offset += i * strides[dim]
	return t.with("Select", slices.Delete(shape, dim, dim+1), slices.Delete(strides, dim, dim+1), offset)
}

// Reverse turns the order of the indices of dimension dim around.
func (t Tensor) Reverse(dim int) Tensor {
	if t.Err() != nil {
		return t
	}
	dim, err := t.dim("Reverse", dim)
	if err != nil {
		return Tensor{err: err}
	}
	shape, strides, offset := t.parts()
	if shape[dim] > 1 {
		offset += (shape[dim] - 1) * strides[dim]
		strides[dim] = -strides[dim]
	}
	return t.with("Reverse", shape, strides, offset)
}

// Expand repeats dimensions of size 1, with stride 0, so that the result has the
// sizes dims; -1 keeps a size. New dimensions may be put in front. The result is
// an input only: its elements share memory.
func (t Tensor) Expand(dims ...int64) Tensor {
	if t.Err() != nil {
		return t
	}
	added := len(dims) - len(t.layout.shape)
	if added < 0 {
		return Tensor{err: errorf("Expand", ErrShape, "%d sizes for a tensor with %d dimensions %v", len(dims), len(t.layout.shape), t.layout.shape)}
	}
	shape, strides := slices.Clone(dims), make([]int64, len(dims))
	for i, n := range dims {
		have, stride := int64(1), int64(0)
		if i >= added {
			have, stride = t.layout.shape[i-added], t.layout.strides[i-added]
		}
		switch {
		case n == have || n == -1 && i >= added:
			shape[i], strides[i] = have, stride
		case have != 1 || n < 0:
			return Tensor{err: errorf("Expand", ErrShape, "dimension %d of size %d cannot become %d: only size 1 expands", i, have, n)}
		}
	}
	return t.with("Expand", shape, strides, t.layout.offset)
}

// AsStrided is the tensor's whole memory seen through another layout; offset
// counts from the start of the memory, not from t's first element. Errors wrap
// ErrShape, ErrTooLarge or ErrBounds.
func (t Tensor) AsStrided(shape, strides []int64, offset int64) Tensor {
	if t.Err() != nil {
		return t
	}
	return t.with("AsStrided", slices.Clone(shape), slices.Clone(strides), offset)
}
