package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// cacheLine is what a tile's extent along contiguous memory is a multiple of.
const cacheLine = 64

// tile is the shape of the tiles that a rectangle is cut into, each fitting a
// scratch buffer.
func (p *plan) tile(rows, cols int64) (tileRows, tileCols int64) {
	room := scratchBytes / p.es
	if !p.byColumns {
		tileCols = min(cols, room)
		return min(rows, room/tileCols), tileCols
	}
	tileRows = min(rows, cacheLine/p.es)
	tileCols = min(cols, room/tileRows)
	return min(rows, room/tileCols), tileCols
}

// load copies a rectangle from memory to rows of dst that are pitch bytes apart.
func (p *plan) load(dst unsafe.Pointer, pitch int64, mem unsafe.Pointer, rows, cols int64) {
	rowStride, colStride, es := p.rowStride(), p.colStride(), int(p.es)
	switch {
	case p.kind == runs:
		for r := range rows {
			kernel.Copy(unsafe.Add(dst, r*pitch), unsafe.Add(mem, r*rowStride), int(cols)*es)
		}
	case p.kind == transposed && rows > 1:
		band := int64(cacheLine / es)
		for r := int64(0); r < rows; r += band {
			n := min(band, rows-r)
			if rowStride > 0 {
				kernel.Transpose(unsafe.Add(dst, r*pitch), pitch, unsafe.Add(mem, r*rowStride), colStride, int(n), int(cols), es)
			} else {
				bottom := r + n - 1
				kernel.Transpose(unsafe.Add(dst, bottom*pitch), -pitch, unsafe.Add(mem, bottom*rowStride), colStride, int(n), int(cols), es)
			}
		}
	default:
		for r := range rows {
			kernel.Gather(unsafe.Add(dst, r*pitch), unsafe.Add(mem, r*rowStride), int(cols), es, colStride)
		}
	}
}

// store copies rows of src that are pitch bytes apart to a rectangle of memory.
func (p *plan) store(mem, src unsafe.Pointer, pitch int64, rows, cols int64) {
	rowStride, colStride, es := p.rowStride(), p.colStride(), int(p.es)
	switch {
	case p.kind == runs:
		for r := range rows {
			kernel.Copy(unsafe.Add(mem, r*rowStride), unsafe.Add(src, r*pitch), int(cols)*es)
		}
	case p.kind == transposed && rows > 1:
		band := int64(cacheLine / es)
		for r := int64(0); r < rows; r += band {
			n := min(band, rows-r)
			if rowStride > 0 {
				kernel.Transpose(unsafe.Add(mem, r*rowStride), colStride, unsafe.Add(src, r*pitch), pitch, int(cols), int(n), es)
			} else {
				bottom := r + n - 1
				kernel.Transpose(unsafe.Add(mem, bottom*rowStride), colStride, unsafe.Add(src, bottom*pitch), -pitch, int(cols), int(n), es)
			}
		}
	default:
		for r := range rows {
			kernel.Scatter(unsafe.Add(mem, r*rowStride), unsafe.Add(src, r*pitch), int(cols), es, colStride)
		}
	}
}
