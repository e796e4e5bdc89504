package environ

import (
	"fmt"
	"strings"
)

// Algorithms is the value of NCCL_ALGO: a list for each function that it names, and
// under the empty name the one for all others.
type Algorithms map[string]List

// For returns the list that is about a function, such as "allreduce"; false if none
// is.
func (a Algorithms) For(function string) (List, bool) {
	if l, ok := a[function]; ok {
		return l, true
	}
	l, ok := a[""]
	return l, ok
}

// The names that NCCL has, and those of this project that it has not.
var (
	algorithmNames = []string{"ring", "tree", "doubling", "collnetdirect", "collnetchain", "collnet", "nvls", "nvlstree", "pat"}
	functionNames  = []string{"allreduce", "broadcast", "reduce", "allgather", "reducescatter"}
)

// algorithmList takes a list of algorithms, or several, separated by semicolons, each
// with the function's name and a colon in front, except the first, which may stand
// for all functions that have none of their own.
func algorithmList() Values {
	return Values{
		"a list of `Ring`, `Tree`, `doubling` (ours) and what else NCCL has; `^` in front: all but those; for one function: `allreduce:Ring;broadcast:Tree`",
		func(s string) (any, error) {
			all := make(Algorithms)
			for part := range strings.SplitSeq(s, ";") {
				if part = strings.TrimSpace(part); part == "" {
					continue
				}
				function, list, named := strings.Cut(part, ":")
				if !named {
					function, list = "", part
				} else if i := indexFold(functionNames, strings.TrimSpace(function)); i >= 0 {
					function = functionNames[i]
				} else {
					return nil, fmt.Errorf("%q is none of %s", function, strings.Join(functionNames, ", "))
				}
				l, err := parseList(strings.TrimSpace(list), algorithmNames)
				if err != nil {
					return nil, err
				}
				if _, twice := all[function]; twice {
					return nil, fmt.Errorf("two lists are about the same function")
				}
				all[function] = l
			}
			if len(all) == 0 {
				return nil, fmt.Errorf("want a list of algorithms")
			}
			return all, nil
		},
	}
}

// Algorithms is the value of a variable such as NCCL_ALGO; false if it is not set.
func (r *Reader) Algorithms(name string) (Algorithms, bool) { return value[Algorithms](r, name) }
