package kernels

import "unsafe"

// move moves a range by the largest units of which it is made everywhere.
func (p *planner) move(s *span) error {
	es := p.es
	defer func() { p.es = es }()
	for unit := int64(16); unit > es; unit /= 2 {
		k := unit / es
		if s.unaligned(unit, p.src, p.dst, es) || s.lo%k != 0 || s.hi/k == s.lo/k {
			continue
		}
		// The last elements may not be a whole unit.
		tail := *s
		whole := s.hi / k * k
		tail.advance(whole, uint64(es))
		s.hi = whole
		s.widen(k, unit)
		p.es = unit
		if err := p.strided(s); err != nil || tail.lo == tail.hi {
			return err
		}
		p.es = es
		tail.narrow()
		if tail.isLinear(es, p.src, p.dst) {
			return p.linear(&tail)
		}
		return p.strided(&tail)
	}
	return p.strided(s)
}

// unaligned reports whether units of the innermost dimension's elements, es
// bytes each, lie in one piece and at multiples of their size nowhere.
func (s *span) unaligned(unit int64, src, dst bool, es int64) bool {
	x := s.axis[0]
	if src && x.a != es || dst && x.b != es || x.size*es%unit != 0 {
		return true
	}
	bits := s.a | s.b | s.in | s.out
	for _, x := range s.axis[1:s.n] {
		bits |= uint64(x.a | x.b)
	}
	return bits&uint64(unit-1) != 0
}

// widen makes units of k elements the elements.
func (s *span) widen(k, unit int64) {
	x := &s.axis[0]
	x.size /= k
	if x.a != 0 {
		x.a = unit
	}
	if x.b != 0 {
		x.b = unit
	}
	s.lo /= k
	s.hi /= k
	if x.size == 1 {
		copy(s.axis[:], s.axis[1:s.n])
		s.n--
	}
}

// strided does a range of any layout that is not linear.
func (p *planner) strided(s *span) error {
	if done, err := p.tiles(s); done {
		return err
	}
	return p.general(s)
}

// general does a range of any layout.
func (p *planner) general(s *span) error {
	k := 16 / p.es
	j := &p.job
	p.begin(s)
	slot := s.out
	if slot == 0 {
		slot = s.in
	}
	first := s.lo - int64(slot%16)/p.es
	size := s.axis[0].size
	if whole := s.lo / k * k; p.reduces && !s.unaligned(16, p.src, p.dst, p.es) {
		first = whole
		j.flags |= wholeUnits
	}
	for i, x := range s.axis[:s.n] {
		if i == 0 && j.flags&wholeUnits != 0 {
			x = axis{size / k, 16, 16}
		}
		j.setDim(i, x, 0)
	}
	j.dims = uint32(s.n)
	behind := uint64(s.lo-first) * uint64(p.es)
	if (s.in-behind)%16 == 0 {
		j.flags |= inWide
	}
	if (s.out-behind)%16 == 0 {
		j.flags |= outWide
	}
	j.first = int32(first)
	j.count = uint32((s.hi - first + k - 1) / k)
	return p.l.launch(kernelOf(general, p.es), blocks(j.count, blockThreads), 0, unsafe.Pointer(j))
}

// begin fills in what strided and tiled jobs have in common.
func (p *planner) begin(s *span) {
	j := &p.job
	j.a, j.b, j.in, j.out = s.a, s.b, s.in, s.out
	j.lo, j.hi = int32(s.lo), int32(s.hi)
	j.arithmetic = p.arithmetic
	j.flags = 0
	for i, has := range [...]bool{p.src, p.dst, s.in != 0, s.out != 0, p.reduces} {
		if has {
			j.flags |= 1 << i
		}
	}
}

func (j *job) setDim(i int, x axis, step int32) {
	d := &j.dim[i]
	d.size, d.step, d.a, d.b = uint32(x.size), step, x.a, x.b
	d.magic, d.shift = reciprocal(d.size)
}
