package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Campaigns are what faults can do to ranks, in the order in which all do it.
func Campaigns() []string {
	return []string{"kill", "exit", "crash", "stop", "cut", "mismatch", "strangers", "soak"}
}

// cuts are the parts of cut, each a campaign of its own: to repeat one of its trials takes
// all before it, and those of the others need not be among them.
func cuts() []string { return []string{"cut-both", "cut-in", "cut-out", "link-down"} }

// FaultsConfig is a command line of the verb faults.
type FaultsConfig struct {
	Campaigns  []string
	Ranks      int
	RanksGiven bool
	Transports []Transport
	Trials     int // of each campaign; 0: as many as it takes
	Seed       uint64
	Timeout    time.Duration // after which a silent rank has to be noticed
	Time       time.Duration // of soak
	Write      string        // file whose tables are replaced
}

const faultsHead = `Take ranks away from jobs that run, or have them disagree, and look at what the
others do about it.

  bench faults kill|exit|crash|stop|cut|mismatch|strangers|soak|all [flags]

kill     kill -9 of a rank at a random moment, from its first connection to its last
exit     os.Exit in the midst of things
crash    a panic in the midst of things
stop     SIGSTOP
cut      packets lost in both directions or in one, and the link down; needs root and
         ip and bridge of iproute2. cut-both, cut-in, cut-out and link-down are one of them
mismatch every pair of different counts, types, operators, roots, shapes, collectives,
         orders and calls not made, among 2 to 8 ranks
strangers 10,000 connections with garbage, recordings, half a handshake or nothing, while
         ranks join and while they reduce over TCP; two ranks, unless -np says otherwise
soak     random calls with communicators made, shrunk and closed, for --time

Several, separated by commas, go one after the other; all is all but soak. Survivors
have to return in time with the lost rank's name, every value has to be right, and
nothing may be left behind.

Exit status: 0 when everything was as promised, else 1.

Flags:
`

// FaultsUsage is the text that help prints.
func FaultsUsage() string {
	flags, _ := faultsFlags(new(FaultsConfig))
	return faultsHead + flags.FlagUsages()
}

func faultsFlags(c *FaultsConfig) (*pflag.FlagSet, *[]string) {
	var wires []string
	f := pflag.NewFlagSet("bench faults", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.IntVar(&c.Ranks, "np", 4, "`number` of ranks, 3 to 8; mismatch has 2 to 8, whatever this says")
	f.StringSliceVar(&wires, "transport", []string{"tcp", "shm"}, "`wires`: tcp, shm or both; cut is between hosts and has tcp")
	f.IntVar(&c.Trials, "trials", 0, "`number` of trials of each campaign and wire: 500 kills, 100 of the others, and 400 cuts, unless this says otherwise; of mismatch, how many of its cases, drawn by lot")
	f.Uint64Var(&c.Seed, "seed", 0, "what random `number` everything follows from; 0 draws one")
	f.DurationVar(&c.Timeout, "timeout", 2*time.Second, "`time` after which a silent rank has to be noticed, for stop and cut")
	f.DurationVar(&c.Time, "time", time.Hour, "how `long` soak goes on")
	f.StringVar(&c.Write, "write", "", "put the tables into `FILE`, in place of those it has, as docs/reliability.md")
	return f, &wires
}

// The fewest ranks that can say which of them is lost to the others, and the most that
// programs are made for.
const (
	minFaultRanks = 3
	maxFaultRanks = 8
)

// ParseFaults reads the arguments after the verb.
func ParseFaults(args []string) (*FaultsConfig, error) {
	c := &FaultsConfig{}
	f, wires := faultsFlags(c)
	if err := f.Parse(normalize(args)); err != nil {
		return nil, explain(err)
	}
	if f.NArg() == 0 {
		return nil, fmt.Errorf("faults: say which: %s or all", strings.Join(Campaigns(), ", "))
	}
	for _, word := range f.Args() {
		for name := range strings.SplitSeq(word, ",") {
			switch {
			case name == "all":
				c.Campaigns = append(c.Campaigns, slices.DeleteFunc(Campaigns(), func(s string) bool { return s == "soak" })...)
			case slices.Contains(Campaigns(), name) || slices.Contains(cuts(), name):
				c.Campaigns = append(c.Campaigns, name)
			default:
				return nil, fmt.Errorf("faults %q: want %s or all", name, strings.Join(Campaigns(), ", "))
			}
		}
	}
	for _, w := range *wires {
		if Transport(w) != TCP && Transport(w) != SHM {
			return nil, fmt.Errorf("--transport %q: want tcp, shm or both, separated by a comma", w)
		}
		c.Transports = append(c.Transports, Transport(w))
	}
	c.RanksGiven = f.Changed("np")
	switch {
	case c.Ranks < minFaultRanks || c.Ranks > maxFaultRanks:
		return nil, fmt.Errorf("--np %d: from %d to %d ranks are possible", c.Ranks, minFaultRanks, maxFaultRanks)
	case c.Trials < 0:
		return nil, fmt.Errorf("--trials %d: give a positive number", c.Trials)
	case c.Timeout < time.Second:
		return nil, fmt.Errorf("--timeout %v: give a second or more", c.Timeout)
	case c.Time <= 0:
		return nil, fmt.Errorf("--time %v: give a positive time", c.Time)
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c, nil
}
