package faults

import (
	"time"
)

// lane is a set of agents that go through trials together, one trial after the other.
type lane struct {
	spawn   func(rank int) *Spawn
	agents  []*process
	network *network // nil if all ranks are on this host
}

func newLane(ranks int, spawn func(rank int) *Spawn) *lane {
	return &lane{spawn: spawn, agents: make([]*process, ranks)}
}

// man starts the agents that are missing.
func (l *lane) man() error {
	for rank, p := range l.agents {
		if p != nil {
			continue
		}
		p, err := l.spawn(rank).start()
		if err != nil {
			return err
		}
		l.agents[rank] = p
	}
	return nil
}

func (l *lane) close() error {
	for rank, p := range l.agents {
		if p != nil {
			p.end()
			l.agents[rank] = nil
		}
	}
	if l.network == nil {
		return nil
	}
	return l.network.close()
}

// trial is one loss of a rank.
type trial struct {
	Order        // what all ranks are told, each with its own rank and death
	victim int   // -1 if nobody is lost
	death  Death // or what strike does
	delay  time.Duration
	strike func(*process) time.Time // returns when it did
	revive func(*process)           // for victims that are only out of the way
	stops  bool                     // the victim does not run meanwhile
	limit  time.Duration            // how long the others may take to notice
	failed error                    // of strike or revive
}

// fate is what became of a rank in a trial.
type fate struct {
	rank                    int
	joined, shrunk, closed  *told
	failed                  []told
	dying                   *told
	died                    bool // its process has ended
	hung                    bool // it had to be killed
	stderr                  string
	doneBefore, aliveBefore bool // when the strike came: it was through; it had joined
}

// outcome is a trial that is over.
type outcome struct {
	struck time.Time // zero if the victim was through before
	fates  []*fate
}

// patience is how much longer than allowed a campaign waits until it calls a rank hung.
const patience = 30 * time.Second

// news is an event of one of the agents, or its end.
type news struct {
	rank int
	told
	end bool
}

// run carries out a trial.
func (l *lane) run(t *trial) (*outcome, error) {
	if err := l.man(); err != nil {
		return nil, err
	}
	out := &outcome{}
	got := make(chan news)
	for rank, p := range l.agents {
		out.fates = append(out.fates, &fate{rank: rank})
		o := t.Order
		o.Rank = rank
		if rank == t.victim {
			o.Death, o.After = t.death, t.delay
		}
		_ = p.order(o) // one that is dead already shows as such
		go p.follow(o.Trial, rank, got)
	}
	l.watch(t, out, got)
	for _, f := range out.fates {
		p := l.agents[f.rank]
		if f.rank == t.victim && !out.struck.IsZero() && t.revive == nil {
			p.end() // its last event may have come before its death
			f.died = true
		}
		if f.died {
			f.stderr = p.stderr.String()
			l.agents[f.rank] = nil
		}
	}
	return out, nil
}

// follow passes on what an agent tells about a trial, up to its end.
func (p *process) follow(trial, rank int, got chan<- news) {
	for e := range p.events {
		if e.Trial != trial {
			continue
		}
		got <- news{rank: rank, told: e}
		if e.At == Closed {
			return
		}
	}
	got <- news{rank: rank, told: told{when: time.Now()}, end: true}
}

// watch strikes when it is time to, and waits until all are through or have been given
// up.
func (l *lane) watch(t *trial, out *outcome, got <-chan news) {
	var due <-chan time.Time
	if t.Early && t.death == Lives && t.victim >= 0 {
		due = time.After(t.delay)
	}
	deadline := time.NewTimer(t.InitTimeout + t.delay + patience)
	defer deadline.Stop()
	joined, open := 0, len(out.fates)
	victim := func() *fate {
		if t.victim < 0 {
			return nil
		}
		return out.fates[t.victim]
	}()
	struck := func(at time.Time) {
		out.struck = at
		for _, f := range out.fates {
			f.doneBefore, f.aliveBefore = f.closed != nil, f.joined != nil
		}
		deadline.Reset(t.limit + patience)
	}
	revived := t.revive == nil
	for open > 0 {
		select {
		case n := <-got:
			f := out.fates[n.rank]
			e := n.told
			switch {
			case n.end:
				f.died = true
				open--
				continue
			case e.At == Joined:
				f.joined = &e
				if joined++; joined == len(out.fates) && !t.Early && t.death == Lives && t.victim >= 0 {
					due = time.After(t.delay)
				}
			case e.At == Dying:
				f.dying = &e
				struck(e.when)
			case e.At == Failed:
				f.failed = append(f.failed, e)
			case e.At == Shrunk:
				f.shrunk = &e
			case e.At == Closed:
				f.closed = &e
				open--
			}
		case <-due:
			if victim.closed == nil {
				struck(t.strike(l.agents[t.victim]))
			}
		case <-deadline.C:
			for _, f := range out.fates {
				if f.closed == nil && !f.died && (revived || f != victim) {
					f.hung = true
					l.agents[f.rank].kill()
				}
			}
			deadline.Reset(patience)
		}
		if !revived && !out.struck.IsZero() && othersThrough(out, victim) {
			revived = true
			t.revive(l.agents[t.victim])
			deadline.Reset(t.limit + patience)
		}
	}
	if !revived && !out.struck.IsZero() {
		t.revive(l.agents[t.victim])
	}
}

func othersThrough(out *outcome, victim *fate) bool {
	for _, f := range out.fates {
		if f != victim && f.closed == nil && !f.died {
			return false
		}
	}
	return true
}
