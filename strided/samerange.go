package strided

// SameRange reports whether element i of part is element lo+i of whole for every i, in
// logical order: whether part is that range of whole, under whatever shape. Neither has
// an error. A range that whole does not have is not part's.
func SameRange(whole Tensor, lo int64, part Tensor) bool {
	n := part.layout.count
	if lo < 0 || n > whole.layout.count-lo || whole.layout.dt.Size() != part.layout.dt.Size() {
		return false
	}
	if n == 0 {
		return true
	}
	var d, p dims
	d.logical(&whole.layout)
	p.logical(&part.layout)
	from := d.indices(lo)
	if whole.at(whole.layout.offset+d.place(&from)) != part.at(part.layout.offset) {
		return false
	}
	if box, ok := d.box(&from, n); ok {
		return box.equal(&p)
	}
	return d.sameSteps(&from, &p, n)
}

// indices are those of element i.
func (d *dims) indices(i int64) (x [MaxDims]int64) {
	for k := d.n - 1; k >= 0; k-- {
		x[k] = i % d.size[k]
		i /= d.size[k]
	}
	return x
}

// place is where the element with certain indices is, counted from the first one.
func (d *dims) place(x *[MaxDims]int64) (at int64) {
	for k := range d.n {
		at += x[k] * d.stride[k]
	}
	return at
}

// box is the form of n elements from the one with the indices x on, if they are all
// those with some indices of one dimension, one index of each outer and all of each
// inner one. That is what slices are, and their form is canonical like d.
func (d *dims) box(x *[MaxDims]int64, n int64) (box dims, ok bool) {
	inner := d.n
	for inner > 0 && x[inner-1] == 0 && n%d.size[inner-1] == 0 {
		inner--
		n /= d.size[inner]
	}
	if n > 1 {
		if inner == 0 || x[inner-1]+n > d.size[inner-1] {
			return box, false
		}
		box.add(n, d.stride[inner-1])
	}
	for k := inner; k < d.n; k++ {
		box.add(d.size[k], d.stride[k])
	}
	return box, true
}

func (d *dims) equal(e *dims) bool {
	return d.n == e.n && d.size == e.size && d.stride == e.stride
}

// sameSteps reports whether the steps between n elements, from the one with the indices
// x on, are those of all n elements of e. A range that is no box has a tensor's regular
// steps by coincidence alone, so most differ within a few.
func (d *dims) sameSteps(x *[MaxDims]int64, e *dims, n int64) bool {
	var y [MaxDims]int64
	for n > 1 {
		if k := min(d.run(x), e.run(&y), n-1); k > 0 {
			if d.stride[d.n-1] != e.stride[e.n-1] {
				return false
			}
			x[d.n-1] += k
			y[e.n-1] += k
			n -= k
			continue
		}
		if d.step(x) != e.step(&y) {
			return false
		}
		n--
	}
	return true
}

// run is how many steps of the innermost stride can be made from an element.
func (d *dims) run(x *[MaxDims]int64) int64 { return d.size[d.n-1] - 1 - x[d.n-1] }

// step goes on to the next element and returns how far it is away.
func (d *dims) step(x *[MaxDims]int64) (by int64) {
	for k := d.n - 1; k >= 0; k-- {
		by += d.stride[k]
		if x[k]++; x[k] < d.size[k] {
			break
		}
		by -= x[k] * d.stride[k]
		x[k] = 0
	}
	return by
}
