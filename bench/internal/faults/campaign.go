package faults

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine"
)

// Config is what campaigns have in common.
type Config struct {
	Spawn     Spawn
	Ranks     int
	Transport string
	Trials    int
	Seed      uint64
	Time      time.Duration // how long to soak
	Timeout   time.Duration // after which a silent rank has to be noticed
	Log       io.Writer     // told what was not as promised
}

// noticeTime is within which the death of a process has to be noticed, and how much
// longer than its timeout the loss of a silent rank may take.
const noticeTime = time.Second

// Kind is how ranks are lost.
type Kind string

// The kinds of loss.
const (
	Kill  Kind = "kill"  // kill -9
	Exit  Kind = "exit"  // os.Exit
	Crash Kind = "crash" // a panic
	Stop  Kind = "stop"  // SIGSTOP
	Both  Kind = "cut"   // packets dropped in both directions
	In    Kind = "cut-in"
	Out   Kind = "cut-out"
	Down  Kind = "link-down"
)

// Result is what a campaign has found.
type Result struct {
	Kind      Kind
	Transport string
	Ranks     int
	Trials    int // that count
	Failures  int // trials in which something was not as promised
	Hung      int
	Wrong     int
	Misnamed  int
	Slow      int
	Leaks     int
	Absent    int // trials in which the victim had not come yet
	Finished  int // trials in which the others had all they needed
	Notice    []time.Duration
	Shrink    []time.Duration
	Limit     time.Duration
	Took      time.Duration
}

func (r *Result) add(f *finding) {
	r.Trials++
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&r.Failures, len(f.faults) > 0)
	count(&r.Hung, f.hung)
	count(&r.Wrong, f.wrong)
	count(&r.Misnamed, f.misname)
	count(&r.Slow, f.slow)
	count(&r.Leaks, f.leaks)
	count(&r.Absent, f.absent)
	count(&r.Finished, !f.failed)
	if f.notice > 0 {
		r.Notice = append(r.Notice, f.notice)
	}
	if f.shrunk {
		r.Shrink = append(r.Shrink, f.shrink)
	}
}

// Median and Max are of a list; 0 if it is empty.
func Median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// Max is the greatest of a list; 0 if it is empty.
func Max(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}

// lifeCalls is how many calls the programs make that come to an end.
const lifeCalls = 60

// Lose has a rank lost in each of many trials.
func (cfg *Config) Lose(kind Kind) (res *Result, err error) {
	began := time.Now()
	c := &losing{Config: cfg, kind: kind, res: &Result{Kind: kind, Transport: cfg.Transport, Ranks: cfg.Ranks, Limit: noticeTime}}
	lanes, err := c.lanes()
	defer func() {
		for _, l := range lanes {
			err = errors.Join(err, l.close())
		}
	}()
	if err != nil {
		return nil, err
	}
	c.clock = newStandstill()
	defer c.clock.stop()
	if err := c.calibrate(lanes[0]); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(lanes))
	for i, l := range lanes {
		wg.Go(func() { errs[i] = c.work(l) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	c.res.Took = time.Since(began)
	return c.res, nil
}

// losing is a campaign under way.
type losing struct {
	*Config
	kind Kind
	life time.Duration // of a program that comes to an end

	clock *standstill

	mu   sync.Mutex
	next int // number of the next trial
	done int // trials that count
	void int // trials that do not, because this machine stood still meanwhile
	res  *Result
}

// mostVoid bounds those: on a machine that stands still all the time, trials count.
func (c *losing) mostVoid() int { return c.Trials + 10 }

// silentLanes is how many trials go on at a time where ranks only wait.
const silentLanes = 6

func (k Kind) cuts() bool   { return k == Both || k == In || k == Out || k == Down }
func (k Kind) silent() bool { return k == Stop || k.cuts() }

func (c *losing) lanes() (lanes []*lane, err error) {
	n := 1
	if c.kind.silent() {
		n = min(silentLanes, c.Trials)
	}
	for i := range n {
		l := newLane(c.Ranks, func(int) *Spawn { return &c.Spawn })
		lanes = append(lanes, l)
		if !c.kind.cuts() {
			continue
		}
		if l.network, err = newNetwork(i, c.Ranks); err != nil {
			return lanes, err
		}
		l.spawn = func(rank int) *Spawn {
			s := c.Spawn
			s.Via = l.network.via(rank)
			return &s
		}
	}
	return lanes, nil
}

// calibrate measures how long a program takes that nobody is lost to.
func (c *losing) calibrate(l *lane) error {
	for i := range 3 {
		t := c.plan(-1 - i)
		t.victim, t.death, t.Calls, t.Shrink, t.Early = -1, Lives, lifeCalls, false, true
		t.Timeout, t.InitTimeout, t.LostAfter = time.Minute, time.Minute, 0
		began := time.Now()
		if err := c.meet(l, t); err != nil {
			return err
		}
		out, err := l.run(t)
		if err != nil {
			return err
		}
		if f := judge(t, out); len(f.faults) > 0 {
			return fmt.Errorf("a program without any loss fails: %v", f.faults)
		}
		if i > 0 { // processes have started
			c.life = max(c.life, time.Since(began))
		}
	}
	return nil
}

// work carries out trials until there are enough.
func (c *losing) work(l *lane) error {
	for {
		c.mu.Lock()
		number := c.next
		c.next++
		enough := c.done >= c.Trials
		c.mu.Unlock()
		if enough {
			return nil
		}
		t := c.plan(number)
		if err := c.meet(l, t); err != nil {
			return err
		}
		out, err := l.run(t)
		if err != nil {
			return err
		}
		if t.failed != nil {
			return t.failed
		}
		f := judge(t, out)
		stood := c.clock.since(out.struck)
		c.mu.Lock()
		if len(f.faults) > 0 && !f.wrong && stood > stoodStill && c.void < c.mostVoid() {
			c.void++
			fmt.Fprintf(c.Log, "%s %s trial %d, seed %d, does not count: this machine stood still for %v\n", c.kind, c.Transport, number, t.Seed, stood.Round(time.Millisecond))
			for _, s := range f.faults {
				fmt.Fprintf(c.Log, "  %s\n", s)
			}
			c.mu.Unlock()
			continue
		}
		if !f.late || len(f.faults) > 0 {
			c.done++
			c.res.add(f)
			c.res.Limit = t.limit
		}
		if len(f.faults) > 0 {
			fmt.Fprintf(c.Log, "%s %s trial %d, victim %d, after %v, early %v, split %v, seed %d:\n", c.kind, c.Transport, number, t.victim, t.delay, t.Early, t.Split, t.Seed)
			for _, s := range f.faults {
				fmt.Fprintf(c.Log, "  %s\n", s)
			}
		}
		c.mu.Unlock()
	}
}

// firstPort is where ranks of hosts meet in the first trial.
const firstPort = 20000

// meet gives the ranks of a trial a place to meet, and what strikes one.
func (c *losing) meet(l *lane, t *trial) error {
	if l.network != nil {
		t.Root = fmt.Sprintf("%s:%d", l.network.address(0), firstPort+(t.Trial+10)%10000)
		t.Secret = fmt.Sprint("of this campaign ", c.Seed)
		t.strike = func(*process) time.Time {
			t.failed = l.network.cut(c.kind, t.victim)
			return time.Now() // the command takes long; what it does, it does at its end
		}
		t.revive = func(*process) { t.failed = errors.Join(t.failed, l.network.mend(c.kind, t.victim)) }
		return nil
	}
	id, err := engine.NewLocalUniqueID()
	if err != nil {
		return err
	}
	t.ID = id.Text()
	return nil
}

// midst is how long after all have joined a rank is lost at most, of those that are lost
// in the midst of work that does not end.
const midst = 100 * time.Millisecond

// plan draws a trial by lot. In half of them the rank is lost at any moment of a
// program's life, from the first connection to the last; in the others in the midst of
// calls, and the survivors go on without it.
func (c *losing) plan(number int) *trial {
	r := rand.New(rand.NewPCG(c.Seed, uint64(number)))
	t := &trial{
		Order: Order{
			Trial: number, Size: c.Ranks, Transport: c.Transport, Seed: r.Uint64(), Split: r.IntN(2) == 0, Shrink: true,
			Timeout: time.Minute, InitTimeout: 3 * time.Second, LostAfter: 10 * time.Second,
		},
		victim: r.IntN(c.Ranks), limit: noticeTime,
	}
	if r.IntN(2) == 0 {
		t.Early, t.Calls, t.Shrink = true, lifeCalls, false
		t.delay = time.Duration(r.Int64N(int64(max(c.life, time.Millisecond))))
	} else {
		t.delay = time.Duration(r.Int64N(int64(midst)))
	}
	switch c.kind {
	case Kill:
		t.strike = (*process).kill
	case Exit:
		t.death = Exits
	case Crash:
		t.death = Panics
	default:
		t.limit = c.Timeout + noticeTime
		if t.Early {
			t.InitTimeout = c.Timeout
		} else { // ranks that are in a part when the whole fails come late to shrink it
			t.InitTimeout = 4 * (c.Timeout + noticeTime)
		}
		if r.IntN(2) == 0 {
			t.Timeout = c.Timeout
		} else {
			t.LostAfter = c.Timeout
		}
		t.strike, t.revive = (*process).stop, (*process).resume
		t.stops = c.kind == Stop
	}
	return t
}
