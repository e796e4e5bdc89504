//go:build !noasm

package kernel

// These store the result for so many blocks of 64 bytes of a and b in out, which
// may equal either.

//go:noescape
func neonSumInt8(out, a, b *byte, blocks int)

//go:noescape
func neonSumInt32(out, a, b *byte, blocks int)

//go:noescape
func neonSumInt64(out, a, b *byte, blocks int)

//go:noescape
func neonSumFloat16(out, a, b *byte, blocks int)

//go:noescape
func neonSumFloat32(out, a, b *byte, blocks int)

//go:noescape
func neonSumFloat64(out, a, b *byte, blocks int)

//go:noescape
func neonSumBFloat16(out, a, b *byte, blocks int)

//go:noescape
func neonProdFloat16(out, a, b *byte, blocks int)

//go:noescape
func neonProdFloat32(out, a, b *byte, blocks int)

//go:noescape
func neonProdFloat64(out, a, b *byte, blocks int)

//go:noescape
func neonProdBFloat16(out, a, b *byte, blocks int)
