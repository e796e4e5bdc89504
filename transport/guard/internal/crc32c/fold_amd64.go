package crc32c

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/cpuid/v2"
)

//go:generate go run -C _gen . -out ../fold_amd64.s -stubs ../stub_amd64.go -pkg crc32c

// blockSize is what foldBlocks takes at a time.
const blockSize = 256

// leastFolded is from how many bytes on folding is worth its preparation.
const leastFolded = 8 * blockSize

var canFold = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.VPCLMULQDQ)

// ahead is what moves the halves of 16 bytes on by a block.
var ahead = [2]uint64{power(8*blockSize + 32), power(8*blockSize - 32)}

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
	if !canFold || len(p) < leastFolded {
		return crc32.Update(crc, table, p)
	}
	// The state of the sum so far is, in the polynomial's arithmetic, added to the first
	// bytes; what is left of all blocks stands for them with a state of 0.
	var acc [blockSize]byte
	copy(acc[:], p)
	binary.LittleEndian.PutUint32(acc[:], binary.LittleEndian.Uint32(acc[:])^^crc)
	p = p[blockSize:]
	n := len(p) / blockSize
	foldBlocks(&acc, &ahead, &p[0], n)
	return crc32.Update(crc32.Update(^uint32(0), table, acc[:]), table, p[n*blockSize:])
}
