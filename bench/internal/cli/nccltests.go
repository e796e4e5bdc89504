package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// declareNcclTests declares the flags by which nccl-tests does what has another name here,
// or does not exist, so that its command lines can be pasted.
func (l *line) declareNcclTests() {
	c, f := &l.cfg, l.flags
	f.IntVarP(&c.Aggregate, "agg_iters", "m", 1, "make `calls` as one group; times are of one call")
	f.VarP(numberOf{&c.Average, 0, 3}, "average", "a", "whose `time` counts: 0 rank 0's, 1 the mean, 2 the least, 3 the greatest, which is the default here and 1 in nccl-tests")
	f.VarP(flagOf{&c.Blocking}, "blocking", "z", "`1`: wait for each call on a GPU; calls in host memory return when they are done in any case")
	f.IntVarP(&c.Cycles, "run_cycles", "N", 1, "measure the whole table so many `times`; 0: without end")
	f.VarP(registerOf{&c.Register}, "local_register", "R", "`1` or 2: tell the communicator of the buffers, from which RDMA then sends as they lie")
	const np = "every rank is one process here; -np N sets their number"
	for _, o := range []only{
		{"ngpus", "g", []string{"1"}, np},
		{"nthreads", "t", []string{"1"}, np},
		{"parallel_init", "p", []string{"0", "1"}, "give 0 or 1; ranks are made side by side in any case"},
		{"cudagraph", "G", []string{"0"}, "calls cannot be captured in CUDA graphs here"},
		{"report_cputime", "C", []string{"0"}, "there is no column for it: calls in host memory take the processor's time, and those on a GPU return at once"},
	} {
		f.VarP(o, o.name, o.short, "accepted as nccl-tests has it: `"+strings.Join(o.values, " or ")+"`, which changes nothing")
	}
}

// checkNcclTests checks what these say.
func (l *line) checkNcclTests() error {
	c := &l.cfg
	switch {
	case c.Aggregate < 1:
		return fmt.Errorf("--agg_iters %d: want at least 1", c.Aggregate)
	case c.Cycles < 0:
		return fmt.Errorf("--run_cycles %d: want 0 or more", c.Cycles)
	case c.Aggregate > 1 && (c.Case.Collective == SendRecv || c.Case.Collective == Hypercube):
		return fmt.Errorf("--agg_iters %d: %s is made of groups already, whose messages would be received into one place", c.Aggregate, c.Case.Collective)
	case c.Contest.Wanted() && (c.Aggregate > 1 || c.Average != greatest || c.Cycles != 1 || c.Register):
		return errors.New("--peers and --limit: the others have no --agg_iters, --average, --run_cycles and --local_register: leave them out")
	case c.Verb == Ratio && (c.Cycles != 1 || c.Register):
		return errors.New("ratio has --rounds, and measures memory that is not registered: leave --run_cycles and --local_register out")
	}
	return nil
}

// greatest is what Config.Average is by default: a collective has ended when it has on
// every rank.
const greatest = 3

// only is a flag that takes what changes nothing here.
type only struct {
	name, short string
	values      []string
	why         string // nothing else is possible
}

func (o only) Set(s string) error {
	if n, err := strconv.Atoi(s); err == nil && slices.Contains(o.values, strconv.Itoa(n)) {
		return nil
	}
	return errors.New(o.why)
}

func (o only) String() string { return "" }
func (o only) Type() string   { return "number" }

// numberOf is a number from lo to hi.
type numberOf struct {
	to     *int
	lo, hi int
}

func (v numberOf) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < v.lo || n > v.hi {
		return fmt.Errorf("want a number from %d to %d", v.lo, v.hi)
	}
	*v.to = n
	return nil
}

func (v numberOf) String() string { return strconv.Itoa(*v.to) }
func (v numberOf) Type() string   { return "number" }

// flagOf is 0 or 1.
type flagOf struct{ to *bool }

func (v flagOf) Set(s string) error {
	var n int
	err := numberOf{&n, 0, 1}.Set(s)
	*v.to = n == 1
	return err
}

func (v flagOf) String() string { return "" }
func (v flagOf) Type() string   { return "number" }

// registerOf is 0, 1 or 2, which differ in what NCCL does with the memory.
type registerOf struct{ to *bool }

func (v registerOf) Set(s string) error {
	var n int
	err := numberOf{&n, 0, 2}.Set(s)
	*v.to = n > 0
	return err
}

func (v registerOf) String() string { return "" }
func (v registerOf) Type() string   { return "number" }
