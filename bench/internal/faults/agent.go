package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/engine"
)

// Word is the command line's that makes a process an agent.
const Word = "faults-agent"

// Agent carries out the orders that it reads from in, one after the other, and tells on
// out what happens. It ends the process when in ends, also in the midst of an order, so
// that no agent outlives its campaign.
func Agent(in io.Reader, out io.Writer) error {
	buffers, err := measure.NewBuffers(storage)
	if err != nil {
		return err
	}
	a := &agent{buffers: buffers, out: json.NewEncoder(out)}
	a.idle = runtime.NumGoroutine() + 1 // and the reader
	orders := make(chan Order)
	go func() {
		lines := json.NewDecoder(bufio.NewReader(in))
		for {
			var o Order
			if err := lines.Decode(&o); err != nil {
				os.Exit(0)
			}
			orders <- o
		}
	}()
	for o := range orders {
		a.carryOut(o)
	}
	return nil
}

type agent struct {
	buffers *measure.Buffers
	idle    int // goroutines that there are without a communicator

	mu  sync.Mutex
	out *json.Encoder
}

// tell sends an event on its way.
func (a *agent) tell(o *Order, e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.Trial = o.Trial
	if err := a.out.Encode(e); err != nil {
		os.Exit(1) // nobody listens
	}
}

// carryOut is a rank's whole life.
func (a *agent) carryOut(o Order) {
	death := time.AfterFunc(time.Hour, func() { a.die(&o) })
	death.Stop()
	die := func() {
		if o.Death != Lives {
			death.Reset(o.After)
		}
	}
	if o.Early {
		die()
	}
	var open []io.Closer
	joined := false
	err := a.live(&o, &open, func() {
		joined = true
		a.tell(&o, Event{At: Joined})
		if !o.Early {
			die()
		}
	})
	began := time.Now()
	last := Event{At: Closed, Named: -1}
	for i := len(open) - 1; i >= 0; i-- {
		err = errors.Join(err, open[i].Close())
	}
	last.Took = time.Since(began)
	if err != nil {
		last.Error, last.Cause = err.Error(), causeOf(err)
	}
	if o.Death != Lives && !death.Stop() && (o.Early || joined) {
		select {} // it is about to end
	}
	a.leftovers(&last, o.Collect)
	a.tell(&o, last)
}

func (a *agent) die(o *Order) {
	a.tell(o, Event{At: Dying})
	if o.Death == Panics {
		panic("an agent that was told to")
	}
	os.Exit(3)
}

// live makes the communicator and the calls. What it opens it leaves to the caller, so
// that closing is told apart; a failure that it has told is no error of its own.
func (a *agent) live(o *Order, open *[]io.Closer, joined func()) error {
	ctx := context.Background()
	failed := func(phase string, calls int, err error, parents []int) {
		e := Event{At: Failed, Phase: phase, Calls: calls}
		e.explain(err, parents)
		if wrong := (*errWrong)(nil); errors.As(err, &wrong) {
			e.Wrong = wrong.values
		}
		a.tell(o, e)
	}
	world, err := engine.Init(ctx, o.config())
	if err != nil {
		failed("init", 0, err, nil)
		return nil
	}
	*open = append(*open, world)
	joined()
	p := newProgram(o.Seed, a.buffers)
	comms := []*engine.Comm{world}
	if o.Split {
		half, err := world.Split(ctx, o.Rank%2, o.Rank)
		if err != nil {
			failed("split", 0, err, nil)
		} else {
			*open = append(*open, half)
		}
		comms = append(comms, half)
	}
	for o.Calls == 0 || p.calls < o.Calls {
		at, err := p.step(comms...)
		switch {
		case err == nil:
		case at == world:
			failed("calls", p.calls, err, nil)
			if o.Split && comms[1] != nil {
				_ = comms[1].Abort() // or others would wait there for this rank
			}
			return a.goOn(o, world, open, err)
		default: // whoever is lost to a part is lost to the whole
			failed("calls", p.calls, err, at.ParentRanks())
			comms[1] = nil
		}
	}
	if o.Leave != nil {
		return a.without(o, world, open)
	}
	return nil
}

// goOn leaves out the ranks that are lost, one after the other as they are found, and
// works on with those that are left.
func (a *agent) goOn(o *Order, world *engine.Comm, open *[]io.Closer, err error) error {
	if !o.Shrink {
		return nil
	}
	began := time.Now()
	var lost []int
	for {
		var re *engine.RankError
		if !errors.As(err, &re) || re.Rank == o.Rank || lost != nil && !errors.Is(err, engine.ErrPeerLost) {
			return fmt.Errorf("going on without %v: %w", lost, err)
		}
		lost = append(lost, re.Rank)
		var next *engine.Comm
		if next, err = world.Shrink(context.Background(), lost, engine.ShrinkAbort); err == nil {
			return a.workOn(o, next, open, began)
		}
	}
}

// without makes a communicator of a working one's ranks but those that leave it.
func (a *agent) without(o *Order, world *engine.Comm, open *[]io.Closer) error {
	if slices.Contains(o.Leave, o.Rank) {
		return nil
	}
	began := time.Now()
	next, err := world.Shrink(context.Background(), o.Leave, engine.ShrinkDefault)
	if err != nil {
		return err
	}
	return a.workOn(o, next, open, began)
}

// workOn makes some more calls, with those that are left.
func (a *agent) workOn(o *Order, next *engine.Comm, open *[]io.Closer, began time.Time) error {
	*open = append(*open, next)
	e := Event{At: Shrunk, Took: time.Since(began), Left: next.ParentRanks(), Named: -1}
	p := newProgram(^o.Seed, a.buffers)
	for range 5 {
		if _, err := p.step(next); err != nil {
			return fmt.Errorf("after shrinking to %v: %w", e.Left, err)
		}
	}
	a.tell(o, e)
	return nil
}

// config is that of the rank's communicator.
func (o *Order) config() engine.Config {
	cfg := engine.Config{
		Rank: o.Rank, Size: o.Size, Transport: o.Transport,
		Timeout: o.Timeout, InitTimeout: o.InitTimeout, LostAfter: o.LostAfter,
		Logger: slog.New(slog.DiscardHandler),
	}
	if o.Root != "" {
		cfg.Root, cfg.Secret = o.Root, []byte(o.Secret)
		return cfg
	}
	cfg.ID, _ = engine.ParseUniqueID(o.ID) // Init refuses what it is not
	return cfg
}

// settleTime is how long what a closed communicator leaves may take to end.
const settleTime = time.Second

// leftovers counts what the process has when all is closed.
func (a *agent) leftovers(e *Event, collect bool) {
	for deadline := time.Now().Add(settleTime); runtime.NumGoroutine() > a.idle && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	e.Goroutines, e.Descriptors = runtime.NumGoroutine()-a.idle, descriptorsOpen()
	if collect {
		runtime.GC() // frees
		runtime.GC() // and what finalizers held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.Heap = int64(m.HeapAlloc)
	}
}
