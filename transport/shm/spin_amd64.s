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

// func own(p unsafe.Pointer)
TEXT ·own(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), DI
	// PREFETCHW (DI) and 64(DI), which do nothing where there is none
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0f
	BYTE $0x0f; BYTE $0x0d; BYTE $0x4f; BYTE $0x40
	RET

// func prefetch(p unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), DI
	PREFETCHT0 (DI)
	RET
