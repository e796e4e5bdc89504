package bootstrap

import (
	"fmt"
	"slices"
	"time"
)

// gathering collects greetings until the world is complete. It does no I/O.
type gathering struct {
	size  int // 0 until the first greeting
	first *greeting
	here  map[int]*greeting
	gone  map[int]*Peer // came and went
}

func newGathering() *gathering {
	return &gathering{here: map[int]*greeting{}, gone: map[int]*Peer{}}
}

// check reports why g does not fit what is there, or nil. It does not look for
// another process with the same rank.
func (c *gathering) check(g *greeting) *WorldError {
	p := &g.peer
	switch {
	case p.Rank >= g.size:
		return &WorldError{RankRange, []int{p.Rank}, fmt.Sprintf("%s says that the world size is %d; ranks go from 0 to %d: check the rank and size given to that process", p.where(), g.size, g.size-1)}
	case c.first == nil:
		return nil
	case g.size != c.first.size:
		return &WorldError{SizeMismatch, sorted(c.first.peer.Rank, p.Rank), fmt.Sprintf("%s says that the world size is %d, %s says %d; start every rank with the same size", c.first.peer.where(), c.first.size, p.where(), g.size)}
	case g.fingerprint != c.first.fingerprint:
		return &WorldError{ConfigMismatch, sorted(c.first.peer.Rank, p.Rank), fmt.Sprintf("%s is configured with %q, %s with %q; give every rank the same options and environment", c.first.peer.where(), c.first.fingerprint, p.where(), g.fingerprint)}
	}
	return nil
}

// duplicate is the error for two living processes with the same rank.
func duplicate(a, b *Peer) *WorldError {
	return &WorldError{DuplicateRank, []int{a.Rank}, fmt.Sprintf("two processes claim to be rank %d: pid %d on host %s and pid %d on host %s; give every process its own rank", a.Rank, a.PID, a.Host.Name, b.PID, b.Host.Name)}
}

// add records g, replacing an earlier greeting of the same rank.
func (c *gathering) add(g *greeting) {
	if c.first == nil {
		c.first, c.size = g, g.size
	}
	c.here[g.peer.Rank] = g
	delete(c.gone, g.peer.Rank)
}

// remove forgets g, whose process went away.
func (c *gathering) remove(g *greeting) {
	if c.here[g.peer.Rank] != g {
		return
	}
	delete(c.here, g.peer.Rank)
	c.gone[g.peer.Rank] = &g.peer
	if len(c.here) == 0 {
		// Nobody is left to disagree with: a new set of processes may come.
		c.first, c.size = nil, 0
		return
	}
	if c.first == g {
		for _, other := range c.here {
			c.first = other
			break
		}
	}
}

// lost is the error for a rank that came and went while others waited, and has not come
// back; nil if it has.
func (c *gathering) lost(rank int) *WorldError {
	p := c.gone[rank]
	if p == nil {
		return nil
	}
	return &WorldError{LostRank, []int{rank}, fmt.Sprintf("%s came and went: its process ended, gave up, or lost its connection to the root, before all %d ranks had come; look at that process's own output", p.where(), c.size)}
}

func (c *gathering) complete() bool { return c.size > 0 && len(c.here) == c.size }

// missing is the error when time is up after waited.
func (c *gathering) missing(waited time.Duration) *WorldError {
	e := &WorldError{Reason: MissingRanks}
	total := 0
	for r := range c.size {
		if c.here[r] == nil {
			total++
			if len(e.Ranks) < MaxNamedRanks {
				e.Ranks = append(e.Ranks, r)
			}
		}
	}
	e.Text = fmt.Sprintf("after %v, %d of %d ranks have come; missing: %s", waited.Round(time.Millisecond), len(c.here), c.size, ranges(e.Ranks))
	if total > len(e.Ranks) {
		e.Text += fmt.Sprintf(" and %d more", total-len(e.Ranks))
	}
	for _, r := range e.Ranks {
		if p := c.gone[r]; p != nil {
			e.Text += fmt.Sprintf("; %s came and went", p.where())
		}
	}
	e.Text += "; check that those processes were started, reach the root's address, and have the same secret"
	return e
}

// ranges writes ascending numbers as "1, 3-5".
func ranges(ranks []int) string {
	var s []byte
	for i := 0; i < len(ranks); {
		j := i
		for j+1 < len(ranks) && ranks[j+1] == ranks[j]+1 {
			j++
		}
		if len(s) > 0 {
			s = append(s, ", "...)
		}
		s = fmt.Appendf(s, "%d", ranks[i])
		if j > i {
			s = fmt.Appendf(s, "-%d", ranks[j])
		}
		i = j + 1
	}
	return string(s)
}

func sorted(ranks ...int) []int {
	slices.Sort(ranks)
	return ranks
}
