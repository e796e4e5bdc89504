package kernels

import (
	"math/bits"
	"strconv"
)

// kernel numbers the kernels: copy, then those of each family by element size.
type kernel uint8

// family is a kind of kernel, of which there is one for each element size.
type family uint8

const (
	linear family = iota // operands in one piece, reductions only
	general
	tiled
	families
)

const (
	kernelCopy  kernel = 0
	sizes              = 5 // of elements: 1, 2, 4, 8 and 16 bytes
	kernelCount        = 1 + kernel(families)*sizes
)

// kernelOf is the kernel of f for elements of es bytes.
func kernelOf(f family, es int64) kernel {
	return 1 + kernel(f)*sizes + kernel(bits.TrailingZeros64(uint64(es)))
}

// exists reports whether there is such a kernel: elements of 16 bytes are not
// computed with.
func (k kernel) exists() bool { return k != kernelOf(linear, 16) }

// place is the kernel's in the list of kernels.cu.
func (k kernel) place() uint32 {
	if k > kernelOf(linear, 16) {
		k--
	}
	return uint32(k)
}

// name is the kernel's in the PTX.
func (k kernel) name() string {
	if k == kernelCopy {
		return "monel_copy"
	}
	k--
	return [families]string{"monel_reduce_", "monel_strided_", "monel_tiled_"}[k/sizes] + strconv.Itoa(1<<(k%sizes))
}
