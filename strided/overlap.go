package strided

// CheckOutput returns an error that wraps ErrOverlap if two elements of the
// layout share memory, as those of an expanded tensor do: such a layout can be
// read but not written. For strides so entangled that a bounded search does not
// decide the question, it returns the error too, and says so.
func (l Layout) CheckOutput() error {
	if l.count < 2 {
		return nil
	}
	var d dims
	d.logical(&l)
	d.sortByStride()
	if d.separated() {
		return nil
	}
	if d.stride[0] == 0 {
		return errorf("CheckOutput", ErrOverlap, "%v has an expanded dimension (stride 0), so several elements share one place; write to a tensor of its own", l)
	}
	switch d.collide() {
	case found:
		return errorf("CheckOutput", ErrOverlap, "elements of %v share memory with each other; write to a tensor of its own", l)
	case unknown:
		return errorf("CheckOutput", ErrOverlap, "cannot prove that no two elements of %v share memory; use a tensor with simpler strides", l)
	default:
		return nil
	}
}

// sortByStride makes strides positive and sorts them upwards.
func (d *dims) sortByStride() {
	for i := range d.n {
		n, s := d.size[i], d.stride[i]
		if s < 0 {
			s = -s
		}
		j := i
		for ; j > 0 && d.stride[j-1] > s; j-- {
			d.size[j], d.stride[j] = d.size[j-1], d.stride[j-1]
		}
		d.size[j], d.stride[j] = n, s
	}
}

// separated reports whether each stride steps over all that the smaller ones
// reach, which is how slices, permutations and steps of a dense tensor look. It
// is sufficient for elements to be distinct, not necessary.
func (d *dims) separated() bool {
	reach := int64(0)
	for i := range d.n {
		if d.stride[i] <= reach {
			return false
		}
		reach += (d.size[i] - 1) * d.stride[i]
	}
	return true
}

// collide decides whether two different elements have the same place, for sorted
// dims of positive stride: whether there are differences x[i] of indices,
// |x[i]| < size[i], not all 0, with x[0]*stride[0] + x[1]*stride[1] + … = 0.
// Let top be the last dimension where they differ, by at least 1 without loss of
// generality; then shift every other difference to start at 0.
func (d *dims) collide() verdict {
	count, reach := int64(1), int64(0)
	for i := range d.n {
		count *= d.size[i]
		reach += (d.size[i] - 1) * d.stride[i]
	}
	if count > reach+1 {
		return found // more elements than places
	}
	result := none
	e := equation{budget: searchBudget}
	reach = 0
	for top := range d.n {
		if d.stride[top] <= reach { // else the lower ones cannot make up for it
			e.n, e.target = 0, reach-d.stride[top]
			for i := range top {
				e.term(d.stride[i], 2*(d.size[i]-1))
			}
			e.term(d.stride[top], d.size[top]-2)
			if v := e.solve(); v == found {
				return found
			} else if v == unknown {
				result = unknown
			}
		}
		reach += (d.size[top] - 1) * d.stride[top]
	}
	return result
}

// Conflict reports whether writing dst while src is being read is unsafe. It
// returns nil if dst and src share no memory, or if they are the same memory
// element for element, in which case each element may be replaced by a result
// made from it. Otherwise, and if dst's own elements overlap, the error wraps
// ErrOverlap. The answer is exact except for strides so entangled that a bounded
// search gives up; then it is an error that says so.
func Conflict(dst, src Tensor) error {
	if err := dst.Err(); err != nil {
		return err
	}
	if err := src.Err(); err != nil {
		return err
	}
	if err := dst.layout.CheckOutput(); err != nil {
		return err
	}
	if dst.layout.count == 0 || src.layout.count == 0 || identical(&dst, &src) {
		return nil
	}
	switch intersect(&dst, &src) {
	case found:
		return errorf("Conflict", ErrOverlap, "the output %v and the input %v share memory without being the same; use the same tensor for both, or separate memory", dst.layout, src.layout)
	case unknown:
		return errorf("Conflict", ErrOverlap, "cannot prove that the output %v and the input %v share no memory; use separate memory", dst.layout, src.layout)
	default:
		return nil
	}
}

// Disjoint returns an error that wraps ErrOverlap if a and b, which have no errors, share
// memory. It is as exact as Conflict; that they are the same is no excuse.
func Disjoint(a, b Tensor) error {
	if a.layout.count == 0 || b.layout.count == 0 {
		return nil
	}
	switch intersect(&a, &b) {
	case found:
		return errorf("Disjoint", ErrOverlap, "%v and %v share memory", a.layout, b.layout)
	case unknown:
		return errorf("Disjoint", ErrOverlap, "cannot prove that %v and %v share no memory", a.layout, b.layout)
	default:
		return nil
	}
}

// Extent is where a tensor without errors lies: the address of the first byte of any of
// its elements, and that behind the last one. Both are 0 if it has none. Tensors whose
// extents meet need not share memory.
func (t Tensor) Extent() (first, end uint64) {
	if t.layout.count == 0 {
		return 0, 0
	}
	l := &t.layout
	lo, hi := l.offset, l.offset
	for i, n := range l.shape {
		if reach := (n - 1) * l.strides[i]; reach > 0 {
			hi += reach
		} else {
			lo += reach
		}
	}
	base, size := int64(t.mem.start()), int64(l.dt.Size())
	return uint64(base + lo*size), uint64(base + (hi+1)*size)
}

// Same reports whether element i of a is element i of b for every i, in logical order,
// so that b is a under another shape at most. Neither has an error.
func Same(a, b Tensor) bool { return identical(&a, &b) }

// identical reports whether element i of a is element i of b for every i.
func identical(a, b *Tensor) bool {
	if a.layout.dt.Size() != b.layout.dt.Size() || a.layout.count != b.layout.count ||
		a.at(a.layout.offset) != b.at(b.layout.offset) {
		return false
	}
	var da, db dims
	da.logical(&a.layout)
	db.logical(&b.layout)
	if da.n != db.n {
		return false
	}
	for i := range da.n {
		if da.size[i] != db.size[i] || da.stride[i] != db.stride[i] {
			return false
		}
	}
	return true
}

// intersect decides whether a and b share a byte. With x the indices into a, all
// strides made positive, and y those into b counted from its upper end, that is
// one equation: a.first + x·a.strides + y·b.strides = b.last, in bytes, plus a
// term of stride 1 for the bytes within an element. If everything is a multiple
// of one element size, it counts elements instead.
func intersect(a, b *Tensor) verdict {
	e := equation{budget: searchBudget}
	aFirst, aLast := e.terms(&a.layout)
	bFirst, bLast := e.terms(&b.layout)
	aBase, bBase := int64(a.mem.start()), int64(b.mem.start())
	aFirst, aLast = aBase+aFirst, aBase+aLast
	bFirst, bLast = bBase+bFirst, bBase+bLast
	as, bs := int64(a.layout.dt.Size()), int64(b.layout.dt.Size())
	if aLast+as <= bFirst || bLast+bs <= aFirst {
		return none
	}
	if as != bs || (bFirst-aFirst)%as != 0 {
		e.term(1, as-1)
		e.term(1, bs-1)
		bLast += bs - 1
	}
	e.target = bLast - aFirst
	return e.solve()
}

// terms adds a layout's dimensions to the equation, in bytes and with positive
// coefficients, and returns where its lowest and highest elements begin, in bytes
// from the start of the memory.
func (e *equation) terms(l *Layout) (first, last int64) {
	var d dims
	d.logical(l)
	size := int64(l.dt.Size())
	first = l.offset * size
	last = first
	for i := range d.n {
		s := d.stride[i] * size
		reach := (d.size[i] - 1) * s
		switch {
		case s > 0:
			last += reach
			e.term(s, d.size[i]-1)
		case s < 0:
			first += reach
			e.term(-s, d.size[i]-1)
		}
	}
	return first, last
}
