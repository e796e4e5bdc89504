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
)

func main() {
	ConstraintExpr("amd64")

	TEXT("foldBlocks", NOSPLIT, "func(acc *[256]byte, k *[2]uint64, p *byte, n int)")
	Doc("foldBlocks folds n blocks of 256 bytes at p into acc. n is at least 1; k multiplies",
		"the halves of 16 bytes by what moving them on by a block does.")
	acc := Load(Param("acc"), GP64())
	k := Load(Param("k"), GP64())
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	factor := ZMM()
	VBROADCASTI32X4(Mem{Base: k}, factor)
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = ZMM()
		VMOVDQU64(Mem{Base: acc, Disp: i * register}, sums[i])
	}
	Label("loop")
	for i, sum := range sums {
		low := ZMM()
		VPCLMULQDQ(U8(0x00), factor, sum, low)
		VPCLMULQDQ(U8(0x11), factor, sum, sum)
		VPTERNLOGQ(U8(0x96), Mem{Base: p, Disp: i * register}, low, sum) // exclusive or of all three
	}
	ADDQ(U32(block), p)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i, sum := range sums {
		VMOVDQU64(sum, Mem{Base: acc, Disp: i * register})
	}
	VZEROUPPER()
	RET()
	Generate()
}
