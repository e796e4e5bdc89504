package bootstrap

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/monel-dev/monel/internal/awake"
)

// gatherer is the state of the root's one goroutine that decides.
type gatherer struct {
	root   *Root
	world  *gathering
	here   map[*greeting]*joiner
	rivals []*joiner // newcomers for a rank that is taken, while its holder is probed
	differ *WorldError

	began    time.Time
	due      time.Time // when the least patient rank gives up
	deadline <-chan time.Time
	wait     *awake.Wait      // what is left when that has passed
	patience time.Duration    // of that rank
	asked    bool             // all that are here have been, whether they live
	answers  bool             // one of another host has said so
	probing  <-chan time.Time // when holders that have not answered count as dead
	returns  <-chan time.Time // when the first of those that have gone counts as lost
	gone     []departure      // these, in the order in which they went
}

// departure is when a rank that has gone counts as lost.
type departure struct {
	rank int
	due  time.Time
}

// serve gathers ranks until the world is complete or cannot be, and then tells
// everybody.
func (r *Root) serve() {
	defer r.wg.Done()
	defer close(r.quit)
	g := &gatherer{root: r, world: newGathering(), here: map[*greeting]*joiner{}}
	for {
		if g.world.complete() && len(g.rivals) == 0 {
			g.deliver(outcome{table: r.table(g.world, g.here).encode()})
			return
		}
		var failed *WorldError
		select {
		case j := <-r.joins:
			failed = g.joined(j)
		case j := <-r.probes:
			failed = g.answered(j)
		case <-g.probing:
			waiting := g.rivals
			g.rivals, g.probing = nil, nil
			for _, j := range waiting {
				g.add(j)
			}
		case j := <-r.leaves:
			g.leftUs(j)
		case <-r.gone: // its leave has been seen
		case e := <-r.differ:
			if g.differ == nil {
				g.differ = e
			}
		case <-g.returns:
			failed = g.notReturned()
		case <-g.deadline:
			if look := g.look(); look > 0 {
				g.deadline = time.After(look)
			} else {
				failed = g.timeIsUp()
			}
		case <-r.stop:
			failed = &WorldError{Reason: RootClosed, Text: "the process that hosts the root closed it before all ranks had come; look at that process's own error"}
		}
		if failed == nil && len(g.here) > 0 {
			failed = g.differ
		}
		if failed != nil {
			r.err = failed
			g.deliver(outcome{refusal: failed})
			return
		}
	}
}

// joined considers a newcomer.
func (g *gatherer) joined(j *joiner) *WorldError {
	if e := g.world.check(j.greeting); e != nil {
		g.rivals = append(g.rivals, j) // it must hear about it, too
		return e
	}
	old := g.world.here[j.greeting.peer.Rank]
	if old == nil || old.instance == j.greeting.instance {
		g.add(j)
		return nil
	}
	// Two processes with one rank, unless the first is dead and its host could
	// not say so: ask it.
	g.rivals = append(g.rivals, j)
	select {
	case g.here[old].ping <- struct{}{}:
	default: // asked already
	}
	if g.probing == nil {
		g.probing = time.After(g.root.cfg.probe)
	}
	return nil
}

// look is for how long to go on looking, when the deadline has passed, for what has come
// while this process slept: it had not let in ranks that came in time, nor read what ranks
// that it asked have answered.
func (g *gatherer) look() time.Duration {
	switch {
	case g.wait != nil:
		g.wait.Look()
	case time.Since(g.due) < awake.Step:
		return 0
	default:
		g.await()
	}
	return g.wait.Next()
}

// await begins a wait of some of the time by which the root is earlier than the ranks.
func (g *gatherer) await() {
	wait := awake.NewWait(min(g.patience/18, 250*time.Millisecond))
	g.wait = &wait
}

// timeIsUp names the ranks that are missing. But if those of other hosts that have come are
// not heard any more either, it is this host that is cut off from all: so they are asked
// first, in some of the time by which the root is earlier than they are.
func (g *gatherer) timeIsUp() *WorldError {
	var here []int // of this host
	far := false
	for greeting, j := range g.here {
		if j.far() || g.root.cfg.apart {
			far = true
		} else {
			here = append(here, greeting.peer.Rank)
		}
	}
	for waiting := g.asked; waiting; { // answers that have come while this process had no turn
		select {
		case j := <-g.root.probes:
			if e := g.answered(j); e != nil {
				return e
			}
		default:
			waiting = false
		}
	}
	switch {
	case far && !g.asked:
		g.asked = true
		for _, j := range g.here {
			select {
			case j.ping <- struct{}{}:
			default: // asked already
			}
		}
		g.await()
		g.deadline = time.After(g.wait.Next())
		return nil
	case far && !g.answers:
		e := &WorldError{Reason: MissingRanks, Text: "the host of the root hears nothing from the ranks that have come, those of its own apart, so it is most likely cut off from the others; check its network"}
		if len(here) == 1 {
			e.Ranks = here
		}
		return e
	}
	return g.world.missing(time.Since(g.began))
}

// hear notes that a rank has been heard since all were asked.
func (g *gatherer) hear(j *joiner) {
	g.answers = g.answers || g.asked && (j.far() || g.root.cfg.apart)
}

// answered is called when a gathered rank has answered a ping.
func (g *gatherer) answered(j *joiner) *WorldError {
	g.hear(j)
	for _, rival := range g.rivals {
		if rival.greeting.peer.Rank == j.greeting.peer.Rank && g.here[j.greeting] == j {
			return duplicate(&j.greeting.peer, &rival.greeting.peer)
		}
	}
	return nil
}

// add takes j in, in place of an earlier connection of the same rank.
func (g *gatherer) add(j *joiner) {
	if old := g.world.here[j.greeting.peer.Rank]; old != nil {
		oldJ := g.here[old]
		delete(g.here, old)
		oldJ.conn.Close()
		g.world.remove(old)
	}
	g.world.add(j.greeting)
	g.here[j.greeting] = j
	g.hear(j)
	if g.began.IsZero() {
		g.began = time.Now()
	}
	if due := time.Now().Add(j.greeting.patience); !g.asked && (g.due.IsZero() || due.Before(g.due)) {
		g.due, g.patience = due, j.greeting.patience
		g.deadline = time.After(time.Until(due))
	}
}

// leftUs forgets a rank whose connection has ended.
func (g *gatherer) leftUs(j *joiner) {
	if i := slices.Index(g.rivals, j); i >= 0 {
		g.rivals = slices.Delete(g.rivals, i, i+1)
	}
	if g.here[j.greeting] != j {
		return
	}
	delete(g.here, j.greeting)
	g.world.remove(j.greeting)
	if len(g.world.here) == 0 { // nobody waits for it
		g.deadline, g.due, g.began = nil, time.Time{}, time.Time{}
		g.asked, g.answers, g.wait = false, false, nil
		g.returns, g.gone = nil, nil
		clear(g.world.gone)
	}
	for i, rival := range g.rivals {
		if rival.greeting.peer.Rank == j.greeting.peer.Rank {
			g.rivals = slices.Delete(g.rivals, i, i+1)
			g.add(rival)
			return
		}
	}
	if len(g.world.here) > 0 {
		g.gone = slices.DeleteFunc(g.gone, func(d departure) bool { return d.rank == j.greeting.peer.Rank })
		g.gone = append(g.gone, departure{j.greeting.peer.Rank, time.Now().Add(returnTime)})
		g.awaitReturn()
	}
}

// returnTime is how long a rank that has gone may take to come again, over another
// connection or as another process, until it counts as lost to those that wait.
const returnTime = 500 * time.Millisecond

func (g *gatherer) awaitReturn() {
	if g.returns = nil; len(g.gone) > 0 {
		g.returns = time.After(time.Until(g.gone[0].due))
	}
}

// notReturned is the error for the first rank that has gone and not come again in time.
func (g *gatherer) notReturned() *WorldError {
	if now := time.Now(); len(g.gone) > 0 && now.Sub(g.gone[0].due) >= 2*awake.Step {
		// This process slept: one that is back may not have been let in.
		for i := range g.gone {
			if g.gone[i].due.Before(now) {
				g.gone[i].due = now.Add(returnTime)
			}
		}
	}
	for len(g.gone) > 0 && !time.Now().Before(g.gone[0].due) {
		rank := g.gone[0].rank
		g.gone = g.gone[1:]
		if e := g.world.lost(rank); e != nil {
			return e
		}
	}
	g.awaitReturn()
	return nil
}

// deliver tells everybody who is there, and for a while those who come later: a
// rank whose connection broke just before the table reached it, or one that
// starts when the world has already failed.
func (g *gatherer) deliver(out outcome) {
	r, size := g.root, g.world.size
	close(r.formed)
	waiting := map[*joiner]bool{} // have been told, and may not have heard it yet
	members := map[uint64]bool{}
	tell := func(j *joiner, out outcome) {
		j.tell <- out
		waiting[j] = true
	}
	for greeting, j := range g.here {
		members[greeting.instance] = true
		tell(j, out)
	}
	for _, j := range g.rivals {
		tell(j, out)
	}
	late := time.After(lateTime)
	var closed <-chan time.Time // when Close waits for nobody any more
	stop, heard, done := r.stop, 0, false
	finish := func() {
		if !done {
			done = true
			close(r.done)
		}
	}
	defer finish()
	for len(waiting) > 0 || stop != nil {
		select {
		case <-stop:
			stop, closed = nil, time.After(closingTime)
		case <-closed:
			return
		case <-late:
			late = nil
			finish()
			go r.Close() // the owner may, too
		case j := <-r.joins:
			if out.refusal != nil || members[j.greeting.instance] {
				tell(j, out)
				break
			}
			tell(j, outcome{refusal: &WorldError{DuplicateRank, []int{j.greeting.peer.Rank},
				fmt.Sprintf("%s came after all %d ranks had met; give every process its own rank, and every run its own unique id or address", j.greeting.peer.where(), size)}})
		case j := <-r.gone:
			if waiting[j] && j.heard {
				if heard++; heard >= size {
					finish()
				}
			}
			delete(waiting, j)
		case <-r.probes:
		case <-r.leaves:
		case <-r.differ:
		}
	}
}

// table assembles what everybody gets. A rank that reaches the root through a
// loopback address although the root's name is known elsewhere (a host name that
// resolves to 127.0.1.1 on its own machine) is given the address at which the
// others reach that machine.
func (r *Root) table(c *gathering, here map[*greeting]*joiner) *Table {
	t := &Table{Peers: make([]Peer, c.size), session: newSessionID()}
	var outside netip.Addr
	for _, j := range here {
		if ip := j.local.Addr(); !ip.IsLoopback() {
			outside = ip
		}
	}
	for rank, g := range c.here {
		t.Peers[rank] = g.peer
		if g.anywhere && g.peer.Addr.Addr().IsLoopback() && outside.IsValid() {
			t.Peers[rank].Addr = netip.AddrPortFrom(outside, g.peer.Addr.Port())
		}
	}
	return t
}
