package engine

import (
	"slices"
	"strings"

	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/internal/environ"
)

// environAlgorithms are, for each of NCCL's functions, the algorithms that there are here
// and what NCCL_ALGO calls them.
var environAlgorithms = map[string][]struct {
	name  string
	words []string
}{
	"allreduce":     {{choose.Ring.String(), []string{"ring"}}, {choose.Doubling.String(), []string{"tree", "doubling"}}},
	"broadcast":     {{chainName, []string{"ring"}}, {treeName, []string{"tree"}}},
	"reduce":        {{chainName, []string{"ring"}}, {treeName, []string{"tree"}}},
	"allgather":     {{ringName, []string{"ring"}}, {bruckName, []string{"pat"}}},
	"reducescatter": {{ringName, []string{"ring"}}, {bruckName, []string{"pat"}}},
}

// algorithmsFrom reads NCCL_ALGO. What does not exist here is left out, and a remark says
// so where nothing is left of what was asked for.
func algorithmsFrom(r *environ.Reader) (allReduce string, others Algorithms) {
	all, _ := r.ByFunction("NCCL_ALGO")
	var none []string
	of := func(function string) string {
		list, ok := all.For(function)
		if !ok {
			return ""
		}
		name, some := pickAlgorithm(list, function)
		if !some {
			none = append(none, function)
		}
		return name
	}
	allReduce = of("allreduce")
	others = Algorithms{Broadcast: of("broadcast"), Reduce: of("reduce"), AllGather: of("allgather"), ReduceScatter: of("reducescatter")}
	if none != nil {
		r.Remark("NCCL_ALGO", "of what it names there is nothing for "+strings.Join(none, ", ")+", where the choice is by size")
	}
	return allReduce, others
}

// pickAlgorithm is what a list asks for, "auto" if that leaves a choice. It is false if
// the list has nothing that there is here for the function.
func pickAlgorithm(list environ.List, function string) (name string, some bool) {
	var selected []string
	for _, a := range environAlgorithms[function] {
		if slices.ContainsFunc(a.words, func(w string) bool { return slices.Contains(list.Words, w) }) != list.Except {
			selected = append(selected, a.name)
		}
	}
	if len(selected) == 1 {
		return selected[0], true
	}
	return autoName, len(selected) > 0
}
