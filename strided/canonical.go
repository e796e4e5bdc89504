package strided

// dims is a list of dimensions, outermost first, of sizes of at least 2.
type dims struct {
	n      int
	size   [MaxDims]int64
	stride [MaxDims]int64
}

// add appends a dimension inside the others. It drops size 1 and merges the
// dimension with its neighbour where the two are one longer run of equal steps.
func (d *dims) add(size, stride int64) {
	if size == 1 {
		return
	}
	if k := d.n - 1; k >= 0 && d.stride[k] == size*stride {
		d.size[k] *= size
		d.stride[k] = stride
		return
	}
	d.size[d.n], d.stride[d.n] = size, stride
	d.n++
}

// logical is the canonical form of l's elements in logical order, strides in
// elements. Two layouts put element i at the same place, for all i, if and only
// if their forms and offsets are equal. l is not empty.
func (d *dims) logical(l *Layout) {
	d.n = 0
	for i, n := range l.shape {
		d.add(n, l.strides[i])
	}
}

// walked is the canonical form of l's elements in the order w, or of a part of
// them, as many in each dimension as shape says. It returns the place of the first
// element, counted in elements from the part's element (0, 0, …). l is not empty
// and w fits its shape.
func (d *dims) walked(l *Layout, shape []int64, w Walk) (first int64) {
	d.n = 0
	if w == Logical {
		for i, n := range shape {
			d.add(n, l.strides[i])
		}
		return 0
	}
	var real [maxWalkDims]int
	k := 0
	for i, n := range l.shape {
		if n > 1 {
			real[k] = i
			k++
		}
	}
	for i := range w.len() {
		j, backwards := w.at(i)
		n, stride := shape[real[j]], l.strides[real[j]]
		if backwards {
			first += (n - 1) * stride
			stride = -stride
		}
		d.add(n, stride)
	}
	return first
}
