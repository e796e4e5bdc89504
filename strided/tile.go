package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// Between memory and rows that are contiguous, in a slot or a scratch, a rectangle
// of a transposed layout is kernel.Transpose's to cut up, unless it is thin, and
// one of a scattered layout goes through a buffer; see sparse.go. What is left
// moves band by band: a band is as many rows as
// one cache line of memory holds, so that every line fetched is used up while it
// is in the first-level cache, even where the lines of neighbouring columns fall
// into the same cache set.
//
// Higher rectangles go in patches of several bands. Their shape keeps few places
// far apart in use at a time, and goes on where something was left: it is square
// if both rows and columns are far apart; tall, a line of columns wide, if rows
// are near each other; flat if columns are.
const (
	cacheLine  = 64
	squareSide = 8 * cacheLine // bytes
	near       = 1 << 10       // bytes between neighbours that are near each other
	tallBands  = 128           // of a tall patch
	flatWidth  = 2 << 10       // bytes of a row of a flat patch
	// laneBytes is from how wide on a rectangle is kernel.Transpose's to cut up.
	laneBytes = 16
	// thin is up to how many rows or columns are moved one by one, as long strided
	// runs, rather than transposed in blocks.
	thin = 4
	// thinRun is how many elements of a thin rectangle are moved before the next
	// row or column, which shares their cache lines; farRun if these are far apart
	// and may fall into few sets of the cache.
	thinRun = 1024
	farRun  = 64
)

// tile is the shape of the tiles that a rectangle is cut into to go through a
// scratch buffer of so many bytes.
func (p *plan) tile(rows, cols, bytes int64) (tileRows, tileCols int64) {
	room := bytes / p.es
	if !p.byColumns {
		tileCols = min(cols, room)
		return min(rows, room/tileCols), tileCols
	}
	tileRows = min(rows, p.bandRows())
	tileCols = min(cols, room/tileRows)
	return min(rows, room/tileCols), tileCols
}

// bandRows is how many rows share a cache line of memory, at least 1.
func (p *plan) bandRows() int64 {
	return max(1, cacheLine/int64(magnitude(p.rowStride())))
}

// load copies a rectangle from memory to rows of dst that are pitch bytes apart,
// a part of a move of total bytes.
func (p *plan) load(dst unsafe.Pointer, pitch int64, mem unsafe.Pointer, rows, cols, total int64) {
	if !p.byColumns {
		if p.kind == runs {
			copyRows(dst, pitch, mem, p.rowStride(), rows, cols*p.es, total)
			return
		}
		for r := range rows {
			p.gather(unsafe.Add(dst, r*pitch), unsafe.Add(mem, r*p.rowStride()), cols)
		}
		return
	}
	if p.wholly(rows, cols) {
		if stride := p.rowStride(); stride < 0 {
			dst, pitch, mem = unsafe.Add(dst, (rows-1)*pitch), -pitch, unsafe.Add(mem, (rows-1)*stride)
		}
		kernel.TransposePart(dst, pitch, mem, p.colStride(), int(rows), int(cols), int(p.es), total)
		return
	}
	if p.sparsely(rows, cols) {
		p.loadSparse(dst, pitch, mem, rows, cols)
		return
	}
	s := p.patches(mem, pitch, rows, cols)
	for s.next() {
		s.load(unsafe.Add(dst, s.r*pitch+s.c*p.es), pitch, mem)
	}
}

// store copies rows of src that are pitch bytes apart to a rectangle of memory.
func (p *plan) store(mem, src unsafe.Pointer, pitch int64, rows, cols, total int64) {
	if !p.byColumns {
		if p.kind == runs {
			copyRows(mem, p.rowStride(), src, pitch, rows, cols*p.es, total)
			return
		}
		for r := range rows {
			p.scatter(unsafe.Add(mem, r*p.rowStride()), unsafe.Add(src, r*pitch), cols)
		}
		return
	}
	if p.wholly(rows, cols) {
		if stride := p.rowStride(); stride < 0 {
			src, pitch, mem = unsafe.Add(src, (rows-1)*pitch), -pitch, unsafe.Add(mem, (rows-1)*stride)
		}
		kernel.TransposePart(mem, p.colStride(), src, pitch, int(cols), int(rows), int(p.es), total)
		return
	}
	if p.sparsely(rows, cols) {
		p.storeSparse(mem, src, pitch, rows, cols)
		return
	}
	s := p.patches(mem, pitch, rows, cols)
	for s.next() {
		s.store(mem, unsafe.Add(src, s.r*pitch+s.c*p.es), pitch)
	}
}

// wholly reports whether a rectangle is one for kernel.Transpose, which cuts it
// up itself.
func (p *plan) wholly(rows, cols int64) bool {
	return p.kind == transposed && min(rows, cols)*p.es >= laneBytes && min(rows, cols) > 1
}

// gather copies n elements of a row from memory.
func (p *plan) gather(dst, mem unsafe.Pointer, n int64) {
	if isWord(p.es) {
		kernel.Gather(dst, mem, int(n), int(p.es), p.colStride())
	} else {
		copyRows(dst, p.es, mem, p.colStride(), n, p.es, 0)
	}
}

// scatter copies n elements of a row to memory.
func (p *plan) scatter(mem, src unsafe.Pointer, n int64) {
	if isWord(p.es) {
		kernel.Scatter(mem, src, int(n), int(p.es), p.colStride())
	} else {
		copyRows(mem, p.colStride(), src, p.es, n, p.es, 0)
	}
}

// patches goes through the bands of a rectangle, patch by patch.
type patches struct {
	p           *plan
	rows, cols  int64 // of the rectangle
	band, patch int64 // rows of a band, rows of a patch
	width       int64 // columns of a patch
	first       int64 // rows of the first band, which ends at a cache line

	top, bottom int64 // the rows of the current patch
	r, c        int64 // where the current band begins
	n, m        int64 // its rows and columns
}

func (p *plan) patches(mem unsafe.Pointer, pitch, rows, cols int64) patches {
	band := p.bandRows()
	bands, width := int64(squareSide/cacheLine), int64(squareSide)
	switch {
	case pitch <= near:
		bands, width = tallBands, cacheLine
	case magnitude(p.colStride()) <= near:
		bands, width = near/cacheLine, flatWidth // columns are no longer than their distance
	}
	s := patches{p: p, rows: rows, cols: cols, band: band, first: band, patch: bands * band, width: max(1, width/p.es)}
	if p.rowStride() == p.es && cacheLine%p.es == 0 && p.colStride()%cacheLine == 0 {
		s.first -= int64(uintptr(mem)) % cacheLine / p.es
	}
	switch {
	case rows <= thin:
		s.band, s.first, s.patch, s.width = rows, rows, rows, thinRun
		if magnitude(p.colStride()) > near {
			s.width = farRun
		}
	case cols <= thin:
		s.band, s.patch, s.width = thinRun, thinRun, cols
		s.first += thinRun - band
	case rows <= s.first:
		s.width = cols
	}
	s.bottom = min(rows, s.patch-s.band+s.first)
	s.n, s.m = 0, min(s.width, cols)
	return s
}

// next moves on to the next band.
func (s *patches) next() bool {
	if s.r += s.n; s.r == s.bottom {
		s.r = s.top
		if s.c += s.m; s.c == s.cols {
			if s.bottom == s.rows {
				return false
			}
			s.top, s.c = s.bottom, 0
			s.bottom = min(s.rows, s.top+s.patch)
			s.r = s.top
		}
		s.m = min(s.width, s.cols-s.c)
	}
	band := s.band
	if s.r == 0 {
		band = s.first
	}
	s.n = min(band, s.bottom-s.r)
	return true
}

// load copies the current band to dst.
func (s *patches) load(dst unsafe.Pointer, pitch int64, mem unsafe.Pointer) {
	p := s.p
	rowStride, colStride, es := p.rowStride(), p.colStride(), int(p.es)
	mem = unsafe.Add(mem, s.r*rowStride+s.c*colStride)
	switch {
	case p.kind != transposed || s.n <= thin:
		for r := range s.n {
			p.gather(unsafe.Add(dst, r*pitch), unsafe.Add(mem, r*rowStride), s.m)
		}
	case rowStride < 0:
		last := s.n - 1
		kernel.Transpose(unsafe.Add(dst, last*pitch), -pitch, unsafe.Add(mem, last*rowStride), colStride, int(s.n), int(s.m), es)
	case s.m <= thin:
		for c := range s.m {
			kernel.Scatter(unsafe.Add(dst, c*p.es), unsafe.Add(mem, c*colStride), int(s.n), es, pitch)
		}
	default:
		kernel.Transpose(dst, pitch, mem, colStride, int(s.n), int(s.m), es)
	}
}

// store copies the current band from src.
func (s *patches) store(mem, src unsafe.Pointer, pitch int64) {
	p := s.p
	rowStride, colStride, es := p.rowStride(), p.colStride(), int(p.es)
	mem = unsafe.Add(mem, s.r*rowStride+s.c*colStride)
	switch {
	case p.kind != transposed || s.n <= thin:
		for r := range s.n {
			p.scatter(unsafe.Add(mem, r*rowStride), unsafe.Add(src, r*pitch), s.m)
		}
	case rowStride < 0:
		last := s.n - 1
		kernel.Transpose(unsafe.Add(mem, last*rowStride), colStride, unsafe.Add(src, last*pitch), -pitch, int(s.m), int(s.n), es)
	case s.m <= thin:
		for c := range s.m {
			kernel.Gather(unsafe.Add(mem, c*colStride), unsafe.Add(src, c*p.es), int(s.n), es, pitch)
		}
	default:
		kernel.Transpose(mem, colStride, src, pitch, int(s.m), int(s.n), es)
	}
}
