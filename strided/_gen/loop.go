package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reduction is one assembly function.
type reduction struct {
	name    string
	size    int    // of an element, in bytes
	unroll  int    // vectors per turn of the main loop
	divisor string // Go type of the divisor, for averages
	// ahead: the main loop asks for operands ahead of time. Arithmetic that takes
	// many instructions fills the processor's window before the next line's load is
	// in it.
	ahead bool
	start starter
}

const reduceDoc = "stores its result for n elements of a and b in out1 and, unless that is nil, in out2."

// emit writes the function. The last, partial vector overlaps the one before it:
// it is worked out first, while operands that coincide with an output are still
// whole, kept on the stack and stored at the end. Fewer elements than a vector
// holds go through the stack (AVX2) or a mask (AVX-512).
func (r reduction) emit(m *machine) {
	signature := "func(out1, out2, a, b *byte, n int"
	if r.divisor != "" {
		signature += ", divisor " + r.divisor
	}
	m.function(r.name, signature+")", reduceDoc)
	l := &loop{
		machine: m, unroll: r.unroll, ahead: r.ahead,
		out1: m.Load(m.Param("out1"), m.GP64()), out2: m.Load(m.Param("out2"), m.GP64()),
		a: m.Load(m.Param("a"), m.GP64()), b: m.Load(m.Param("b"), m.GP64()),
		n: m.Load(m.Param("n"), m.GP64()),
	}
	for s := r.size; s > 1; s /= 2 {
		m.ADDQ(l.n, l.n)
	}
	m.Comment("n counts bytes from here on.")
	var divisor vec
	if r.divisor != "" {
		divisor = m.broadcastParam("divisor", r.divisor)
	}
	l.step = r.start(m, divisor)
	l.emit()
}

func (m *machine) broadcastParam(name, goType string) vec {
	addr, err := m.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := m.vec()
	if goType == "float64" {
		m.VBROADCASTSD(addr.Addr, v)
	} else {
		m.VBROADCASTSS(addr.Addr, v)
	}
	return v
}

// aheadBytes is how far ahead of their use operands are asked for: a page, where
// the processor's own prefetchers stop.
const aheadBytes = 4096

type loop struct {
	*machine
	unroll              int
	ahead               bool
	out1, out2, a, b, n reg.Register
	step                step
	tail                operand.Mem // holds the last vector's result
}

func at(base, index reg.Register, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: 1, Disp: disp}
}

// one is the step for a single vector.
func (l *loop) one(x, y source) vec { return l.step([]source{x}, []source{y})[0] }

func (l *loop) emit() {
	m := l.machine
	l.tail = m.AllocLocal(l.width)
	m.CMPQ(l.n, operand.I32(l.width))
	m.JB(operand.LabelRef("small"))

	m.TESTQ(operand.I32(l.width-1), l.n)
	m.JZ(operand.LabelRef("whole"))
	m.store(l.one(m.fromMemory(at(l.a, l.n, -l.width)), m.fromMemory(at(l.b, l.n, -l.width))), l.tail)
	m.Label("whole")
	i := m.GP64()
	m.XORQ(i, i)
	left := m.GP64()
	m.MOVQ(l.n, left)
	m.TESTQ(l.out2, l.out2)
	m.JNZ(operand.LabelRef("both"))
	l.body("one", i, left, l.out1)
	m.Label("both")
	l.body("two", i, left, l.out1, l.out2)

	m.Label("small")
	if m.wide() {
		l.small512()
	} else {
		l.small256()
	}
	m.VZEROUPPER()
	m.RET()
}

// body loops over whole vectors and stores the last, partial one.
func (l *loop) body(prefix string, i, left reg.Register, outs ...reg.Register) {
	m := l.machine
	step := func(count int) {
		if count > 1 && l.ahead {
			for k := 0; k < count*l.width; k += lineBytes {
				m.PREFETCHT0(at(l.a, i, aheadBytes+k))
				m.PREFETCHT0(at(l.b, i, aheadBytes+k))
			}
		}
		var x, y []source
		for k := range count {
			x = append(x, m.fromMemory(at(l.a, i, k*l.width)))
			y = append(y, m.fromMemory(at(l.b, i, k*l.width)))
		}
		results := l.step(x, y)
		for _, out := range outs {
			for k, r := range results {
				m.store(r, at(out, i, k*l.width))
			}
		}
		m.ADDQ(operand.I32(count*l.width), i)
		m.SUBQ(operand.I32(count*l.width), left)
	}
	again := func(label string, count int) {
		m.CMPQ(left, operand.I32(count*l.width))
		m.JAE(operand.LabelRef(label))
	}
	if l.unroll > 1 {
		m.CMPQ(left, operand.I32(l.unroll*l.width))
		m.JB(operand.LabelRef(prefix + "Single"))
		m.Label(prefix + "Unrolled")
		step(l.unroll)
		again(prefix+"Unrolled", l.unroll)
		m.Label(prefix + "Single")
		m.CMPQ(left, operand.I32(l.width))
		m.JB(operand.LabelRef(prefix + "Tail"))
	}
	m.Label(prefix + "Loop")
	step(1)
	again(prefix+"Loop", 1)
	m.Label(prefix + "Tail")
	m.TESTQ(left, left)
	m.JZ(operand.LabelRef(prefix + "Done"))
	r := m.load(l.tail)
	for _, out := range outs {
		m.store(r, at(out, l.n, -l.width))
	}
	m.Label(prefix + "Done")
	m.VZEROUPPER()
	m.RET()
}

// small512 masks bytes beyond n.
func (l *loop) small512() {
	m := l.machine
	ones, k := m.GP64(), m.K()
	m.MOVQ(operand.I32(-1), ones)
	m.BZHIQ(l.n, ones, ones)
	m.KMOVQ(ones, k)
	x, y := m.vec(), m.vec()
	m.VMOVDQU8_Z(operand.Mem{Base: l.a}, k, x)
	m.VMOVDQU8_Z(operand.Mem{Base: l.b}, k, y)
	r := l.one(m.fromRegister(x), m.fromRegister(y))
	m.VMOVDQU8(r, k, operand.Mem{Base: l.out1})
	m.TESTQ(l.out2, l.out2)
	m.JZ(operand.LabelRef("smallDone"))
	m.VMOVDQU8(r, k, operand.Mem{Base: l.out2})
	m.Label("smallDone")
}

// small256 copies operands to the stack and the result back, 16, 8, 4, 2 and 1
// bytes as the bits of n tell.
func (l *loop) small256() {
	m := l.machine
	sa, sb := m.AllocLocal(l.width), m.AllocLocal(l.width)
	l.pieces("In", func(i reg.Register, bytes int, through reg.Register) {
		for _, p := range []struct {
			from reg.Register
			to   operand.Mem
		}{{l.a, sa}, {l.b, sb}} {
			m.moveBytes(bytes, at(p.from, i, 0), p.to.Idx(i, 1), through)
		}
	})
	m.store(l.one(m.fromMemory(sa), m.fromMemory(sb)), sa)
	m.TESTQ(l.out2, l.out2)
	m.CMOVQEQ(l.out1, l.out2)
	l.pieces("Out", func(i reg.Register, bytes int, through reg.Register) {
		for _, out := range []reg.Register{l.out1, l.out2} {
			m.moveBytes(bytes, sa.Idx(i, 1), at(out, i, 0), through)
		}
	})
}

// pieces emits one move for each set bit of n below 32, largest first.
func (l *loop) pieces(label string, move func(i reg.Register, bytes int, through reg.Register)) {
	m := l.machine
	i := m.GP64()
	m.XORQ(i, i)
	x, g := m.XMM(), m.GP64()
	for bytes := 16; bytes > 0; bytes /= 2 {
		skip := fmt.Sprintf("small%s%d", label, bytes)
		m.TESTQ(operand.I32(bytes), l.n)
		m.JZ(operand.LabelRef(skip))
		if bytes == 16 {
			move(i, bytes, x)
		} else {
			move(i, bytes, g)
		}
		m.ADDQ(operand.I32(bytes), i)
		m.Label(skip)
	}
}

func (m *machine) moveBytes(bytes int, from, to operand.Mem, through reg.Register) {
	switch bytes {
	case 16:
		m.VMOVDQU(from, through)
		m.VMOVDQU(through, to)
	case 8:
		m.MOVQ(from, through)
		m.MOVQ(through, to)
	case 4:
		g := through.(reg.GPVirtual).As32()
		m.MOVL(from, g)
		m.MOVL(g, to)
	case 2:
		g := through.(reg.GPVirtual).As16()
		m.MOVW(from, g)
		m.MOVW(g, to)
	case 1:
		g := through.(reg.GPVirtual).As8()
		m.MOVB(from, g)
		m.MOVB(g, to)
	}
}
