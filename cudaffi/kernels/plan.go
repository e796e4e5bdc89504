package kernels

import (
	"sync"
	"unsafe"
)

// launcher starts kernels: blocks of blockThreads threads with so many bytes of
// shared memory. params points to the kernel's one parameter, which is read
// before launch returns.
type launcher interface {
	launch(k kernel, blocks, shared uint32, params unsafe.Pointer) error
}

const blockThreads = 256

// task is what to do with the elements of views. One of src and dst may be
// missing, and addresses that are 0 are not used.
type task struct {
	src, dst   bool
	es         int64 // bytes of an element
	reduces    bool
	arithmetic arithmetic
}

// planner turns a task into launches. Its parts are what launches are told, on
// the heap and used again.
type planner struct {
	task
	l   launcher
	on  on
	run run
	job job
}

var planners = sync.Pool{New: func() any { return new(planner) }}

// maxRange is how many elements one launch does at most: few enough for 31-bit
// arithmetic in the kernels.
const maxRange = 1 << 30

// all does the elements [lo,hi) of s, lo < hi.
func (p *planner) all(s span) error {
	es := uint64(p.es)
	for s.hi-s.lo > maxRange {
		head := s
		head.hi = s.lo + maxRange
		if err := p.some(head); err != nil {
			return err
		}
		s.advance(head.hi, es)
	}
	return p.some(s)
}

// advance makes s begin with element lo.
func (s *span) advance(lo int64, es uint64) {
	by := uint64(lo-s.lo) * es
	if s.in != 0 {
		s.in += by
	}
	if s.out != 0 {
		s.out += by
	}
	s.lo = lo
}

// some does at most maxRange elements.
func (p *planner) some(s span) error {
	s.narrow()
	if s.n > 0 {
		// A range across the border of two parts that are larger than what the
		// kernels count to is two ranges.
		if part := s.inner(); part >= maxRange {
			head := s
			head.hi = part
			if err := p.some(head); err != nil {
				return err
			}
			s.advance(part, uint64(p.es))
			return p.some(s)
		}
	}
	switch {
	case s.isLinear(p.es, p.src, p.dst):
		return p.linear(&s)
	case !p.reduces:
		return p.move(&s)
	}
	return p.strided(&s)
}
