package main

import "github.com/mmcloughlin/avo/operand"

// copyRows emits the kernel that copies short runs. Runs with gaps between them
// are what hardware prefetchers follow badly, so a line of each is asked for some
// rows ahead. It is AVX2 only; wider vectors would not help memory.
func copyRows(m *machine) {
	m.function("avx2CopyRows", "func(dst *byte, dstPitch int, src *byte, srcPitch int, rows, n, ahead int, bypass bool)",
		"copies rows runs of n bytes, rows being greater than 0 and n at least 32, and asks for what lies ahead bytes after what it reads. To bypass the cache, dst, dstPitch and n must be multiples of 64.")
	dst, dstPitch := m.Load(m.Param("dst"), m.GP64()), m.Load(m.Param("dstPitch"), m.GP64())
	src, srcPitch := m.Load(m.Param("src"), m.GP64()), m.Load(m.Param("srcPitch"), m.GP64())
	rows, n := m.Load(m.Param("rows"), m.GP64()), m.Load(m.Param("n"), m.GP64())
	ahead := m.Load(m.Param("ahead"), m.GP64())
	bypass := m.Load(m.Param("bypass"), m.GP8())
	d, s, left := m.GP64(), m.GP64(), m.GP64()
	loop := func(label string, store func(vec, operand.Op), tail bool) {
		m.Label(label)
		m.MOVQ(dst, d)
		m.MOVQ(src, s)
		m.MOVQ(n, left)
		m.SUBQ(operand.I32(lineBytes), left)
		m.JL(operand.LabelRef(label + "Tail"))
		m.Label(label + "Line")
		m.PREFETCHT0(operand.Mem{Base: s, Index: ahead, Scale: 1})
		x, y := m.load(operand.Mem{Base: s}), m.load(operand.Mem{Base: s, Disp: m.width})
		store(x, operand.Mem{Base: d})
		store(y, operand.Mem{Base: d, Disp: m.width})
		m.ADDQ(operand.I32(lineBytes), s)
		m.ADDQ(operand.I32(lineBytes), d)
		m.SUBQ(operand.I32(lineBytes), left)
		m.JGE(operand.LabelRef(label + "Line"))
		m.Label(label + "Tail")
		if tail {
			// left counts from a line before the end. The last vector moves back.
			m.CMPQ(left, operand.I32(-lineBytes))
			m.JE(operand.LabelRef(label + "Next"))
			last := m.load(operand.Mem{Base: s, Index: left, Scale: 1, Disp: lineBytes - m.width})
			m.CMPQ(left, operand.I32(m.width-lineBytes))
			m.JLE(operand.LabelRef(label + "Last"))
			m.PREFETCHT0(operand.Mem{Base: s, Index: ahead, Scale: 1})
			store(m.load(operand.Mem{Base: s}), operand.Mem{Base: d})
			m.Label(label + "Last")
			store(last, operand.Mem{Base: d, Index: left, Scale: 1, Disp: lineBytes - m.width})
		}
		m.Label(label + "Next")
		m.ADDQ(srcPitch, src)
		m.ADDQ(dstPitch, dst)
		m.DECQ(rows)
		m.JNZ(operand.LabelRef(label))
	}
	m.TESTB(bypass, bypass)
	m.JNZ(operand.LabelRef("past"))
	loop("through", m.store, true)
	m.VZEROUPPER()
	m.RET()
	loop("past", func(v vec, p operand.Op) { m.VMOVNTDQ(v, p) }, false)
	m.SFENCE()
	m.VZEROUPPER()
	m.RET()
}
