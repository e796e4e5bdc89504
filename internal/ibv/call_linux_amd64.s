//go:build !nocuda

#include "textflag.h"

GLOBL ·enterABI0(SB), NOPTR|RODATA, $8
DATA ·enterABI0(SB)/8, $enter(SB)

// enter makes the call that DI points to. It is called as C's functions are.
TEXT enter(SB), NOSPLIT|NOFRAME, $0
	PUSHQ BX // which is its caller's; and the stack is aligned
	MOVQ  DI, BX
	MOVQ  0(BX), AX
	MOVQ  8(BX), DI
	MOVQ  16(BX), SI
	MOVQ  24(BX), DX
	CALL  AX
	MOVQ  AX, 32(BX)
	XORL  AX, AX
	POPQ  BX
	RET
