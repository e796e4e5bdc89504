#include "textflag.h"

// func spin(p *uint32, old, n uint32) bool
TEXT ·spin(SB), NOSPLIT, $0-17
	MOVQ p+0(FP), DI
	MOVL old+8(FP), SI
	MOVL n+12(FP), CX

look:
	CMPL (DI), SI
	JNE  changed
	PAUSE
	SUBL $1, CX
	JGT  look
	MOVB $0, ret+16(FP)
	RET

changed:
	MOVB $1, ret+16(FP)
	RET
