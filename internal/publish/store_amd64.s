//go:build !race

#include "textflag.h"

// amd64 makes stores visible in their order, so a plain one will do. The compiler moves
// none past a call.

// func Uint32(p *atomic.Uint32, v uint32)
TEXT ·Uint32(SB), NOSPLIT, $0-12
	MOVQ p+0(FP), DI
	MOVL v+8(FP), AX
	MOVL AX, (DI)
	RET

// func Uint64(p *atomic.Uint64, v uint64)
TEXT ·Uint64(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), DI
	MOVQ v+8(FP), AX
	MOVQ AX, (DI)
	RET
