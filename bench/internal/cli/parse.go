package cli

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// ErrHelp is returned when the command line asks for help.
var ErrHelp = pflag.ErrHelp

// line is a command line being read: the flags' destinations.
type line struct {
	cfg     Config
	ops     collectiveOps
	dtypes  dtypeList
	root    rootValue
	timeout timeoutValue
	layouts layoutPair
	vs      string
	flags   *pflag.FlagSet
}

// Parse reads the arguments after the program's name. Flags and words may come
// in any order. Its errors say what was wrong and are meant to be shown as they
// are; ErrHelp means that Usage is wanted.
func Parse(args []string) (*Config, error) {
	l, err := read(args)
	if err != nil {
		return nil, err
	}
	if err := l.checkCommon(); err != nil {
		return nil, err
	}
	if err := l.checkNcclTests(); err != nil {
		return nil, err
	}
	if l.cfg.Verb == Ratio {
		err = l.checkRatio(args)
	} else {
		err = l.checkMeasure()
	}
	if err != nil {
		return nil, err
	}
	return &l.cfg, nil
}

func read(args []string) (*line, error) {
	l := newLine()
	if err := l.flags.Parse(normalize(args)); err != nil {
		return nil, explain(err)
	}
	if err := l.words(l.flags.Args()); err != nil {
		return nil, err
	}
	l.cfg.Case.Ops = l.ops
	l.cfg.Case.DTypes = l.dtypes
	l.cfg.Case.Root = int(l.root)
	l.cfg.Timeout = time.Duration(l.timeout)
	l.cfg.NPGiven = l.flags.Changed("np")
	return l, nil
}

// newLine declares the flags with nccl-tests' defaults.
func newLine() *line {
	l := &line{
		cfg: Config{
			Verb:  Measure,
			Case:  Case{Layout: layouts.Contiguous, Mode: Both, Device: CPU, Transport: Auto, Algorithm: BySize, Protection: Unprotected},
			Sweep: Sweep{Min: 32 << 20, Max: 32 << 20, Step: 1 << 20, Factor: 1},

			Average: greatest,
		},
		ops:    collectiveOps{dtype.Sum},
		dtypes: dtypeList{dtype.Float32},
		flags:  pflag.NewFlagSet("bench", pflag.ContinueOnError),
	}
	c, f := &l.cfg, l.flags
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.Usage = func() {}

	f.VarP(&c.Sweep.Min, "minbytes", "b", "smallest message `size`; K, M and G are binary multiples")
	f.VarP(&c.Sweep.Max, "maxbytes", "e", "largest message `size`")
	f.VarP(&c.Sweep.Step, "stepbytes", "i", "`size` added from message to message")
	f.Int64VarP(&c.Sweep.Factor, "stepfactor", "f", 1, "multiply from message to message by `N` instead, when at least 2")
	f.IntVarP(&c.Iters, "iters", "n", 20, "timed `calls` per measurement, back to back")
	f.IntVarP(&c.Warmup, "warmup_iters", "w", 5, "`calls` before them that are not timed")
	f.IntVarP(&c.Check, "check", "c", 1, "verified `calls` per measurement; 0 verifies nothing")
	f.VarP(&l.ops, "op", "o", "reduction `operator`: "+opNames(oracle.Ops())+", or all")
	f.VarP(&l.dtypes, "datatype", "d", "element `type`: "+join(dtype.All())+", or all")
	f.VarP(&l.root, "root", "r", "root `rank`, or all")
	f.BoolVar(&c.Bind, "bind", true, "with -np, work on a core of its own in each rank if there are enough")
	f.VarP(&l.timeout, "timeout", "T", "give up when nothing happens for this `time`, as 30s or in seconds")
	f.IntVar(&c.NP, "np", 2, "start `N` processes on this machine; -np N also")
	f.Var(choice[Transport]{&c.Case.Transport, "a transport", transports()}, "transport", "`wire`: "+join(transports()))
	f.Var(choice[Device]{&c.Case.Device, "a device", devices()}, "device", "`where` tensors are: "+join(devices())+"; ranks of a host take its GPUs in turns")
	f.Var(choice[layouts.Name]{&c.Case.Layout, "a layout", layouts.Names()}, "layout", "how tensors lie in memory, a `layout`: "+join(layouts.Names()))
	f.Var(choice[Mode]{&c.Case.Mode, "a mode", modes()}, "mode", "`which` buffers a call gets: "+join(modes()))
	f.Var(choice[Algorithm]{&c.Case.Algorithm, "an algorithm", algorithms()}, "algorithm", "how all_reduce `works`: "+join(algorithms()))
	f.BoolVar(&c.Case.LogicalOrder, "logical_order", false, "walk elements in logical order whatever the layout")
	f.IntVar(&c.Case.Connections, "connections", 0, "TCP `connections` of a link; 0 leaves that to NCCL's variables, else 1 between hosts and up to 4 within one")
	f.Var(choice[Protection]{&c.Case.Protection, "a protection", protections()}, "protect", "what protects `data` on its way: "+join(protections()))
	f.StringVar(&c.JSON, "json", "", "write one object per row to `FILE`; - is standard output")
	f.Var(&l.layouts, "layouts", "ratio: the `two` layouts to compare, as in transpose,contiguous")
	f.StringVar(&l.vs, "vs", "", "ratio: `flags` that make the second configuration out of the first")
	l.declareNcclTests()
	l.declareContest()
	f.IntVar(&c.Rounds, "rounds", 9, "ratio, peers (5), limit (5): `times` that everything is measured")
	f.Float64Var(&c.MaxRatio, "max_ratio", 0, "ratio: fail when the median is above `R`")
	return l
}

// words takes the arguments that are not flags: [ratio] COLLECTIVE.
func (l *line) words(words []string) error {
	for _, w := range words {
		switch name := Collective(strings.TrimSuffix(w, "_perf")); {
		case w == string(Ratio) && l.cfg.Verb != Ratio:
			l.cfg.Verb = Ratio
		case l.cfg.Case.Collective != "":
			return fmt.Errorf("unexpected argument %q after %s", w, l.cfg.Case.Collective)
		case slices.Contains(Collectives(), name):
			l.cfg.Case.Collective = name
		default:
			return fmt.Errorf("%q is not a collective: want one of %s", w, join(Collectives()))
		}
	}
	if l.cfg.Case.Collective == "" {
		return fmt.Errorf("no collective given: want one of %s", join(Collectives()))
	}
	return nil
}

// explain makes the request for help one of this package.
func explain(err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return ErrHelp
	}
	return err
}

// settings are the flags that ratio's --vs may not change.
func (c *Config) settings() Config {
	s := *c
	s.Case, s.Base = Case{}, Case{}
	return s
}

func (l *line) checkRatio(args []string) error {
	c := &l.cfg
	given := l.flags.Changed
	switch {
	case given("vs") == given("layouts"):
		return errors.New("ratio compares two configurations: give either --layouts A,B or --vs FLAGS")
	case given("layouts") && given("layout"):
		return errors.New("--layouts already names the layouts: leave --layout out")
	case c.Contest.Wanted():
		return errors.New("ratio compares two configurations of ours: leave --peers, --limit, --plot and --results out")
	case c.Rounds < 1:
		return fmt.Errorf("--rounds %d: want at least 1", c.Rounds)
	case c.MaxRatio < 0:
		return fmt.Errorf("--max_ratio %g: want a positive ratio, or 0 for no limit", c.MaxRatio)
	}
	c.Base = c.Case
	if given("layouts") {
		c.Case.Layout, c.Base.Layout = l.layouts[0], l.layouts[1]
	} else {
		base, err := read(slices.Concat(flagsOnly(args), strings.Fields(l.vs)))
		if err != nil {
			return fmt.Errorf("--vs %q: %w", l.vs, err)
		}
		base.vs, base.cfg.NPGiven = l.vs, c.NPGiven
		if !reflect.DeepEqual(base.cfg.settings(), c.settings()) {
			return fmt.Errorf("--vs %q: only the collective's own flags may differ: --layout, --mode, --op, --datatype, --root, --device, --transport, --algorithm, --logical_order, --connections, --protect", l.vs)
		}
		c.Base = base.cfg.Case
	}
	for _, side := range []*Case{&c.Case, &c.Base} {
		if side.Mode == Both {
			side.Mode = one(side.Collective)
		}
		if len(side.Ops) > 1 || len(side.DTypes) > 1 || side.Root == AllRoots {
			return errors.New("ratio compares one operator, one element type and one root: name them instead of all")
		}
	}
	if reflect.DeepEqual(c.Case, c.Base) {
		return errors.New("ratio: both configurations are the same")
	}
	return nil
}

// flagsOnly is args up to a "--", after which flags would be taken for words.
func flagsOnly(args []string) []string {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i]
	}
	return args
}

func (l *line) checkMeasure() error {
	for _, name := range []string{"layouts", "vs", "rounds", "max_ratio"} {
		if l.flags.Changed(name) && !(name == "rounds" && l.cfg.Contest.Wanted()) {
			return fmt.Errorf("--%s belongs to ratio: bench ratio %s --%s …", name, l.cfg.Case.Collective, name)
		}
	}
	return l.checkContest()
}

// one is the mode that is measured where only one can be: in place, if there is that.
func one(c Collective) Mode {
	if c.Has(InPlace) {
		return InPlace
	}
	return OutOfPlace
}

// maxSizes bounds a sweep, so that a forgotten step does not run for days.
const maxSizes = 1 << 14

func (l *line) checkCommon() error {
	c := &l.cfg
	s := c.Sweep
	switch {
	case s.Min > s.Max:
		return fmt.Errorf("--minbytes %v is above --maxbytes %v", s.Min, s.Max)
	case s.Factor < 1:
		return fmt.Errorf("--stepfactor %d: want at least 1", s.Factor)
	case s.Factor == 1 && s.Step == 0 && s.Min < s.Max:
		return errors.New("--stepbytes 0 never reaches --maxbytes")
	case s.Factor == 1 && s.Step > 0 && int64(s.Max-s.Min)/int64(s.Step) >= maxSizes:
		return fmt.Errorf("--stepbytes %v makes more than %d sizes from %v to %v", s.Step, maxSizes, s.Min, s.Max)
	case c.Iters < 1:
		return fmt.Errorf("--iters %d: want at least 1", c.Iters)
	case c.Warmup < 0:
		return fmt.Errorf("--warmup_iters %d: want 0 or more", c.Warmup)
	case c.Check < 0:
		return fmt.Errorf("--check %d: want 0 or more", c.Check)
	case c.Case.Connections < 0 || c.Case.Connections > engine.MaxConnections:
		return fmt.Errorf("--connections %d: want 1 to %d", c.Case.Connections, engine.MaxConnections)
	case c.Case.Mode != Both && !c.Case.Collective.Has(c.Case.Mode):
		return fmt.Errorf("--mode %s: %s has no such form", c.Case.Mode, c.Case.Collective)
	case c.NP < 1:
		return fmt.Errorf("-np %d: want at least 1", c.NP)
	}
	return nil
}
