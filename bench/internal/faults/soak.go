package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Soaked is what a long run has found.
type Soaked struct {
	Transport string
	Ranks     int
	Took      time.Duration
	Worlds    int // communicators made, used and closed
	Calls     int
	Failures  int
	// The most that any rank had after a world, when it had warmed up and at the end.
	First, Last Footprint
}

// Footprint is what a process holds on to with all communicators closed.
type Footprint struct {
	Heap        int64 // bytes
	Descriptors int
	Goroutines  int // besides those of the agent itself
}

// warmUp is how many worlds it takes until everything that is made once is there, and at
// least this much heap may come and go without being a leak.
const (
	warmUp    = 10
	heapSlack = 512 << 10
)

// Soak has ranks make random calls for cfg.Time, in worlds that are made, split, shrunk
// and closed one after the other, and compares what they hold on to.
func (cfg *Config) Soak() (s *Soaked, err error) {
	l := newLane(cfg.Ranks, func(int) *Spawn { return &cfg.Spawn })
	defer func() { err = errors.Join(err, l.close()) }()
	c := &losing{Config: cfg}
	s = &Soaked{Transport: cfg.Transport, Ranks: cfg.Ranks}
	began := time.Now()
	for ; s.Worlds < 2*warmUp || time.Since(began) < cfg.Time; s.Worlds++ {
		r := rand.New(rand.NewPCG(cfg.Seed, uint64(s.Worlds)))
		t := &trial{victim: -1, Order: Order{
			Trial: s.Worlds, Size: cfg.Ranks, Transport: cfg.Transport, Seed: r.Uint64(), Calls: 20 + r.IntN(200),
			Split: r.IntN(2) == 0, Collect: true,
			Timeout: time.Minute, InitTimeout: time.Minute,
		}}
		if r.IntN(2) == 0 {
			t.Leave = []int{r.IntN(cfg.Ranks)}
		}
		if err := c.meet(l, t); err != nil {
			return nil, err
		}
		out, err := l.run(t)
		if err != nil {
			return nil, err
		}
		f := judge(t, out)
		if len(f.faults) > 0 {
			s.Failures++
			for _, text := range f.faults {
				fmt.Fprintf(cfg.Log, "soak %s world %d: %s\n", cfg.Transport, s.Worlds, text)
			}
			continue
		}
		s.Calls += t.Calls
		var now Footprint
		for _, x := range out.fates {
			now.grow(Footprint{x.closed.Heap, x.closed.Descriptors, x.closed.Goroutines})
		}
		if s.Worlds < warmUp {
			s.First.grow(now)
		}
		if s.Worlds%warmUp == 0 {
			s.Last = Footprint{}
		}
		s.Last.grow(now)
	}
	s.Took = time.Since(began)
	if grown := s.grown(); grown != "" {
		s.Failures++
		fmt.Fprintf(cfg.Log, "soak %s: %s: %+v at first, %+v at last\n", cfg.Transport, grown, s.First, s.Last)
	}
	return s, nil
}

// grow makes f the greater of both in everything.
func (f *Footprint) grow(other Footprint) {
	f.Heap = max(f.Heap, other.Heap)
	f.Descriptors = max(f.Descriptors, other.Descriptors)
	f.Goroutines = max(f.Goroutines, other.Goroutines)
}

// grown says what there is more of than at first.
func (s *Soaked) grown() string {
	switch {
	case s.Last.Heap > s.First.Heap+s.First.Heap/10+heapSlack:
		return "memory grows"
	case s.Last.Descriptors > s.First.Descriptors:
		return "descriptors grow in number"
	case s.Last.Goroutines > s.First.Goroutines:
		return "goroutines grow in number"
	}
	return ""
}
