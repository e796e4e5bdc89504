package environ

import (
	"fmt"
	"strings"
)

// ByFunction is the value of NCCL_ALGO or NCCL_PROTO: a list for each function that it
// names, and under the empty name the one for all others.
type ByFunction map[string]List

// For returns the list that is about a function, such as "allreduce"; false if none
// is.
func (a ByFunction) For(function string) (List, bool) {
	if l, ok := a[function]; ok {
		return l, true
	}
	l, ok := a[""]
	return l, ok
}

// Functions are those that a ByFunction may name.
func Functions() []string {
	return []string{"allreduce", "broadcast", "reduce", "allgather", "reducescatter"}
}

// algorithmNames are those that NCCL has, and those of this project that it has not.
var algorithmNames = []string{"ring", "tree", "doubling", "collnetdirect", "collnetchain", "collnet", "nvls", "nvlstree", "pat"}

// byFunction takes a list of words, or several, separated by semicolons, each with the
// function's name and a colon in front, except the first, which may stand for all
// functions that have none of their own. Words and functions that it does not know are
// left out.
func byFunction(text string, words []string) Values {
	return Values{text, func(s string) (any, error) {
		all := make(ByFunction)
		var strange []error
		for part := range strings.SplitSeq(s, ";") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			function, list, err := splitFunction(part)
			if err != nil {
				strange = append(strange, err)
				continue
			}
			if _, twice := all[function]; twice {
				strange = append(strange, fmt.Errorf("two lists are about the same function, of which the first counts"))
				continue
			}
			l, err := parseList(list, words)
			if err != nil {
				strange = append(strange, err)
			}
			if len(l.Words) > 0 {
				all[function] = l
			}
		}
		switch {
		case len(all) > 0:
			return all, joined(strange)
		case strange == nil:
			return nil, fmt.Errorf("want a list of %s", strings.Join(words, ", "))
		}
		return nil, joined(strange)
	}}
}

// splitFunction splits function:list; the function is empty if there is none.
func splitFunction(part string) (function, list string, err error) {
	function, list, named := strings.Cut(part, ":")
	if !named {
		return "", part, nil
	}
	i := indexFold(Functions(), strings.TrimSpace(function))
	if i < 0 {
		return "", "", fmt.Errorf("%q is none of %s", function, strings.Join(Functions(), ", "))
	}
	return Functions()[i], strings.TrimSpace(list), nil
}

// ByFunction is the value of a variable such as NCCL_ALGO; false if it is not set.
func (r *Reader) ByFunction(name string) (ByFunction, bool) { return value[ByFunction](r, name) }
