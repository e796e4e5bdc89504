package kernels

import "unsafe"

// linear does a range that lies in one piece everywhere.
func (p *planner) linear(s *span) error {
	a, b := s.a+uint64(s.lo*p.es), s.b+uint64(s.lo*p.es)
	n := s.hi - s.lo
	p.run = run{in: s.in, arithmetic: p.arithmetic}
	if p.reduces {
		p.run.src = a
		if p.run.out = s.out; p.dst {
			p.run.out2 = b
		}
		if p.run.out == 0 {
			p.run.out, p.run.out2 = b, 0
		}
		return p.launchRun(kernelOf(linear, p.es), n, p.es, 2)
	}
	if p.run.src = s.in; p.src {
		p.run.src = a
	}
	if p.run.out = s.out; p.dst {
		p.run.out = b
	}
	for n *= p.es; n > maxRange; n -= maxRange {
		if err := p.launchRun(kernelCopy, maxRange, 1, 4); err != nil {
			return err
		}
		p.run.out += maxRange
		p.run.src += maxRange
	}
	return p.launchRun(kernelCopy, n, 1, 4)
}

// launchRun does p.run for n elements of es bytes; each thread does per units.
func (p *planner) launchRun(k kernel, n, es int64, per uint32) error {
	p.run.count = uint32(n)
	p.run.skew = uint32(p.run.out%16) / uint32(es)
	p.run.units = (p.run.skew + uint32(n) + uint32(16/es) - 1) / uint32(16/es)
	return p.l.launch(k, blocks(p.run.units, per*blockThreads), 0, unsafe.Pointer(&p.run))
}

// blocks is how many blocks of so many units there are.
func blocks(units, per uint32) uint32 { return (units + per - 1) / per }
