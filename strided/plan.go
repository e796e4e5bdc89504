package strided

import "slices"

// kind is how a plan's memory is gone through.
type kind uint8

const (
	// contiguous: all elements lie one after the other.
	contiguous kind = iota
	// runs: the innermost dimension is contiguous, others are not.
	runs
	// transposed: the innermost dimension is not contiguous, another one is.
	transposed
	// scattered: no dimension is contiguous.
	scattered
	// inTurns: the walk is one of halves, each of which has a plan.
	inTurns
)

// plan is how the elements of a layout are visited in the order of a walk. It
// depends on neither the memory nor the offset, so slices of one tensor share
// it. A plan does not change once made.
//
// The canonical dimensions are seen as a block of rows and columns inside outer
// dimensions. Columns are the innermost dimension. Rows are the next one, or for
// a transposed layout the contiguous one, and for a scattered one that of the
// smallest stride; the dimensions between rows and columns are the middle.
type plan struct {
	// What the plan was made for, the key of the cache.
	dt             DType
	walk           Walk
	shape, strides []int64

	es    int64 // bytes of an element
	per   int64 // 1; in a plan of units, how many elements a unit has
	count int64
	first int64 // place of the first element walked, in bytes from element (0, 0, …)

	kind kind
	// The canonical dimensions, outermost first, and their strides in bytes.
	// Unless the plan is contiguous there are at least two: one of size 1 is put
	// in front where needed.
	size, stride []int64
	row          int   // index of the row dimension
	pitch        int64 // elements from one row to the next in walking order
	block        int64 // elements of a block: rows × pitch
	// byColumns: a range that begins or ends within a row is cut into rectangles
	// of full height, because neighbouring rows share cache lines. Otherwise it
	// is cut into rows.
	byColumns bool
	// units, if not nil, is the better plan for all but the ends of a range: its
	// elements are this plan's runs, shorter than a cache line, such as the pairs
	// of a complex tensor. They share cache lines across another dimension than
	// the next one.
	units *plan
	turns *turns // of the kind inTurns, which has nothing of the above but count
}

func (p *plan) rowStride() int64 { return p.stride[p.row] }
func (p *plan) colStride() int64 { return p.stride[len(p.stride)-1] }
func (p *plan) cols() int64      { return p.size[len(p.size)-1] }

// newPlan plans a layout, to which w fits.
func newPlan(l *Layout, w Walk) *plan {
	p := &plan{dt: l.dt, walk: w, shape: l.shape, strides: l.strides, es: int64(l.dt.Size()), per: 1, count: l.count}
	if l.count == 0 {
		return p
	}
	if w.isHalves() {
		p.takeTurns(l, w)
		return p
	}
	var d dims
	p.first = d.walked(l, l.shape, w) * p.es
	p.layOut(&d)
	return p
}

// layOut plans dimensions whose strides count elements.
func (p *plan) layOut(d *dims) {
	for i := range d.n {
		d.stride[i] *= p.es
	}
	if d.n == 0 || d.n == 1 && d.stride[0] == p.es {
		return
	}
	p.size, p.stride = slices.Clone(d.size[:d.n]), slices.Clone(d.stride[:d.n])
	if d.n == 1 {
		p.size, p.stride = []int64{1, d.size[0]}, []int64{0, d.stride[0]}
	}
	p.chooseRows()
	if p.kind == runs {
		p.planUnits()
	}
}

// planUnits looks for a better plan of whole runs.
func (p *plan) planUnits() {
	last := len(p.size) - 1
	unit := p.cols() * p.es
	if unit >= cacheLine || last < 2 {
		return
	}
	u := &plan{dt: p.dt, es: unit, per: p.cols(), count: p.count / p.cols(), size: p.size[:last], stride: p.stride[:last]}
	u.chooseRows()
	if u.byColumns {
		p.units = u
	}
}

func (p *plan) chooseRows() {
	defer func() {
		p.pitch = 1
		for _, n := range p.size[p.row+1:] {
			p.pitch *= n
		}
		p.block = p.size[p.row] * p.pitch
	}()
	last := len(p.size) - 1
	p.row = last - 1
	if p.colStride() == p.es {
		p.kind = runs
		return
	}
	// The smallest stride other than 0, of the innermost such dimension.
	least := last
	for i := last - 1; i >= 0; i-- {
		if m := magnitude(p.stride[i]); m != 0 && (p.stride[least] == 0 || m < magnitude(p.stride[least])) {
			least = i
		}
	}
	p.kind = scattered
	if least != last {
		p.row, p.byColumns = least, true
		if magnitude(p.stride[least]) == uint64(p.es) && isWord(p.es) {
			p.kind = transposed
		}
	}
}

// isWord reports whether the kernels move elements of so many bytes.
func isWord(bytes int64) bool { return bytes <= 16 && bytes&(bytes-1) == 0 }

// hardness ranks plans by what it costs not to follow them: a transposed layout
// accessed in another's order fetches a cache line per element.
func (p *plan) hardness() kind {
	if p.units != nil {
		return p.units.kind
	}
	return p.kind
}

// same reports whether p and o visit memory in the same steps.
func (p *plan) same(o *plan) bool {
	return p == o || p.es == o.es && p.count == o.count && p.kind == o.kind &&
		slices.Equal(p.size, o.size) && slices.Equal(p.stride, o.stride)
}

// visit calls j.rect for rectangles that together are the range [lo,hi) of the
// walk, lo < hi; p is not contiguous.
func (p *plan) visit(j *job, lo, hi int64) {
	b := lo / p.block
	var index [MaxDims]int64 // of the outer dimensions
	outer := int64(0)        // their bytes
	for rest, i := b, p.row-1; i >= 0 && rest > 0; i-- {
		index[i] = rest % p.size[i]
		rest /= p.size[i]
		outer += index[i] * p.stride[i]
	}
	for start := b * p.block; ; start += p.block {
		from, to := max(lo-start, 0), min(hi-start, p.block)
		if p.byColumns {
			p.visitColumns(j, start, outer, from, to)
		} else {
			p.visitRows(j, start, outer, from, to)
		}
		if start+p.block >= hi {
			return
		}
		for i := p.row - 1; i >= 0; i-- {
			index[i]++
			outer += p.stride[i]
			if index[i] < p.size[i] {
				break
			}
			index[i] = 0
			outer -= p.size[i] * p.stride[i]
		}
	}
}

// visitRows cuts [from,to) of a block without middle dimensions into the rest of
// a row, whole rows, and the beginning of a row. start is the block's first
// element, outer the bytes to it.
func (p *plan) visitRows(j *job, start, outer, from, to int64) {
	r0, c0 := from/p.pitch, from%p.pitch
	r1, c1 := to/p.pitch, to%p.pitch
	rowStride, colStride := p.rowStride(), p.colStride()
	if r0 == r1 {
		j.rect(outer+r0*rowStride+c0*colStride, start+from, 1, c1-c0)
		return
	}
	if c0 > 0 {
		j.rect(outer+r0*rowStride+c0*colStride, start+from, 1, p.pitch-c0)
		r0++
	}
	if r0 < r1 {
		j.rect(outer+r0*rowStride, start+r0*p.pitch, r1-r0, p.pitch)
	}
	if c1 > 0 {
		j.rect(outer+r1*rowStride, start+r1*p.pitch, 1, c1)
	}
}

// visitColumns cuts [from,to) of a block at the places within a row where it
// begins and ends: between two cuts, all columns have the same rows.
func (p *plan) visitColumns(j *job, start, outer, from, to int64) {
	r0, q0 := from/p.pitch, from%p.pitch
	r1, q1 := to/p.pitch, to%p.pitch
	cuts := [4]int64{0, min(q0, q1), max(q0, q1), p.pitch}
	for i, q := range cuts[:3] {
		top, bottom := r0, r1
		if q < q0 {
			top++
		}
		if q < q1 {
			bottom++
		}
		if q < cuts[i+1] && top < bottom {
			p.visitMiddle(j, start, outer, top, bottom, q, cuts[i+1])
		}
	}
}

// visitMiddle visits the rows [top,bottom) of the columns [q,end), where columns
// are numbered through the middle dimensions.
func (p *plan) visitMiddle(j *job, start, outer, top, bottom, q, end int64) {
	cols := p.cols()
	outer += top * p.rowStride()
	start += top * p.pitch
	for q < end {
		c := q % cols
		n := min(cols-c, end-q)
		offset := outer + c*p.colStride()
		for rest, i := q/cols, len(p.size)-2; rest > 0; i-- {
			offset += rest % p.size[i] * p.stride[i]
			rest /= p.size[i]
		}
		j.rect(offset, start+q, bottom-top, n)
		q += n
	}
}
