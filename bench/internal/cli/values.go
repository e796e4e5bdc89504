package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/strided/dtype"
)

// AllRoots as a root means that every rank is the root in turn.
const AllRoots = -1

// all is the word that stands for every operator, type or root.
const all = "all"

// otherNames are spellings of element types besides nccl-tests' own, from
// NCCL's header, from PyTorch and from nccl-tests of other years.
var otherNames = map[string]dtype.DType{
	"char": dtype.Int8, "int": dtype.Int32,
	"float16": dtype.Float16, "fp16": dtype.Float16,
	"float32": dtype.Float32, "fp32": dtype.Float32,
	"float64": dtype.Float64, "fp64": dtype.Float64,
	"bf16":     dtype.BFloat16,
	"fp8_e4m3": dtype.Float8E4M3, "float8_e4m3": dtype.Float8E4M3, "float8_e4m3fn": dtype.Float8E4M3,
	"fp8_e5m2": dtype.Float8E5M2, "float8_e5m2": dtype.Float8E5M2,
}

// dtypeList is one or several element types, separated by commas, or all.
type dtypeList []dtype.DType

func (l *dtypeList) Set(s string) error {
	if s == all {
		*l = dtype.All()
		return nil
	}
	var list dtypeList
	for name := range strings.SplitSeq(s, ",") {
		dt, ok := otherNames[name]
		for _, known := range dtype.All() {
			if known.String() == name {
				dt, ok = known, true
			}
		}
		switch {
		case !ok:
			return fmt.Errorf("%q is not an element type: want one of %s, several separated by commas, or all", name, join(dtype.All()))
		case slices.Contains(list, dt):
			return fmt.Errorf("%q names %v twice", s, dt)
		}
		list = append(list, dt)
	}
	*l = list
	return nil
}

func (l *dtypeList) String() string { return join(*l) }
func (*dtypeList) Type() string     { return "type" }

type opList []dtype.Op

func (l *opList) Set(s string) error {
	if s == all {
		*l = dtype.Ops()
		return nil
	}
	for _, op := range dtype.Ops() {
		if op.String() == s {
			*l = opList{op}
			return nil
		}
	}
	return fmt.Errorf("%q is not a reduction operator: want one of %s, or all", s, join(dtype.Ops()))
}

func (l *opList) String() string { return join(*l) }

// collectiveOps are operators of collectives: those of kernels, and mulsum.
type collectiveOps []dtype.Op

func (l *collectiveOps) Set(s string) error {
	if s == all {
		*l = oracle.Ops()
		return nil
	}
	for _, op := range oracle.Ops() {
		if oracle.OpName(op) == s {
			*l = collectiveOps{op}
			return nil
		}
	}
	return fmt.Errorf("%q is not a reduction operator: want one of %s, or all", s, opNames(oracle.Ops()))
}

func (l *collectiveOps) String() string { return opNames(*l) }
func (*collectiveOps) Type() string     { return "op" }

func opNames(ops []dtype.Op) string {
	var names []string
	for _, op := range ops {
		names = append(names, oracle.OpName(op))
	}
	return strings.Join(names, ", ")
}

func (*opList) Type() string { return "op" }

type rootValue int

func (r *rootValue) Set(s string) error {
	if s == all {
		*r = AllRoots
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a root: want a rank, or all", s)
	}
	*r = rootValue(n)
	return nil
}

func (r *rootValue) String() string {
	if *r == AllRoots {
		return all
	}
	return strconv.Itoa(int(*r))
}
func (*rootValue) Type() string { return "rank" }

// choice is a flag whose value is one of a few words.
type choice[T ~string] struct {
	value   *T
	what    string
	allowed []T
}

func (c choice[T]) Set(s string) error {
	for _, a := range c.allowed {
		if string(a) == s {
			*c.value = a
			return nil
		}
	}
	return fmt.Errorf("%q is not %s: want one of %s", s, c.what, join(c.allowed))
}

func (c choice[T]) String() string { return string(*c.value) }
func (c choice[T]) Type() string   { return "name" }

// layoutPair is ratio's --layouts A,B.
type layoutPair []layouts.Name

func (p *layoutPair) Set(s string) error {
	parts := strings.Split(s, ",")
	if len(parts) != 2 {
		return fmt.Errorf("%q names %d layouts: want two, as in transpose,contiguous", s, len(parts))
	}
	var pair layoutPair
	for _, part := range parts {
		var name layouts.Name
		if err := (choice[layouts.Name]{&name, "a layout", layouts.Names()}).Set(part); err != nil {
			return err
		}
		pair = append(pair, name)
	}
	*p = pair
	return nil
}

func (p *layoutPair) String() string { return join(*p) }
func (*layoutPair) Type() string     { return "A,B" }

func join[T any](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}
