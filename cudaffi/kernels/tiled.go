package kernels

import (
	"math"
	"math/bits"
	"unsafe"
)

// A tile is so many bytes, and of a shape that suits the range: 2^rows times
// 2^columns elements. Sides of 16 bytes are the least, so that 16 bytes can be
// moved at a time.
const logTileBytes = 14

// square says how many rows the tiles of large ranges have, by element size: the
// logarithms of both. Where sides differ, slots get the longer pieces.
var square = [sizes]int{7, 6, 6, 5, 5}

// maxSkew is how many rows or columns tiles begin before the first at most.
const maxSkew = 15

// least numbers of columns and rows for which tiles pay. With fewer columns, the
// general kernels make better use of slots; with fewer rows, what they read
// beyond an element is little.
const leastColumns = 8

func leastRows(es int64) int64 { return max(2, 8/es) }

// tiling is a range seen as tiles.
type tiling struct {
	s         *span
	es        int64
	row       int // the axis of rows
	rows      int64
	pitch     int64 // elements from row to row
	downA     bool  // view a lies in one piece down the columns, else across rows
	downB     bool
	backwards bool // rows are numbered from the last one
}

// tiles plans s as tiles. It reports false for a range that has to be done
// another way: one that does not lie transposed in any view.
func (p *planner) tiles(s *span) (bool, error) {
	t := tiling{s: s, es: p.es}
	if !t.chooseRows(p.src, p.dst) || s.axis[0].size < leastColumns {
		return false, nil
	}
	t.pitch = 1
	for _, x := range s.axis[:t.row] {
		t.pitch *= x.size
	}
	t.rows = s.axis[t.row].size
	block := t.rows * t.pitch
	firstBlock, lastBlock := s.lo/block, (s.hi-1)/block
	firstRow, lastRow := s.lo%block/t.pitch, (s.hi-1)%block/t.pitch
	if firstBlock == lastBlock {
		t.skipRows(firstRow, lastRow)
		firstRow, lastRow = 0, t.rows-1
	}
	if t.rows < leastRows(p.es) || (t.rows+maxSkew)*t.pitch > math.MaxInt32 {
		return false, nil
	}
	if t.backwards {
		t.turn()
		firstRow, lastRow = 0, t.rows-1
	}
	p.begin(s)
	j := &p.job
	down := t.alignDown(p)
	across := t.alignAcross(p)
	t.shape(j)
	j.rows, j.columns = int32(t.rows), int32(s.axis[0].size)
	j.rowStep = int32(t.pitch)
	if t.backwards {
		j.rowStep = -j.rowStep
	}
	j.rowA, j.rowB = s.axis[t.row].a, s.axis[t.row].b
	j.columnA, j.columnB = s.axis[0].a, s.axis[0].b
	height := int64(1) << j.logRows
	perRow, perBlock := t.dims(j, block)
	first := firstBlock*perBlock + (firstRow+int64(j.rowSkew))/height*perRow
	last := lastBlock*perBlock + (lastRow+int64(j.rowSkew))/height*perRow
	j.first, j.count = int32(first), uint32(last+perRow-first)
	t.steps(p, down, across)
	return true, p.l.launch(kernelOf(tiled, p.es), j.count, t.shared(j, p.reduces), unsafe.Pointer(j))
}

// chooseRows looks for the axis along which every view lies in one piece that
// does not do so along columns.
func (t *tiling) chooseRows(src, dst bool) bool {
	s := t.s
	t.downA, t.downB = src && s.axis[0].a != t.es, dst && s.axis[0].b != t.es
	if !t.downA && !t.downB {
		return false
	}
	for i, x := range s.axis[1:s.n] {
		for _, stride := range [...]int64{t.es, -t.es} {
			if (!t.downA || x.a == stride) && (!t.downB || x.b == stride) {
				t.row, t.backwards = i+1, stride < 0
				return true
			}
		}
	}
	return false
}

// skipRows leaves out rows before first and after last, which the range does not
// have.
func (t *tiling) skipRows(first, last int64) {
	s, x := t.s, &t.s.axis[t.row]
	s.a += uint64(first * x.a)
	s.b += uint64(first * x.b)
	s.lo -= first * t.pitch
	s.hi -= first * t.pitch
	t.rows = last - first + 1
}

// turn numbers the rows from the last one.
func (t *tiling) turn() {
	s, x := t.s, &t.s.axis[t.row]
	last := t.rows - 1
	s.a += uint64(last * x.a)
	s.b += uint64(last * x.b)
	s.lo -= last * t.pitch
	s.hi -= last * t.pitch
	x.a, x.b = -x.a, -x.b
}

// pieces finds out how addresses are aligned: bits are those of all strides but
// the one along which the bytes lie in one piece, phase where the first piece
// begins. Pieces that begin before it are aligned.
type pieces struct {
	any    bool
	bits   uint64
	phase  uint64
	differ bool // in their phases modulo 16
	words  bool // but not modulo 4
}

func (a *pieces) add(first uint64, strides uint64) {
	if !a.any {
		*a = pieces{any: true, bits: strides, phase: first % 16, words: true}
		return
	}
	a.bits |= strides
	a.differ = a.differ || first%16 != a.phase
	a.words = a.words && first%4 == a.phase%4
}

// result is the flags of steps that move such pieces, and how many elements
// before the first one they have to begin.
func (a *pieces) result(es int64) (flags uint32, skew int32) {
	switch {
	case a.bits%16 == 0 && !a.differ:
		return stepWide | stepWords, int32(a.phase / uint64(es))
	case a.bits%4 == 0 && a.words && es < 4:
		return stepWords, int32(a.phase % 4 / uint64(es))
	}
	return 0, 0
}

// alignDown is how to go down the columns of the views that lie that way.
func (t *tiling) alignDown(p *planner) (flags uint32) {
	var a pieces
	var bitsA, bitsB uint64
	for i, x := range t.s.axis[:t.s.n] {
		if i != t.row {
			bitsA |= uint64(x.a)
			bitsB |= uint64(x.b)
		}
	}
	if t.downA {
		a.add(t.s.a, bitsA)
	}
	if t.downB {
		a.add(t.s.b, bitsB)
	}
	flags, p.job.rowSkew = a.result(t.es)
	return flags | stepDown
}

// alignAcross is how to go across the rows of slots and of views that lie that
// way.
func (t *tiling) alignAcross(p *planner) (flags uint32) {
	s := t.s
	var a pieces
	var bitsA, bitsB uint64
	for _, x := range s.axis[1:s.n] {
		bitsA |= uint64(x.a)
		bitsB |= uint64(x.b)
	}
	row := uint64(s.axis[0].size * t.es)
	if s.in != 0 {
		a.add(s.in-uint64(s.lo*t.es), row)
	}
	if s.out != 0 {
		a.add(s.out-uint64(s.lo*t.es), row)
	}
	if p.src && !t.downA {
		a.add(s.a, bitsA)
	}
	if p.dst && !t.downB {
		a.add(s.b, bitsB)
	}
	if !a.any { // both views lie down the columns, and there are no slots
		return 0
	}
	flags, p.job.columnSkew = a.result(t.es)
	return flags
}

// shape chooses the sides of tiles.
func (t *tiling) shape(j *job) {
	size := bits.TrailingZeros64(uint64(t.es))
	least := max(4-size, 1)
	// Columns have an odd word more than rows, which for the shortest would be half as
	// much again: more shared memory than there is for reductions.
	leastRows := max(least, min(size-1, 2))
	rows := square[size]
	columns := logTileBytes - size - rows
	fits := func(log int, n int64, skew int32) bool { return n+int64(skew) <= 1<<log }
	for rows > leastRows && fits(rows-1, t.rows, j.rowSkew) {
		rows, columns = rows-1, columns+1
	}
	for columns > least && fits(columns-1, t.s.axis[0].size, j.columnSkew) {
		rows, columns = rows+1, columns-1
	}
	j.logRows, j.logColumns = uint32(rows), uint32(columns)
}

// dims numbers the tiles: along columns first, then along the axes between
// columns and rows, along rows, and along the outer axes. It returns how many
// there are beside each other, and in a block.
func (t *tiling) dims(j *job, block int64) (perRow, perBlock int64) {
	s := t.s
	width, height := int64(1)<<j.logColumns, int64(1)<<j.logRows
	columns := (s.axis[0].size + int64(j.columnSkew) + width - 1) / width
	rows := (t.rows + int64(j.rowSkew) + height - 1) / height
	perRow = 1
	elements := s.axis[0].size
	for i, x := range s.axis[:s.n] {
		switch {
		case i == 0:
			j.setTiles(i, axis{columns, width * x.a, width * x.b}, width)
			perRow *= columns
		case i < t.row:
			j.setTiles(i, x, elements)
			perRow *= x.size
		case i == t.row:
			perBlock = perRow * rows
			j.setTiles(i, axis{rows, height * x.a, height * x.b}, height*int64(j.rowStep))
		default:
			j.setTiles(i, x, elements)
		}
		if i > 0 {
			elements *= x.size
		}
	}
	j.dims = uint32(s.n)
	j.rowDim = uint32(t.row)
	return perRow, perBlock
}

// setTiles is setDim for tiles, which are step elements of the walk apart. That
// of a single one may be too large a number, and is not needed.
func (j *job) setTiles(i int, x axis, step int64) {
	if x.size == 1 {
		step = 0
	}
	j.setDim(i, x, int32(step))
}

// steps is what is done with each tile.
func (t *tiling) steps(p *planner, down, across uint32) {
	list := p.job.steps[:0]
	direction := func(isDown bool) uint32 {
		if isDown {
			return down
		}
		return across
	}
	if p.src {
		list = append(list, step|direction(t.downA))
	}
	switch {
	case p.reduces:
		list = append(list, step|stepSlot|stepBuffer1|across|stepBarrier, step|stepCombine|stepBarrier)
	case t.s.in != 0:
		list = append(list, step|stepSlot|across)
	}
	list[len(list)-1] |= stepBarrier
	if t.s.out != 0 {
		list = append(list, step|stepStore|stepSlot|across)
	}
	if p.dst {
		list = append(list, step|stepStore|direction(t.downB))
	}
	list[len(list)-1] |= stepBarrier // the next tile comes to the same memory
	if n := len(list); n < len(p.job.steps) {
		p.job.steps[n] = 0
	}
}

// shared is how much shared memory the tile takes: columns of words, as tiled.h
// has them.
func (t *tiling) shared(j *job, reduces bool) uint32 {
	word := uint32(max(t.es, 4))
	rows := uint32(1)<<j.logRows*uint32(t.es)/word + 1
	n := rows << j.logColumns * word
	if reduces {
		n *= 2
	}
	return n
}
