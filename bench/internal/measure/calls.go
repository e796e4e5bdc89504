package measure

import (
	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/strided"
)

// Line is what makes one line of the table: a call in both of its forms, each
// nil if the mode leaves it out.
type Line struct{ OutOfPlace, InPlace *Call }

// Calls lists the line's calls, out of place first.
func (l Line) Calls() []Call {
	var calls []Call
	for _, c := range []*Call{l.OutOfPlace, l.InPlace} {
		if c != nil {
			calls = append(calls, *c)
		}
	}
	return calls
}

// Lines lists what a case measures among ranks ranks, in nccl-tests' order:
// types, then operators or roots, then sizes.
func Lines(c cli.Case, sweep cli.Sweep, ranks int) []Line {
	var lines []Line
	for _, dt := range c.DTypes {
		for _, variant := range variants(c, ranks) {
			variant.DType = dt
			for count := range sweep.Counts(dt.Size()) {
				if c.Collective.InBlocks() { // the same number for every rank
					count -= count % int64(ranks)
				}
				variant.Count = count
				lines = append(lines, line(variant, c.Mode))
			}
		}
	}
	return lines
}

// variants are the case's operators and its roots.
func variants(c cli.Case, ranks int) []Call {
	var calls []Call
	ops := []strided.Op{strided.Sum}
	if c.Collective.Reduces() {
		ops = c.Ops
	}
	lo, hi := c.Root, c.Root
	if !c.Collective.Rooted() {
		lo, hi = 0, 0
	} else if c.Root == cli.AllRoots {
		lo, hi = 0, ranks-1
	}
	one := Call{Collective: c.Collective, Layout: c.Layout}
	for _, one.Op = range ops {
		for one.Root = lo; one.Root <= hi; one.Root++ {
			calls = append(calls, one)
		}
	}
	return calls
}

func line(c Call, mode cli.Mode) Line {
	var l Line
	if mode.Has(cli.OutOfPlace) {
		out := c
		l.OutOfPlace = &out
	}
	if mode.Has(cli.InPlace) && c.Collective.Has(cli.InPlace) {
		in := c
		in.InPlace = true
		l.InPlace = &in
	}
	return l
}
