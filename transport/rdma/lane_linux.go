//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"fmt"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// lane is one of a link's queue pairs.
type lane struct {
	nic   *nic
	queue int // index of its completion queue
	qp    *ibv.QP
	psn   uint32 // with which this side begins
	rkey  uint32 // of the peer's memory

	posted, reaped uint32 // requests so far; of those, known to have completed
	quiet          int    // the last ones of them that complete unseen
	owed           int    // messages received for which no receive has been posted again
}

// sends is how many requests a lane has under way at most: two for every chunk, and
// some that are about none.
func (e *end) sends() int { return 2*e.cells + 8 }

// receives is how many messages a lane allows: one for every chunk, and as many that
// the peer may send before this side has posted receives again.
func (e *end) receives() int { return 2 * e.cells }

// laneID is what the ids of a lane's requests begin with.
func laneID(lane int) uint64 { return uint64(lane) << 48 }

func laneOf(id uint64) int { return int(id >> 48) }

// allow posts receives on a lane, as many as messages may come.
func (e *end) allow(lane int) error {
	e.lanes[lane].owed = e.receives()
	return e.repay(lane, 1)
}

// repay posts receives for messages that have come, if there are as many as least.
func (e *end) repay(lane, least int) error {
	l := &e.lanes[lane]
	for l.owed > 0 && l.owed >= least {
		n := min(l.owed, ibv.MaxReceives)
		if err := l.qp.PostReceives(n); err != nil {
			return because(err)
		}
		l.owed -= n
	}
	return nil
}

// repayAt is how many receives are posted at once: doing so is a call of the library.
const repayAt = 16

// join connects the lanes with the peer's.
func (e *end) join(to []address) error {
	if len(to) != len(e.lanes) {
		return fmt.Errorf("rdma: %w: %d queue pairs, want %d", transport.ErrProtocol, len(to), len(e.lanes))
	}
	for i := range e.lanes {
		l := &e.lanes[i]
		l.rkey = to[i].rkey
		if err := l.nic.connect(l.qp, l.psn, &to[i], &e.peer.mesh.cfg.Settings); err != nil {
			return err
		}
	}
	return nil
}

// addresses describe the lanes to the peer.
func (e *end) addresses() []address {
	var all []address
	for i := range e.lanes {
		l := &e.lanes[i]
		a := l.nic.address(l.qp.Number, l.psn)
		a.rkey = e.regions[l.queue].RKey
		all = append(all, a)
	}
	return all
}
