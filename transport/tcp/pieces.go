package tcp

// pieces is memory in any number of pieces, which is filled from the front.
type pieces struct {
	all  [][]byte
	next int // the first piece that is not full
	got  int // bytes in it
}

// set makes p the given pieces, none of which is filled. It copies the list.
func (p *pieces) set(all ...[]byte) {
	*p = pieces{all: append(p.all[:0], all...)}
	p.skip()
}

// none forgets the pieces, so that their memory is not held on to.
func (p *pieces) none() {
	clear(p.all)
	*p = pieces{all: p.all[:0]}
}

// skip passes pieces that are full.
func (p *pieces) skip() {
	for p.next < len(p.all) && p.got == len(p.all[p.next]) {
		p.next++
		p.got = 0
	}
}

// put fills in b as far as there is room, and returns how much that was.
func (p *pieces) put(b []byte) (n int) {
	for p.next < len(p.all) && n < len(b) {
		k := copy(p.all[p.next][p.got:], b[n:])
		p.got += k
		n += k
		p.skip()
	}
	return n
}

// filled says that n more bytes have been filled in.
func (p *pieces) filled(n int) {
	for n > 0 {
		k := min(n, len(p.all[p.next])-p.got)
		p.got += k
		n -= k
		p.skip()
	}
}

// space appends what is to be filled next to bufs, as far as their capacity goes,
// and reports whether it was all.
func (p *pieces) space(bufs [][]byte) (_ [][]byte, all bool) {
	for i := p.next; i < len(p.all); i++ {
		if len(bufs) == cap(bufs) {
			return bufs, false
		}
		b := p.all[i]
		if i == p.next {
			b = b[p.got:]
		}
		if len(b) > 0 {
			bufs = append(bufs, b)
		}
	}
	return bufs, true
}

// moveTo puts what has been filled in into other pieces of the same length.
func (p *pieces) moveTo(to *pieces) {
	for _, b := range p.all[:p.next] {
		to.put(b)
	}
	if p.next < len(p.all) {
		to.put(p.all[p.next][:p.got])
	}
}

// aim is where a stripe goes: a target, which may change when part of the stripe has
// come.
type aim struct {
	target pieces
	other  pieces // the target before it; scratch
}

// at makes the stripe go into the pieces, what has come of it included.
func (a *aim) at(all ...[]byte) {
	a.target, a.other = a.other, a.target
	a.target.set(all...)
	a.other.moveTo(&a.target)
	a.other.none()
}
