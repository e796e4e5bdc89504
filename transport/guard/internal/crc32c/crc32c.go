// Package crc32c computes CRC-32C (Castagnoli) checksums, faster than hash/crc32 where
// the processor multiplies polynomials in vectors: a sum over long data is then read at
// the speed of the caches, where the instruction for CRC-32C takes eight bytes a cycle at
// best.
//
// The method is that of V. Gopal et al., "Fast CRC Computation for Generic Polynomials
// Using PCLMULQDQ Instruction", Intel 2009: data are folded onto a block of 256 bytes
// that has the same checksum. Where the paper reduces that further, the instruction
// does here.
package crc32c

import (
	"encoding/binary"
	"hash/crc32"
)

// Size of a checksum in bytes.
const Size = crc32.Size

var table = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of p.
func Checksum(p []byte) uint32 { return Update(0, p) }

func sumWordsPortably(a uint64, p *[40]byte, b uint64) uint32 {
	var all [8 + 40 + 8]byte
	binary.LittleEndian.PutUint64(all[:], a)
	copy(all[8:], p[:])
	binary.LittleEndian.PutUint64(all[8+40:], b)
	return crc32.Checksum(all[:], table)
}
