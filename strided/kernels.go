package strided

import "github.com/monel-dev/monel/strided/internal/kernel"

// Kernels names the kernels in use, and all that this processor supports,
// slowest first: scalar, avx2, avx512 or neon. All give the same bits. The
// environment variable MONEL_KERNELS forces one of them.
func Kernels() (active string, supported []string) {
	for _, t := range kernel.Supported() {
		supported = append(supported, t.String())
	}
	return kernel.Active().String(), supported
}
