package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// A scattered rectangle whose columns have gaps between their elements, such as
// the transpose of every second column of a matrix, goes through a buffer in
// blocks: one side of the buffer moves along columns, within a few cache lines,
// the other is a transpose of dense columns.
const (
	sparseBuffer = 16 << 10 // bytes
	sparseColumn = 256      // bytes of a column of the buffer, at most
	sparseLeast  = 8        // rows and columns that pay for the detour
)

// sparsely reports whether a rectangle is one for the buffer.
func (p *plan) sparsely(rows, cols int64) bool {
	return p.kind == scattered && p.byColumns && isWord(p.es) && min(rows, cols) >= sparseLeast
}

// sparseBlock is how many rows and columns go through the buffer at once.
func (p *plan) sparseBlock(rows int64) (h, w int64) {
	h = min(rows, sparseColumn/p.es)
	return h, sparseBuffer / (h * p.es)
}

// loadSparse is load by way of the buffer.
func (p *plan) loadSparse(dst unsafe.Pointer, pitch int64, mem unsafe.Pointer, rows, cols int64) {
	var buffer [sparseBuffer]byte
	h, w := p.sparseBlock(rows)
	for r := int64(0); r < rows; r += h {
		for c := int64(0); c < cols; c += w {
			n, m := min(h, rows-r), min(w, cols-c)
			from := unsafe.Add(mem, r*p.rowStride()+c*p.colStride())
			for i := range m {
				kernel.Gather(unsafe.Pointer(&buffer[i*n*p.es]), unsafe.Add(from, i*p.colStride()), int(n), int(p.es), p.rowStride())
			}
			kernel.Transpose(unsafe.Add(dst, r*pitch+c*p.es), pitch, unsafe.Pointer(&buffer), n*p.es, int(n), int(m), int(p.es))
		}
	}
}

// storeSparse is store by way of the buffer.
func (p *plan) storeSparse(mem, src unsafe.Pointer, pitch int64, rows, cols int64) {
	var buffer [sparseBuffer]byte
	h, w := p.sparseBlock(rows)
	for r := int64(0); r < rows; r += h {
		for c := int64(0); c < cols; c += w {
			n, m := min(h, rows-r), min(w, cols-c)
			kernel.Transpose(unsafe.Pointer(&buffer), n*p.es, unsafe.Add(src, r*pitch+c*p.es), pitch, int(m), int(n), int(p.es))
			to := unsafe.Add(mem, r*p.rowStride()+c*p.colStride())
			for i := range m {
				kernel.Scatter(unsafe.Add(to, i*p.colStride()), unsafe.Pointer(&buffer[i*n*p.es]), int(n), int(p.es), p.rowStride())
			}
		}
	}
}
