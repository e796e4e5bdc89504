package shm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

// peer is another rank of this host.
type peer struct {
	mesh *Mesh
	rank int

	gone chan struct{} // closed when down is set
	down atomic.Pointer[transport.RankError]

	dialing sync.Mutex // held while out is being made
	out     *conn      // dialed by this side

	probed   chan struct{} // closed when the peer's probe has ended
	probeErr error         // how; set before

	// Guarded by the mesh's mutex, by channel.
	openings  map[uint32]*opening
	receivers map[uint32]*receiver
}

func newPeer(m *Mesh, rank int) *peer {
	return &peer{mesh: m, rank: rank, gone: make(chan struct{}), probed: make(chan struct{}),
		openings: map[uint32]*opening{}, receivers: map[uint32]*receiver{}}
}

// lost returns the error that all links of a lost peer report, or nil.
func (p *peer) lost() error {
	if e := p.down.Load(); e != nil {
		return e
	}
	return nil
}

// lose records that a conversation with the peer has ended with err, and wakes
// all who wait for it. What it committed before that is visible here: it wrote
// to the segment before it, or the kernel for it, ended the connection.
func (p *peer) lose(err error) {
	if p.mesh.ctx.Err() != nil {
		return // it was this side that ended it
	}
	var re *transport.RankError
	switch {
	case errors.As(err, &re):
	case errors.Is(err, transport.ErrProtocol):
		re = p.errorf("shm: %w", err)
	case err == converse.ErrBye:
		re = p.errorf("shm: %w: %w", transport.ErrPeerLost, err)
	default:
		re = p.errorf("shm: %w: its process ended, or its connection was cut (%v)", transport.ErrPeerLost, err)
	}
	if !p.down.CompareAndSwap(nil, re) {
		return
	}
	close(p.gone)
	p.mesh.mu.Lock()
	ends := p.mesh.ends
	p.mesh.mu.Unlock()
	for _, e := range ends {
		if e.peer == p {
			e.nudge()
		}
	}
}

func (p *peer) errorf(format string, args ...any) *transport.RankError {
	return &transport.RankError{Rank: p.rank, Err: fmt.Errorf(format, args...)}
}

// opening is a sending end, or the probe, being made.
type opening struct {
	channel uint32
	done    chan struct{}
	sender  *sender // nil for the probe
	err     error
}

// opened returns the opening on a channel once it is done, and begins it if
// need be. One that failed is begun anew, unless it would fail again.
func (p *peer) opened(ctx context.Context, channel uint32) (*opening, error) {
	m := p.mesh
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, m.errClosed()
	}
	o := p.openings[channel]
	if o == nil {
		o = &opening{channel: channel, done: make(chan struct{})}
		p.openings[channel] = o
		m.wg.Go(func() { p.open(o) })
	}
	m.mu.Unlock()
	select {
	case <-o.done:
		return o, o.err
	default:
	}
	select {
	case <-o.done:
		return o, o.err
	case <-m.ctx.Done():
		return nil, m.errClosed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peer) open(o *opening) {
	m := p.mesh
	var seg *segment
	c, err := p.dial()
	if err == nil {
		seg, err = p.offer(c, o.channel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		if !errors.Is(err, transport.ErrUnavailable) {
			delete(p.openings, o.channel)
		}
	case seg == nil: // the probe
	case m.closed:
		unmap(seg.mem)
		err = m.errClosed()
	default:
		o.sender = newSender(p, seg)
		m.ends = append(m.ends, &o.sender.end)
	}
	o.err = err
	close(o.done)
}

// dial returns the connection for offers to the peer.
func (p *peer) dial() (*conn, error) {
	m := p.mesh
	p.dialing.Lock()
	defer p.dialing.Unlock()
	if err := p.lost(); err != nil {
		return nil, err
	}
	if p.out != nil {
		return p.out, nil
	}
	nc, err := m.src.Dial(m.ctx, p.rank, 0)
	if err != nil {
		if m.ctx.Err() != nil {
			return nil, m.errClosed()
		}
		return nil, err
	}
	c, err := m.adopt(nc, p)
	if err != nil {
		return nil, err
	}
	if err := c.Send(protocol.EncodeHello(m.cfg.Rank), converse.WriteTime); err != nil {
		m.discard(c)
		if m.ctx.Err() != nil {
			return nil, m.errClosed()
		}
		return nil, p.errorf("shm: %w: %w", transport.ErrPeerLost, err)
	}
	p.out = c
	m.wg.Go(func() {
		defer m.discard(c)
		p.lose(c.Handle(&protocol, c.answered))
	})
	return c, nil
}

// accept serves the connection that the peer dials for its offers.
func (p *peer) accept() {
	m := p.mesh
	for {
		nc, err := m.src.Accept(m.ctx, p.rank, 0)
		if err != nil {
			if m.ctx.Err() == nil {
				p.lose(p.errorf("shm: no connection from it: %w", err))
			}
			return
		}
		c, err := m.adopt(nc, p)
		if err != nil {
			return
		}
		greeted, err := p.converse(c)
		m.discard(c)
		if greeted {
			p.lose(err)
			return
		}
		// The peer gave up dialing just when it succeeded. It may dial again.
	}
}

// converse serves one connection until it ends, and reports how, and whether
// the peer has said a word on it.
func (p *peer) converse(c *conn) (greeted bool, err error) {
	return c.Serve(&protocol, p.rank, func(t converse.Type, body []byte) error { return p.react(c, t, body) })
}
