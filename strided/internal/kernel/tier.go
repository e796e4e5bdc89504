package kernel

import (
	"fmt"
	"os"
	"slices"
)

// Tier is a set of kernels for one instruction set.
type Tier uint8

// The tiers, slowest first. Each processor supports some of them.
const (
	Scalar Tier = iota // plain Go: the reference, and all that the noasm build tag leaves
	AVX2               // amd64 with AVX2 and F16C
	AVX512             // amd64 with AVX-512 F, BW, DQ and VL
	NEON               // arm64: sums, and products of floats; the rest as Scalar
)

var tierNames = [...]string{Scalar: "scalar", AVX2: "avx2", AVX512: "avx512", NEON: "neon"}

// String is the tier's name as TierVariable takes it.
func (t Tier) String() string {
	if int(t) >= len(tierNames) {
		return fmt.Sprintf("tier(%d)", uint8(t))
	}
	return tierNames[t]
}

// TierVariable is the environment variable that names the tier to use. A name
// that is unknown or needs more than the processor has is ignored; Active tells
// what came of it.
const TierVariable = "MONEL_KERNELS"

var (
	supported = append([]Tier{Scalar}, vectorTiers()...)
	active    = startTier(os.Getenv(TierVariable))
)

func startTier(name string) Tier {
	for _, t := range supported {
		if t.String() == name {
			return t
		}
	}
	return supported[len(supported)-1]
}

// Active is the tier in use: the best one supported, unless the environment or
// Use said otherwise.
func Active() Tier { return active }

// Supported lists the tiers that this processor can execute, slowest first.
func Supported() []Tier { return slices.Clone(supported) }

// Use switches to another supported tier, for tests and measurements. It must
// not be called while kernels run.
func Use(t Tier) error {
	if !slices.Contains(supported, t) {
		return fmt.Errorf("kernel: this processor supports the tiers %v, not %v", supported, t)
	}
	active = t
	return nil
}
