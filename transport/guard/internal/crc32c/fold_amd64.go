package crc32c

import (
	"hash/crc32"
	"slices"

	"github.com/klauspost/cpuid/v2"
)

//go:generate go run -C _gen . -out ../fold_amd64.s -stubs ../stub_amd64.go -pkg crc32c

const (
	blockSize = 256 // what is folded at a time
	streams   = 3   // are summed by the instruction meanwhile
	stepSize  = 32  // bytes of each to a block

	together = blockSize + streams*stepSize
	mostOnce = 186 // blocks and steps at a time

	// leastFolded is from how many bytes on all this is worth its preparation.
	leastFolded = 2 << 10

	// mostShort is up to how many bytes one stream is as fast as hash/crc32's three.
	mostShort = 500

	// mostFetched is how many bytes are asked for at once, if there are more than
	// leastFetched.
	mostFetched  = 2 << 10
	leastFetched = 128
)

var (
	canSum  = cpuid.CPU.Supports(cpuid.SSE42)
	canFold = canSum && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.VPCLMULQDQ)
)

// folding has pairs of factors that move the halves of 16 bytes on: by a block, by a
// register, and each of a register's lanes to where the last one is.
var folding = [12]uint64(slices.Concat(ahead(blockSize), ahead(64), ahead(48), ahead(32), ahead(16), []uint64{0, 0}))

func ahead(bytes int) []uint64 { return []uint64{power(8*bytes + 32), power(8*bytes - 32)} }

// over[n] moves a state over three, two and one streams of n steps.
var over = overStreams()

func overStreams() (o [mostOnce + 1][streams]uint64) {
	var moves [streams*mostOnce + 1]uint64 // by so many steps
	state := uint32(power(8*stepSize-32) >> 1)
	for i := 1; i < len(moves); i++ {
		moves[i] = uint64(state) << 1
		state = ^crc32.Update(^state, table, make([]byte, stepSize)) // zeros move it, too
	}
	for n := 1; n < len(o); n++ {
		o[n] = [streams]uint64{moves[3*n], moves[2*n], moves[n]}
	}
	return o
}

// power is x to the n-th modulo the polynomial, with its bits reversed and the lowest
// one of 33 left out, which the multiplication of reversed polynomials shifts back.
func power(n int) uint64 {
	r := uint32(1) << 31 // x^0
	for range n {
		carry := r & 1
		r >>= 1
		if carry != 0 {
			r ^= crc32.Castagnoli
		}
	}
	return uint64(r) << 1
}

// Update returns the CRC-32C of what crc is that of, followed by p.
func Update(crc uint32, p []byte) uint32 {
	if canFold && len(p) >= leastFolded {
		state := ^crc
		for len(p) >= together {
			n := min(len(p)/together, mostOnce)
			state = sumBlocks(state, &p[0], n, &folding, &over[n])
			p = p[n*together:]
		}
		crc = ^state
	}
	if n := len(p); n <= mostShort && canSum {
		if n == 0 {
			return crc
		}
		return ^sumShort(^crc, &p[0], n)
	}
	return crc32.Update(crc, table, p)
}

// Words returns the CRC-32C of a, the bytes at p, and b, little endian.
func Words(a uint64, p *[40]byte, b uint64) uint32 {
	if !canSum {
		return sumWordsPortably(a, p, b)
	}
	return ^sumWords(^uint32(0), a, p, b)
}

// Fetch asks for p, of which another processor may have the latest, all at once; sums
// ask for little at a time, since each of their steps waits for the one before. It does
// so for what fits into the nearest cache's queue.
func Fetch(p []byte) {
	if n := min(len(p), mostFetched); n > leastFetched {
		prefetch(&p[0], n)
	}
}
