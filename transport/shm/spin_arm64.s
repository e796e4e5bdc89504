#include "textflag.h"

// func spin(p *uint32, old, n uint32) bool
TEXT ·spin(SB), NOSPLIT, $0-17
	MOVD  p+0(FP), R0
	MOVWU old+8(FP), R1
	MOVWU n+12(FP), R2

look:
	LDARW (R0), R3
	CMPW  R1, R3
	BNE   changed
	ISB   $15      // a pause of tens of cycles; YIELD is none on most cores
	SUBSW $1, R2
	BGT   look
	MOVB  ZR, ret+16(FP)
	RET

changed:
	MOVD $1, R3
	MOVB R3, ret+16(FP)
	RET

// func own(p unsafe.Pointer)
TEXT ·own(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PSTL1KEEP
	PRFM 64(R0), PSTL1KEEP
	RET

// func prefetch(p unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PLDL1KEEP
	RET
