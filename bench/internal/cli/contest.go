package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/monel-dev/monel/strided/dtype"
)

// The peers of the collectives; there is also Torch, torch.distributed with its
// gloo backend. NCCL is torch.distributed with that one, for tensors on GPUs.
const (
	OpenMPI Peer = "openmpi"
	MPICH   Peer = "mpich"
	Gloo    Peer = "gloo"
	NCCL    Peer = "nccl"
)

// Peers lists what collectives can be measured beside.
func Peers() []Peer { return []Peer{OpenMPI, MPICH, Gloo, Torch, NCCL} }

// TCPOnly reports whether a peer has nothing for ranks of one host but TCP.
func (p Peer) TCPOnly() bool { return p == Gloo || p == Torch }

// Contest is what the flags ask for that put others beside ours.
type Contest struct {
	Peers   []Peer
	Limit   bool   // measure what the medium can carry
	Plot    string // file for a picture, .svg or .png
	Results string // file for the tables and what they were measured on
	// ShortIters is how many timed calls up to ShortBytes take instead of
	// Config.Iters, 0 if that was given: twenty calls of a few microseconds would
	// measure how the ranks woke up.
	ShortIters int
	// Settle is how long the calls before the timed ones are to last at least, 0
	// if their number was given. In a contest ranks have slept while others were
	// measured, and then a runtime is busy for milliseconds: Go's looks every few
	// microseconds at first whether its threads get on, on a core that a rank
	// works on.
	Settle time.Duration
}

// ShortBytes is the greatest size of a short call.
const ShortBytes = 64 << 10

// shortIters is the number of timed short calls unless --iters is given.
const shortIters = 200

// settle is Contest.Settle unless --warmup_iters is given.
const settle = 10 * time.Millisecond

// WarmupFor is how many calls go before the timed ones of a contender whose
// calls took so many seconds when it was last measured, 0 if it was not.
func (c *Config) WarmupFor(seconds float64) int {
	if seconds <= 0 {
		return c.Warmup
	}
	return max(c.Warmup, int(math.Ceil(c.Contest.Settle.Seconds()/seconds)))
}

// ItersOf is how many timed calls of a size are made.
func (c *Config) ItersOf(bytes int64) int {
	if c.Contest.ShortIters > 0 && bytes <= ShortBytes {
		return c.Contest.ShortIters
	}
	return c.Iters
}

// Wanted reports whether anything is to be measured beside ours, or drawn.
func (c Contest) Wanted() bool {
	return len(c.Peers) > 0 || c.Limit || c.Plot != "" || c.Results != ""
}

// contestRounds is the number of rounds unless --rounds is given.
const contestRounds = 5

func (l *line) declareContest() {
	c, f := &l.cfg.Contest, l.flags
	f.Var((*peerList)(&c.Peers), "peers", "measure `names` in turns with ours: any of "+join(Peers()))
	f.BoolVar(&c.Limit, "limit", false, "measure in turns with ours what the medium can carry")
	f.StringVar(&c.Plot, "plot", "", "draw bandwidth and latency to `FILE`, .svg or .png")
	f.StringVar(&c.Results, "results", "", "write tables, machine and versions to `FILE`, in Markdown")
}

func (l *line) checkContest() error {
	c := &l.cfg
	if !c.Contest.Wanted() {
		return nil
	}
	if !l.flags.Changed("rounds") {
		c.Rounds = contestRounds
	}
	if !l.flags.Changed("iters") {
		c.Contest.ShortIters = shortIters
	}
	if !l.flags.Changed("warmup_iters") {
		c.Contest.Settle = settle
	}
	if c.Case.Mode == Both {
		c.Case.Mode = one(c.Case.Collective)
	}
	plot := strings.ToLower(c.Contest.Plot)
	switch {
	case c.Case.Device != CPU && c.Contest.Limit:
		return errors.New("--limit measures what is between tensors in host memory: leave it or --device out")
	case c.Case.Device != CPU && slices.ContainsFunc(c.Contest.Peers, func(p Peer) bool { return p != NCCL }):
		return errors.New("--peers: on GPUs there is nccl alone")
	case c.Case.Device == CPU && slices.Contains(c.Contest.Peers, NCCL):
		return errors.New("--peers nccl: it works on GPUs: give --device cuda")
	case c.Contest.Limit && !c.Case.Collective.Against(""):
		return fmt.Errorf("--limit: there is none for %s: leave it out", c.Case.Collective)
	case c.Rounds < 1:
		return fmt.Errorf("--rounds %d: want at least 1", c.Rounds)
	case len(c.Case.Ops) > 1 || len(c.Case.DTypes) > 1 || c.Case.Root == AllRoots:
		return errors.New("--peers and --limit compare one operator, one element type and one root: name them instead of all")
	case len(c.Contest.Peers) > 0 && c.Case.Collective.Reduces() && c.Case.Ops[0] != dtype.Sum:
		return errors.New("--peers: all contenders reduce with sum: leave --op out")
	case plot != "" && !strings.HasSuffix(plot, ".svg") && !strings.HasSuffix(plot, ".png"):
		return fmt.Errorf("--plot %s: want a name that ends in .svg or .png", c.Contest.Plot)
	}
	asked := c.Case.Transport == Auto && l.flags.Changed("transport")
	for _, p := range c.Contest.Peers {
		if !c.Case.Collective.Against(p) {
			return fmt.Errorf("--peers %s: it does not do %s here", p, c.Case.Collective)
		}
		if p.TCPOnly() && c.Case.Transport != TCP && !asked {
			return fmt.Errorf("--peers %s: it has TCP only: give --transport tcp, so that all use the same medium, or --transport auto, to compare what each finds", p)
		}
	}
	return nil
}

// peerList is a flag value such as openmpi,gloo.
type peerList []Peer

func (p *peerList) Set(s string) error {
	var list peerList
	for _, part := range strings.Split(s, ",") {
		var peer Peer
		if err := (choice[Peer]{&peer, "a peer", Peers()}).Set(part); err != nil {
			return err
		}
		if !slices.Contains(list, peer) {
			list = append(list, peer)
		}
	}
	*p = list
	return nil
}

func (p *peerList) String() string { return join(*p) }
func (*peerList) Type() string     { return "names" }
