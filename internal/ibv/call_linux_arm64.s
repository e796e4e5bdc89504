//go:build !nocuda

#include "textflag.h"

GLOBL ·enterABI0(SB), NOPTR|RODATA, $8
DATA ·enterABI0(SB)/8, $enter(SB)

// enter makes the call that R0 points to. It is called as C's functions are.
TEXT enter(SB), NOSPLIT|NOFRAME, $0
	STP.W (R29, R30), -32(RSP)
	MOVD  R19, 16(RSP) // which is its caller's
	MOVD  R0, R19
	MOVD  0(R19), R9
	MOVD  8(R19), R0
	MOVD  16(R19), R1
	MOVD  24(R19), R2
	CALL  (R9)
	MOVD  R0, 32(R19)
	MOVD  ZR, R0
	MOVD  16(RSP), R19
	LDP.P 32(RSP), (R29, R30)
	RET
