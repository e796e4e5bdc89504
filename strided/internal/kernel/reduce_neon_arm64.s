//go:build !noasm

#include "textflag.h"

// Instructions that the assembler does not know, of registers m, n and d:
// d = n op m.
#define FADD4S(m, n, d) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))
#define FADD2D(m, n, d) WORD $(0x4E60D400 | (m)<<16 | (n)<<5 | (d))
#define FMUL4S(m, n, d) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))
#define FMUL2D(m, n, d) WORD $(0x6E60DC00 | (m)<<16 | (n)<<5 | (d))
#define FCMEQ4S(m, n, d) WORD $(0x4E20E400 | (m)<<16 | (n)<<5 | (d))
#define CMGT8H(m, n, d) WORD $(0x4E603400 | (m)<<16 | (n)<<5 | (d))

// Conversions between float16 and float32, of the lower and the upper half.
#define FCVTL(n, d) WORD $(0x0E217800 | (n)<<5 | (d))
#define FCVTL2(n, d) WORD $(0x4E217800 | (n)<<5 | (d))
#define FCVTN(n, d) WORD $(0x0E216800 | (n)<<5 | (d))
#define FCVTN2(n, d) WORD $(0x4E216800 | (n)<<5 | (d))

#define ARGUMENTS \
	MOVD out+0(FP), R0; \
	MOVD a+8(FP), R1; \
	MOVD b+16(FP), R2; \
	MOVD blocks+24(FP), R3; \
	CBZ  R3, done

// The operands are V0 to V3 and V4 to V7; the result goes to V0 to V3.
#define LOAD \
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]; \
	VLD1.P 64(R2), [V4.B16, V5.B16, V6.B16, V7.B16]

#define STORE \
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0); \
	SUBS   $1, R3; \
	BNE    loop

// func neonSumInt8(out, a, b *byte, blocks int)
TEXT ·neonSumInt8(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	VADD V4.B16, V0.B16, V0.B16
	VADD V5.B16, V1.B16, V1.B16
	VADD V6.B16, V2.B16, V2.B16
	VADD V7.B16, V3.B16, V3.B16
	STORE

done:
	RET

// func neonSumInt32(out, a, b *byte, blocks int)
TEXT ·neonSumInt32(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	VADD V4.S4, V0.S4, V0.S4
	VADD V5.S4, V1.S4, V1.S4
	VADD V6.S4, V2.S4, V2.S4
	VADD V7.S4, V3.S4, V3.S4
	STORE

done:
	RET

// func neonSumInt64(out, a, b *byte, blocks int)
TEXT ·neonSumInt64(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	VADD V4.D2, V0.D2, V0.D2
	VADD V5.D2, V1.D2, V1.D2
	VADD V6.D2, V2.D2, V2.D2
	VADD V7.D2, V3.D2, V3.D2
	STORE

done:
	RET

// func neonSumFloat32(out, a, b *byte, blocks int)
TEXT ·neonSumFloat32(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	FADD4S(4, 0, 0)
	FADD4S(5, 1, 1)
	FADD4S(6, 2, 2)
	FADD4S(7, 3, 3)
	STORE

done:
	RET

// func neonSumFloat64(out, a, b *byte, blocks int)
TEXT ·neonSumFloat64(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	FADD2D(4, 0, 0)
	FADD2D(5, 1, 1)
	FADD2D(6, 2, 2)
	FADD2D(7, 3, 3)
	STORE

done:
	RET

// func neonProdFloat32(out, a, b *byte, blocks int)
TEXT ·neonProdFloat32(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	FMUL4S(4, 0, 0)
	FMUL4S(5, 1, 1)
	FMUL4S(6, 2, 2)
	FMUL4S(7, 3, 3)
	STORE

done:
	RET

// func neonProdFloat64(out, a, b *byte, blocks int)
TEXT ·neonProdFloat64(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	LOAD
	FMUL2D(4, 0, 0)
	FMUL2D(5, 1, 1)
	FMUL2D(6, 2, 2)
	FMUL2D(7, 3, 3)
	STORE

done:
	RET

// HALF works on float16 vectors x and y of eight elements: it widens, applies op,
// narrows, and replaces every NaN by the canonical one. V29 holds the magnitude
// bits, V30 infinity, V31 the canonical NaN.
#define HALF(op, x, y, vx) \
	FCVTL(x, 16); \
	FCVTL2(x, 17); \
	FCVTL(y, 18); \
	FCVTL2(y, 19); \
	op(18, 16, 16); \
	op(19, 17, 17); \
	FCVTN(16, x); \
	FCVTN2(17, x); \
	VAND V29.B16, vx.B16, V20.B16; \
	CMGT8H(30, 20, 20); \
	VBIT V20.B16, V31.B16, vx.B16

#define HALFCONSTANTS \
	MOVD $0x7fff, R4; \
	VDUP R4, V29.H8; \
	MOVD $0x7c00, R4; \
	VDUP R4, V30.H8; \
	MOVD $0x7e00, R4; \
	VDUP R4, V31.H8

// BRAIN works on bfloat16 vectors: odd elements are float32 but for the lower
// half, even ones once shifted. It applies op, rounds to nearest even and
// replaces every NaN by the canonical one. V27 selects odd elements, V28 is 1,
// V29 the rounding bias, V31 the canonical NaN.
#define BRAIN(op, x, y, vx, vy) \
	VAND  V27.B16, vx.B16, V16.B16; \
	VAND  V27.B16, vy.B16, V17.B16; \
	VSHL  $16, vx.S4, V18.S4; \
	VSHL  $16, vy.S4, V19.S4; \
	op(17, 16, 16); \
	op(19, 18, 18); \
	FCMEQ4S(16, 16, 20); \
	FCMEQ4S(18, 18, 21); \
	VBIT  V27.B16, V20.B16, V21.B16; \
	VUSHR $16, V16.S4, V22.S4; \
	VUSHR $16, V18.S4, V23.S4; \
	VAND  V28.B16, V22.B16, V22.B16; \
	VAND  V28.B16, V23.B16, V23.B16; \
	VADD  V29.S4, V16.S4, V16.S4; \
	VADD  V29.S4, V18.S4, V18.S4; \
	VADD  V22.S4, V16.S4, V16.S4; \
	VADD  V23.S4, V18.S4, V18.S4; \
	VUSHR $16, V18.S4, V18.S4; \
	VBIT  V27.B16, V16.B16, V18.B16; \
	VORR  V31.B16, V31.B16, vx.B16; \
	VBIT  V21.B16, V18.B16, vx.B16

#define BRAINCONSTANTS \
	MOVD $0xffff0000, R4; \
	VDUP R4, V27.S4; \
	MOVD $1, R4; \
	VDUP R4, V28.S4; \
	MOVD $0x7fff, R4; \
	VDUP R4, V29.S4; \
	MOVD $0x7fc0, R4; \
	VDUP R4, V31.H8

// func neonSumFloat16(out, a, b *byte, blocks int)
TEXT ·neonSumFloat16(SB), NOSPLIT, $0-32
	ARGUMENTS
	HALFCONSTANTS

loop:
	LOAD
	HALF(FADD4S, 0, 4, V0)
	HALF(FADD4S, 1, 5, V1)
	HALF(FADD4S, 2, 6, V2)
	HALF(FADD4S, 3, 7, V3)
	STORE

done:
	RET

// func neonProdFloat16(out, a, b *byte, blocks int)
TEXT ·neonProdFloat16(SB), NOSPLIT, $0-32
	ARGUMENTS
	HALFCONSTANTS

loop:
	LOAD
	HALF(FMUL4S, 0, 4, V0)
	HALF(FMUL4S, 1, 5, V1)
	HALF(FMUL4S, 2, 6, V2)
	HALF(FMUL4S, 3, 7, V3)
	STORE

done:
	RET

// func neonSumBFloat16(out, a, b *byte, blocks int)
TEXT ·neonSumBFloat16(SB), NOSPLIT, $0-32
	ARGUMENTS
	BRAINCONSTANTS

loop:
	LOAD
	BRAIN(FADD4S, 0, 4, V0, V4)
	BRAIN(FADD4S, 1, 5, V1, V5)
	BRAIN(FADD4S, 2, 6, V2, V6)
	BRAIN(FADD4S, 3, 7, V3, V7)
	STORE

done:
	RET

// func neonProdBFloat16(out, a, b *byte, blocks int)
TEXT ·neonProdBFloat16(SB), NOSPLIT, $0-32
	ARGUMENTS
	BRAINCONSTANTS

loop:
	LOAD
	BRAIN(FMUL4S, 0, 4, V0, V4)
	BRAIN(FMUL4S, 1, 5, V1, V5)
	BRAIN(FMUL4S, 2, 6, V2, V6)
	BRAIN(FMUL4S, 3, 7, V3, V7)
	STORE

done:
	RET
