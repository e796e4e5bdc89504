package engine

import (
	"cmp"
	"os"
	"os/signal"
	"slices"
	"sync"
)

// live are the communicators of this process that are open.
var live = struct {
	sync.Mutex
	comms map[*Comm]struct{}
	named int // how many names were given
}{comms: map[*Comm]struct{}{}}

// appear makes the communicator known, and numbers it among those of its name and rank:
// with the least number that is free, so that one that takes the place of another that
// was closed has its number, too.
func (c *Comm) appear() {
	live.Lock()
	defer live.Unlock()
	taken := map[int]bool{}
	for o := range live.comms {
		if o.cfg.Name == c.cfg.Name && o.rank == c.rank {
			taken[o.namesake] = true
		}
	}
	for taken[c.namesake] {
		c.namesake++
	}
	live.comms[c] = struct{}{}
}

func (c *Comm) disappear() {
	live.Lock()
	defer live.Unlock()
	delete(live.comms, c)
}

// nextName is a name for a communicator that has none: their number in this process,
// from 0. Where all processes make their communicators in the same order, all ranks
// of one have the same.
func nextName() int {
	live.Lock()
	defer live.Unlock()
	live.named++
	return live.named - 1
}

// Comms lists the communicators of this process that are open, those of one name next
// to each other by rank.
func Comms() []*Comm {
	live.Lock()
	defer live.Unlock()
	comms := make([]*Comm, 0, len(live.comms))
	for c := range live.comms {
		comms = append(comms, c)
	}
	slices.SortFunc(comms, func(a, b *Comm) int {
		return cmp.Or(cmp.Compare(a.cfg.Name, b.cfg.Name), cmp.Compare(a.rank, b.rank), cmp.Compare(a.namesake, b.namesake))
	})
	return comms
}

// DumpOnSignal writes the flight recorders of all communicators of the process
// whenever one of the signals arrives, until stop is called. pattern is as for
// Config.DumpFile, with "%r" and "%c" where there are several communicators; if it is
// empty, they are written to standard error. The signals then no longer do to the
// process what they did, so choose one that it has no other use for, as SIGUSR1.
func DumpOnSignal(pattern string, signals ...os.Signal) (stop func()) {
	if len(signals) == 0 {
		return func() {} // to signal.Notify that means all there are
	}
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, signals...)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-arrived:
				dumpAll(pattern)
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		signal.Stop(arrived)
		close(done)
		<-ended
	})
}

func dumpAll(pattern string) {
	for _, c := range Comms() {
		var err error
		if pattern == "" {
			err = c.Dump(os.Stderr)
		} else {
			err = writeFile(c.fileName(pattern), c.Dump)
		}
		if err != nil {
			c.cfg.Logger.Warn("the flight recorder could not be written", "rank", c.rank, "reason", err)
		}
	}
}
