// Command _gen writes the folding loop of crc32c.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	register = 64 // bytes
	block    = 4 * register
	streams  = 3
	step     = 32 // bytes of each stream to a block

	wordsInStep = streams * step / 8 // as many as the block has instructions
)

func main() {
	ConstraintExpr("amd64")

	words()
	short()
	prefetch()
	blocks()
	Generate()
}

// words is for heads, whose bytes have been written a word at a time just before: longer
// loads would have to wait until all of them have reached the cache.
func words() {
	TEXT("sumWords", NOSPLIT, "func(crc uint32, a uint64, p *[40]byte, b uint64) uint32")
	Doc("sumWords is the state of a sum that was crc after a, the words at p, and b.")
	start, state := GP32(), GP64()
	Load(Param("crc"), start)
	MOVL(start, state.As32())
	a := Load(Param("a"), GP64())
	p := Load(Param("p"), GP64())
	b := Load(Param("b"), GP64())
	CRC32Q(a, state)
	for i := range 5 {
		CRC32Q(Mem{Base: p, Disp: 8 * i}, state)
	}
	CRC32Q(b, state)
	Store(state.As32(), ReturnIndex(0))
	RET()
}

func short() {
	TEXT("sumShort", NOSPLIT, "func(crc uint32, p *byte, n int) uint32")
	Doc("sumShort is the state of a sum that was crc after the n bytes at p, n at least 1.")
	start, state := GP32(), GP64()
	Load(Param("crc"), start)
	MOVL(start, state.As32())
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	SUBQ(U8(8), n)
	JLT(LabelRef("rest"))
	Label("words")
	CRC32Q(Mem{Base: p}, state)
	ADDQ(U8(8), p)
	SUBQ(U8(8), n)
	JGE(LabelRef("words"))
	Label("rest") // n is 8 less than what is left
	rest := n.(GPVirtual).As32()
	TESTL(U32(4), rest)
	JZ(LabelRef("two"))
	CRC32L(Mem{Base: p}, state.As32())
	ADDQ(U8(4), p)
	Label("two")
	TESTL(U32(2), rest)
	JZ(LabelRef("one"))
	CRC32W(Mem{Base: p}, state.As32())
	ADDQ(U8(2), p)
	Label("one")
	TESTL(U32(1), rest)
	JZ(LabelRef("done"))
	CRC32B(Mem{Base: p}, state.As32())
	Label("done")
	Store(state.As32(), ReturnIndex(0))
	RET()
}

// prefetch asks for all of a short range at once, which may lie in another processor's
// cache. Sums would ask for little at a time, since each of their steps waits for the one
// before.
func prefetch() {
	TEXT("prefetch", NOSPLIT, "func(p *byte, n int)")
	Doc("prefetch fetches the cache lines of n bytes at p, n at least 1.")
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	Label("lines")
	PREFETCHT0(Mem{Base: p})
	ADDQ(U8(register), p)
	SUBQ(U8(register), n)
	JHI(LabelRef("lines"))
	RET()
}

func blocks() {
	TEXT("sumBlocks", NOSPLIT, "func(crc uint32, p *byte, n int, k *[12]uint64, ahead *[3]uint64) uint32")
	Doc("sumBlocks is the state of a sum that was crc after the n blocks of 256 bytes at p and the",
		"three streams of n steps behind them. n is at least 1. ahead moves states over three, two and",
		"one of the streams.")
	crc := Load(Param("crc"), GP32())
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	k := Load(Param("k"), GP64())

	// Where the streams begin, and their states.
	var at, state [streams]GPVirtual
	length := GP64()
	MOVQ(n, length)
	IMUL3Q(U8(step), length, length)
	first := GP64()
	MOVQ(n, first)
	SHLQ(U8(8), first) // times block
	ADDQ(p, first)
	for i := range at {
		at[i], state[i] = GP64(), GP64()
		if i == 0 {
			MOVQ(first, at[i])
		} else {
			LEAQ(Mem{Base: at[i-1], Index: length, Scale: 1}, at[i])
		}
		XORQ(state[i], state[i])
	}
	// Instructions of both kinds take turns: the schedulers see no further ahead than that.
	var word int
	sumWord := func() {
		i, b := word%streams, word/streams
		CRC32Q(Mem{Base: at[i], Disp: 8 * b}, state[i])
		word++
	}
	advance := func() {
		for i := range at {
			ADDQ(U8(step), at[i])
		}
		word = 0
	}

	// The first block, the state so far added to its first bytes.
	factor := ZMM()
	VBROADCASTI32X4(Mem{Base: k}, factor)
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = ZMM()
		VMOVDQU64(Mem{Base: p, Disp: i * register}, sums[i])
	}
	x := XMM()
	VMOVD(crc, x)
	VPXORQ(x.AsZ(), sums[0], sums[0])
	ADDQ(U32(block), p)
	for range wordsInStep {
		sumWord()
	}
	advance()
	DECQ(n)
	JZ(LabelRef("reduce"))

	Label("loop")
	for i, sum := range sums {
		low := ZMM()
		VPCLMULQDQ(U8(0x00), factor, sum, low)
		sumWord()
		VPCLMULQDQ(U8(0x11), factor, sum, sum)
		sumWord()
		VPTERNLOGQ(U8(0x96), Mem{Base: p, Disp: i * register}, low, sum) // exclusive or of all three
		sumWord()
	}
	advance()
	ADDQ(U32(block), p)
	DECQ(n)
	JNZ(LabelRef("loop"))

	// Four registers become one, then its four lanes one, and that a state.
	Label("reduce")
	VBROADCASTI32X4(Mem{Base: k, Disp: 16}, factor)
	for i := 1; i < len(sums); i++ {
		low, high := ZMM(), ZMM()
		VPCLMULQDQ(U8(0x00), factor, sums[i-1], low)
		VPCLMULQDQ(U8(0x11), factor, sums[i-1], high)
		VPTERNLOGQ(U8(0x96), high, low, sums[i])
	}
	lanes := ZMM()
	VMOVDQU64(Mem{Base: k, Disp: 32}, lanes) // the last lane's factors are 0
	last := sums[3]
	low, high := ZMM(), ZMM()
	VPCLMULQDQ(U8(0x00), lanes, last, low)
	VPCLMULQDQ(U8(0x11), lanes, last, high)
	VPXORQ(high, low, low)
	sum, lane := XMM(), XMM()
	VEXTRACTI32X4(U8(3), last, sum)
	VPXORQ(low.AsX(), sum, sum)
	for i := 1; i < 3; i++ {
		lane = XMM()
		VEXTRACTI32X4(U8(i), low, lane)
		VPXORQ(lane, sum, sum)
	}
	half, blocks := GP64(), GP64()
	XORQ(blocks, blocks)
	MOVQ(sum, half)
	CRC32Q(half, blocks)
	VPEXTRQ(U8(1), sum, half)
	CRC32Q(half, blocks)

	// The states, moved over the streams behind them.
	ahead := Load(Param("ahead"), GP64())
	product := XMM()
	for i, s := range []Register{blocks, state[0], state[1]} {
		a, b := XMM(), XMM()
		MOVQ(s, a)
		MOVQ(Mem{Base: ahead, Disp: 8 * i}, b)
		VPCLMULQDQ(U8(0), b, a, a)
		if i == 0 {
			product = a
		} else {
			VPXOR(a, product, product)
		}
	}
	MOVQ(product, half)
	all := GP64()
	XORQ(all, all)
	CRC32Q(half, all)
	XORQ(state[2], all)
	VZEROUPPER()
	Store(all.As32(), ReturnIndex(0))
	RET()
}
