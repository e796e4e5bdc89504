package main

import "github.com/mmcloughlin/avo/operand"

// Lane widths of comparisons and selections, in bits.
type lane int

// Floating-point comparison predicates.
const (
	unordered = operand.U8(3)
	notEqual  = operand.U8(4)
)

// compareFloat compares lanes of 32 or 64 bits.
func (m *machine) compareFloat(l lane, predicate operand.U8, x, y vec) mask {
	var r mask
	if m.wide() {
		r = m.K()
	} else {
		r = m.YMM()
	}
	if l == 64 {
		m.VCMPPD(predicate, y, x, r)
	} else {
		m.VCMPPS(predicate, y, x, r)
	}
	return r
}

// greater is x > y for signed integers.
func (m *machine) greater(l lane, x, y vec) mask {
	return m.compareInt(l, x, y, map[lane]func(...operand.Op){
		8: m.VPCMPGTB, 16: m.VPCMPGTW, 32: m.VPCMPGTD, 64: m.VPCMPGTQ})
}

func (m *machine) equal(l lane, x, y vec) mask {
	return m.compareInt(l, x, y, map[lane]func(...operand.Op){
		8: m.VPCMPEQB, 16: m.VPCMPEQW, 32: m.VPCMPEQD, 64: m.VPCMPEQQ})
}

func (m *machine) compareInt(l lane, x, y vec, by map[lane]func(...operand.Op)) mask {
	if m.wide() {
		r := m.K()
		by[l](y, x, r)
		return r
	}
	r := m.YMM()
	by[l](y, x, r)
	return r
}

// choose is yes where the mask is set, no elsewhere.
func (m *machine) choose(l lane, where mask, yes, no vec) vec {
	r := m.vec()
	if m.wide() {
		map[lane]func(...operand.Op){8: m.VPBLENDMB, 16: m.VPBLENDMW, 32: m.VPBLENDMD, 64: m.VPBLENDMQ}[l](yes, no, where, r)
		return r
	}
	switch l {
	case 32:
		m.VBLENDVPS(where, yes, no, r)
	case 64:
		m.VBLENDVPD(where, yes, no, r)
	default:
		m.VPBLENDVB(where, yes, no, r)
	}
	return r
}

// flip inverts all bits of x where the mask is set.
func (m *machine) flip(l lane, where mask, x vec) vec {
	if !m.wide() {
		return m.xor(x, where.(vec))
	}
	return m.choose(l, where, m.xor(x, m.const64(1<<64-1)), x)
}

// ones is all ones where the mask is set, zero elsewhere.
func (m *machine) ones(l lane, where mask) vec {
	if !m.wide() {
		return where.(vec)
	}
	r := m.vec()
	map[lane]func(operand.Op, operand.Op){8: m.VPMOVM2B, 16: m.VPMOVM2W, 32: m.VPMOVM2D, 64: m.VPMOVM2Q}[l](where, r)
	return r
}
