package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func (s System) kernels() Kernels {
	k := Kernels{Processor: s.Processor, Cores: s.Cores, Lacks: []Lack{}}
	k.Active, k.Supported = s.Kernels()
	forced, best := s.Env("MONEL_KERNELS"), k.Supported[len(k.Supported)-1]
	switch {
	case forced != "" && !slices.Contains(k.Supported, forced):
		k.Lacks = append(k.Lacks, Lack{
			fmt.Sprintf("MONEL_KERNELS is %q, which this processor or build does not have", forced),
			"unset it, or choose one of " + strings.Join(k.Supported, ", "),
		})
	case k.Active != best:
		k.Lacks = append(k.Lacks, Lack{fmt.Sprintf("%s kernels are in use, though there are faster ones, %s", k.Active, best), "unset MONEL_KERNELS"})
	case best == "scalar":
		k.Lacks = append(k.Lacks, Lack{
			"there are no kernels for this processor's vector instructions, which makes reductions several times slower",
			"use a processor with AVX2 (in a virtual machine, pass it on: -cpu host) or an arm64 one, and build without the tag noasm",
		})
	}
	return k
}
