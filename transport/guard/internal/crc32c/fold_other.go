//go:build !amd64

package crc32c

import "hash/crc32"

// Update returns the CRC-32C of what crc is that of, followed by p.
func Update(crc uint32, p []byte) uint32 { return crc32.Update(crc, table, p) }

// Words returns the CRC-32C of a, the bytes at p, and b, little endian.
func Words(a uint64, p *[40]byte, b uint64) uint32 { return sumWordsPortably(a, p, b) }

// Fetch asks for p, of which another processor may have the latest, all at once, where
// that helps.
func Fetch([]byte) {}
