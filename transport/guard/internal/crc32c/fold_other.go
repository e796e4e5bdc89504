//go:build !amd64

package crc32c

import "hash/crc32"

// Update returns the CRC-32C of what crc is that of, followed by p.
func Update(crc uint32, p []byte) uint32 { return crc32.Update(crc, table, p) }
