package kernels

// axis is a dimension of one or two views: strides in bytes, 0 for a view that
// is not there.
type axis struct{ size, a, b int64 }

// span is a range of elements of one or two views, and slots for them.
type span struct {
	n      int
	axis   [MaxDims]axis // innermost first
	a, b   uint64        // element 0 of each view
	in     uint64        // element lo of the slots
	out    uint64
	lo, hi int64
}

// join makes s the elements of src and dst, either of which may be nil. It
// reports whether two views fit each other: their dimensions are cut until both
// have the same ones, which works for views of one shape in one order.
func (s *span) join(src, dst *View) bool {
	a, b := cutter{v: src}, cutter{v: dst}
	a.next()
	b.next()
	for a.size > 1 || b.size > 1 {
		var n int64
		switch {
		case src == nil:
			n = b.size
		case dst == nil:
			n = a.size
		default:
			n = min(a.size, b.size)
		}
		if n < 2 || src != nil && a.size%n != 0 || dst != nil && b.size%n != 0 {
			return false
		}
		if !s.add(axis{n, a.stride, b.stride}) {
			return false
		}
		a.cut(n)
		b.cut(n)
	}
	return true
}

// add puts an axis outside the others, or into the outermost one if it goes on
// where that ends.
func (s *span) add(x axis) bool {
	if k := s.n - 1; k >= 0 {
		if l := &s.axis[k]; x.a == l.size*l.a && x.b == l.size*l.b {
			l.size *= x.size
			return true
		}
	}
	if s.n == MaxDims {
		return false
	}
	s.axis[s.n] = x
	s.n++
	return true
}

// cutter takes a view's dimensions apart, innermost first. Those of size 1 are
// left out, and the size after the last one is 1.
type cutter struct {
	v            *View
	done         int // dimensions that next has passed
	size, stride int64
}

func (c *cutter) next() {
	c.size, c.stride = 1, 0
	for c.v != nil && c.size == 1 && c.done < len(c.v.Size) {
		c.done++
		i := len(c.v.Size) - c.done
		c.size, c.stride = c.v.Size[i], c.v.Stride[i]
	}
}

// cut takes n off the current dimension.
func (c *cutter) cut(n int64) {
	if c.v == nil {
		return
	}
	c.size /= n
	c.stride *= n
	if c.size == 1 {
		c.next()
	}
}

// inner is the product of all sizes but the outermost one.
func (s *span) inner() int64 {
	p := int64(1)
	for _, x := range s.axis[:s.n-1] {
		p *= x.size
	}
	return p
}

// narrow leaves out dimensions of which the range has one index only, and makes
// the outermost one begin with the range. The slots stay where they are.
func (s *span) narrow() {
	for s.n > 0 {
		x := &s.axis[s.n-1]
		p := s.inner()
		first, last := s.lo/p, (s.hi-1)/p
		s.lo -= first * p
		s.hi -= first * p
		s.a += uint64(first * x.a)
		s.b += uint64(first * x.b)
		x.size = last - first + 1
		if x.size > 1 {
			return
		}
		s.n--
	}
}

// isLinear reports whether all elements lie one after the other, in each view
// that there is.
func (s *span) isLinear(es int64, src, dst bool) bool {
	return s.n == 0 || s.n == 1 && (!src || s.axis[0].a == es) && (!dst || s.axis[0].b == es)
}
