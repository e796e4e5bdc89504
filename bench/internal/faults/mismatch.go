package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/engine"
)

// Disagreements is what a campaign of ranks that disagree has found about a collective.
type Disagreements struct {
	Collective cli.Collective
	Cases      int
	Failures   int
	Silent     int // cases in which a rank returned no MismatchError, in its call or the next
	Written    int // in which a buffer was written that must not be
	Usable     int // in which the communicator stayed usable, and was
	Took       []time.Duration
}

// The sizes of worlds that disagree.
const (
	leastWorld = 2
	mostWorld  = 8
)

// disagreement is a case: rank a makes a call that differs in one thing, and rank b, if
// there is one, a call that differs in another.
type disagreement struct {
	collective cli.Collective
	size       int
	a, b       int
	what, more difference // more is "" if b agrees with the rest
}

func (d *disagreement) String() string {
	s := fmt.Sprintf("%s among %d ranks: rank %d has another %s", d.collective, d.size, d.a, d.what)
	if d.more != "" {
		s += fmt.Sprintf(", rank %d another %s", d.b, d.more)
	}
	return s
}

// disagreements lists all cases: every pair of differences that the collective can have,
// in every world. Who differs is drawn by lot.
func disagreements(seed uint64) (all []disagreement) {
	r := rand.New(rand.NewPCG(seed, 1))
	for _, collective := range disagreeing() {
		for size := leastWorld; size <= mostWorld; size++ {
			kinds := differencesOf(collective)
			for i, what := range kinds {
				for _, more := range kinds[i:] {
					p := r.Perm(size)
					d := disagreement{collective: collective, size: size, a: p[0], b: p[1], what: what, more: more}
					switch {
					case what == more:
						d.more = ""
					case size == 2 && what == ofOrder && more == ofNothing:
						continue // both begin with the same call
					}
					all = append(all, d)
				}
			}
		}
	}
	return all
}

// mismatchLanes is how many worlds disagree at a time: many wait for a second.
const mismatchLanes = 8

// Disagree has ranks disagree in all cases, or in as many of them as there are trials,
// drawn by lot.
func (cfg *Config) Disagree() ([]*Disagreements, error) {
	cases := disagreements(cfg.Seed)
	if n := cfg.Trials; n > 0 && n < len(cases) {
		rand.New(rand.NewPCG(cfg.Seed, 2)).Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:n]
	}
	// Cases of one size follow each other, so that a world serves many.
	slices.SortStableFunc(cases, func(a, b disagreement) int { return a.size - b.size })
	var all []*Disagreements
	for _, c := range disagreeing() {
		all = append(all, &Disagreements{Collective: c})
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make([]error, mismatchLanes)
	for lane := range mismatchLanes {
		wg.Go(func() {
			w := &worlds{transport: cfg.Transport}
			defer w.close()
			for i := lane; i < len(cases) && errs[lane] == nil; i += mismatchLanes {
				d := &cases[i]
				began := time.Now()
				f, err := d.run(w)
				if err != nil {
					errs[lane] = fmt.Errorf("%v: %w", d, err)
					return
				}
				mu.Lock()
				f.count(all[slices.Index(disagreeing(), d.collective)], time.Since(began))
				if len(f.faults) > 0 {
					fmt.Fprintf(cfg.Log, "%v:\n", d)
					for _, s := range f.faults {
						fmt.Fprintf(cfg.Log, "  %s\n", s)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// verdict is a case as it was judged.
type verdict struct {
	silent, written, usable bool
	faults                  []string
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

func (v *verdict) count(d *Disagreements, took time.Duration) {
	d.Cases++
	d.Took = append(d.Took, took)
	for n, yes := range map[*int]bool{&d.Failures: len(v.faults) > 0, &d.Silent: v.silent, &d.Written: v.written, &d.Usable: v.usable} {
		if yes {
			*n++
		}
	}
}

// run has the ranks of a world make their calls and then one that all make alike.
func (d *disagreement) run(w *worlds) (*verdict, error) {
	comms, err := w.of(d.size)
	if err != nil {
		return nil, err
	}
	v := &verdict{}
	calls := make([][]*madeCall, d.size)
	errs := make([]error, d.size)
	var wg sync.WaitGroup
	for rank, c := range comms {
		calls[rank] = d.calls(rank)
		wg.Go(func() {
			for _, call := range calls[rank] {
				if errs[rank] = call.make(c); errs[rank] != nil {
					return
				}
			}
			errs[rank] = same(c)
		})
	}
	wg.Wait()
	for rank, err := range errs {
		var mismatch *engine.MismatchError
		if !errors.Is(err, engine.ErrMismatch) || !errors.As(err, &mismatch) || len(mismatch.Groups) < 2 {
			v.silent = true
			v.fault("rank %d returns %v", rank, err)
		}
		for _, call := range calls[rank] {
			if d.untouched(rank, calls) && !call.isRoots(rank) && !call.intact() {
				v.written = true
				v.fault("rank %d: %v has written", rank, call.kind)
			}
		}
	}
	for _, c := range comms {
		if c.Err() != nil {
			w.close() // it says that it cannot be used any more
			return v, nil
		}
	}
	v.usable = true
	for rank, err := range each(comms, same) {
		if err != nil {
			v.usable = false
			v.fault("the communicator should be usable, but rank %d returns %v", rank, err)
		}
	}
	if !v.usable {
		w.close()
	}
	return v, nil
}

// untouched reports whether nothing of a rank's may be written: in a collective that
// reduces, nobody's; else that of ranks whose call is not like the root's, or, without a
// root, not like the others'. A rank that takes itself for a root that only sends copies
// its own, and is done before it can know.
func (d *disagreement) untouched(rank int, calls [][]*madeCall) bool {
	switch {
	case d.collective.Reduces():
		return true
	case !d.collective.Rooted():
		return rank == d.a || rank == d.b && d.more != ""
	}
	return rank != 0 && !calls[rank][0].like(calls[0])
}

// worlds keeps a communicator of ranks of this process for as long as it is usable.
type worlds struct {
	transport string
	comms     []*engine.Comm
}

func (w *worlds) of(size int) ([]*engine.Comm, error) {
	if len(w.comms) == size {
		return w.comms, nil
	}
	w.close()
	o := Order{Transport: w.transport, Timeout: time.Minute, InitTimeout: time.Minute}
	cfg := o.config()
	cfg.ID = engine.UniqueID{}
	var err error
	w.comms, err = engine.InitAll(context.Background(), size, cfg)
	return w.comms, err
}

func (w *worlds) close() {
	each(w.comms, (*engine.Comm).Close)
	w.comms = nil
}

// each calls f for every rank, side by side.
func each(comms []*engine.Comm, f func(*engine.Comm) error) []error {
	errs := make([]error, len(comms))
	var wg sync.WaitGroup
	for rank, c := range comms {
		wg.Go(func() { errs[rank] = f(c) })
	}
	wg.Wait()
	return errs
}
