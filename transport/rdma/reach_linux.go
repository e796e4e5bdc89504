//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

const (
	// tryTime bounds how long an empty message and its acknowledgement may take.
	tryTime = 3 * time.Second
	// tryTimeout and tryRetries have the adapter give up before that.
	tryTimeout, tryRetries = 14, 6 // 67 ms
)

// attempt is what is known of whether the ports of this rank and a peer's reach each
// other. The lower rank of the two tries it, and tells the other how it went.
type attempt struct {
	once   sync.Once
	answer chan *trial   // what the peer says to the rank that tries
	done   chan struct{} // closed when err is final
	err    error
	end    *tryEnd // of the rank that is tried; belongs to its conversation
}

func newAttempt() attempt { return attempt{answer: make(chan *trial, 1), done: make(chan struct{})} }

// Reach finds out, by an empty message over queue pairs of its own, whether this rank's
// ports and the peer's reach each other. It returns nil, or an error that wraps
// transport.ErrUnavailable and says why not. Both ranks of a pair get the same answer, if
// both ask; it waits until the lower one has, for some seconds more at most.
func (m *Mesh) Reach(ctx context.Context, peer int) error {
	p, err := m.peer(peer, 0)
	if err != nil {
		return err
	}
	m.mu.Lock()
	if !m.closed && m.cfg.Rank < peer {
		p.try.once.Do(func() { m.wg.Go(func() { p.tried(p.tryPorts()) }) })
	}
	m.mu.Unlock()
	gone := p.gone
	if m.cfg.Rank < peer {
		gone = nil // its own attempt ends with that
	}
	select {
	case <-p.try.done:
		return p.try.err
	default:
	}
	select {
	case <-p.try.done:
		return p.try.err
	case <-gone:
		return p.lastWords(p.try.done)
	case <-m.ctx.Done():
		return m.errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastTime is how long what a peer has said before it went may take to be heard: its two
// connections may end in either order.
const lastTime = time.Second

// lastWords is the outcome if that was said before the peer went, else its loss.
func (p *peer) lastWords(done <-chan struct{}) error {
	timer := time.NewTimer(lastTime)
	defer timer.Stop()
	select {
	case <-done:
		return p.try.err
	case <-timer.C:
		return p.lost()
	}
}

// tried makes an outcome final.
func (p *peer) tried(err error) {
	p.try.err = err
	close(p.try.done)
}

// unreached is the outcome where something failed.
func (p *peer) unreached(why string) error {
	return p.errorf("%w", &UnavailableError{
		Why:  fmt.Sprintf("the ports of ranks %d and %d do not reach each other: %s", min(p.rank, p.mesh.cfg.Rank), max(p.rank, p.mesh.cfg.Rank), why),
		What: "choose ports that are on one network with NCCL_IB_HCA and NCCL_IB_GID_INDEX, or use TCP between hosts with NCCL_IB_DISABLE=1",
	})
}

// tryPorts is the lower rank's part.
func (p *peer) tryPorts() error {
	m := p.mesh
	c, err := p.dial()
	if err != nil {
		return err
	}
	end, err := newTryEnd(m, len(m.nics))
	defer end.destroy()
	first := &trial{lanes: end.lanes}
	if err != nil {
		first = &trial{failure: err.Error()}
	}
	if failed := p.say(c, first, msgTry); failed != nil {
		return failed
	}
	if err != nil {
		return p.unreached(first.failure)
	}
	a, err := p.answerToTry()
	if err != nil {
		return err
	}
	if a.failure != "" { // the peer knows
		return p.unreached(a.failure)
	}
	if err = end.connect(a.lanes); err == nil {
		err = end.ping(m.ctx)
	}
	outcome := &trial{}
	if err != nil {
		outcome.failure = err.Error()
		err = p.unreached(outcome.failure)
	}
	if failed := p.say(c, outcome, msgTried); failed != nil {
		return failed
	}
	return err
}

// answerToTry waits for what the peer says to msgTry.
func (p *peer) answerToTry() (*trial, error) {
	select {
	case a := <-p.try.answer:
		return a, nil
	case <-p.mesh.ctx.Done():
		return nil, p.mesh.errClosed()
	case <-p.gone:
	}
	timer := time.NewTimer(lastTime)
	defer timer.Stop()
	select {
	case a := <-p.try.answer:
		return a, nil
	case <-timer.C:
		return nil, p.lost()
	}
}

func (p *peer) say(c *conn, t *trial, as converse.Type) error {
	if err := c.Send(t.encode(as), converse.WriteTime); err != nil {
		if p.mesh.ctx.Err() != nil {
			return p.mesh.errClosed()
		}
		return p.errorf("rdma: %w: %w", transport.ErrPeerLost, err)
	}
	return nil
}

// heardTry is the higher rank's part: the lower one has said msgTry, or with the outcome
// msgTried.
func (p *peer) heardTry(c *conn, as converse.Type, body []byte) error {
	t, err := decodeTrial(body)
	if err != nil {
		return err
	}
	select {
	case <-p.try.done:
		return converse.Unexpected(as)
	default:
	}
	if p.rank > p.mesh.cfg.Rank || (as == msgTry) != (p.try.end == nil) {
		return converse.Unexpected(as)
	}
	if t.failure != "" {
		p.dropTry()
		p.tried(p.unreached(t.failure))
		return nil
	}
	if as == msgTried {
		p.dropTry()
		p.tried(nil)
		return nil
	}
	end, err := newTryEnd(p.mesh, len(t.lanes))
	p.try.end = end
	if err == nil {
		err = end.connect(t.lanes)
	}
	if err != nil {
		p.dropTry()
		p.tried(p.unreached(err.Error()))
		return c.Send((&trial{failure: err.Error()}).encode(msgTried), converse.WriteTime)
	}
	return c.Send((&trial{lanes: end.lanes}).encode(msgTried), converse.WriteTime)
}

// dropTry destroys the tried rank's end.
func (p *peer) dropTry() {
	if p.try.end != nil {
		p.try.end.destroy()
		p.try.end = nil
	}
}

// tryEnd is one side's queue pairs of a trial: one for each of the lower rank's ports.
type tryEnd struct {
	mesh  *Mesh
	nics  []*nic
	qps   []*ibv.QP
	cqs   []*ibv.CQ
	psns  []uint32
	lanes []address
}

func newTryEnd(m *Mesh, lanes int) (*tryEnd, error) {
	e := &tryEnd{mesh: m}
	if lanes == 0 {
		return e, fmt.Errorf("rdma: %w: a trial without queue pairs", transport.ErrProtocol)
	}
	for i := range lanes {
		n := m.nics[i%len(m.nics)]
		cq, err := n.device.NewCQ(4)
		if err != nil {
			return e, because(err)
		}
		e.cqs = append(e.cqs, cq)
		qp, err := n.device.NewQP(cq, ibv.QPConfig{Sends: 1, Receives: 1})
		if err != nil {
			return e, because(err)
		}
		e.qps = append(e.qps, qp)
		if err := qp.Init(n.Number); err != nil {
			return e, because(err)
		}
		if err := qp.PostReceives(1); err != nil {
			return e, because(err)
		}
		psn := rand.Uint32() & 0xffffff
		e.nics, e.psns, e.lanes = append(e.nics, n), append(e.psns, psn), append(e.lanes, n.address(qp.Number, psn))
	}
	return e, nil
}

func (e *tryEnd) connect(to []address) error {
	if len(to) != len(e.qps) {
		return fmt.Errorf("rdma: %w: %d queue pairs, want %d", transport.ErrProtocol, len(to), len(e.qps))
	}
	s := e.mesh.cfg.Settings
	s.Timeout, s.Retries = tryTimeout, tryRetries
	for i, qp := range e.qps {
		if err := e.nics[i].connect(qp, e.psns[i], &to[i], &s); err != nil {
			return err
		}
	}
	return nil
}

// ping sends an empty message over each queue pair and waits until the peer's adapters
// have acknowledged them.
func (e *tryEnd) ping(ctx context.Context) error {
	for _, qp := range e.qps {
		if err := qp.PostNumber(0, 0); err != nil {
			return because(err)
		}
	}
	deadline := time.Now().Add(tryTime)
	for i, cq := range e.cqs {
		for {
			wcs, err := cq.Poll()
			if err != nil {
				return because(err)
			}
			if len(wcs) > 0 && wcs[0].Status != ibv.Success {
				return &CompletionError{e.nics[i].Name(), wcs[0].Status, wcs[0].VendorErr}
			}
			if len(wcs) > 0 {
				break
			}
			if ctx.Err() != nil {
				return errors.New("the mesh was closed meanwhile")
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("no acknowledgement over %s within %v", e.nics[i].Name(), tryTime)
			}
			time.Sleep(50 * time.Microsecond)
		}
	}
	return nil
}

func (e *tryEnd) destroy() {
	for _, qp := range e.qps {
		_ = qp.Destroy()
	}
	for _, cq := range e.cqs {
		_ = cq.Destroy()
	}
	e.qps, e.cqs = nil, nil
}
