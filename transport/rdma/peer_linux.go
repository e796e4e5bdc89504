//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

// peer is another rank.
type peer struct {
	mesh *Mesh
	rank int

	gone    chan struct{} // closed when down is set
	down    atomic.Pointer[transport.RankError]
	orderly atomic.Int64 // when the peer said bye, in nanoseconds; 0 if it has not
	said    atomic.Bool  // the peer's own connection has ended: it has said all

	dialing sync.Mutex // held while out is being made
	out     *conn      // dialed by this side

	try attempt // whether its ports are reached

	// Guarded by the mesh's mutex, by channel.
	openings  map[uint32]*opening
	receivers map[uint32]*receiver
}

func newPeer(m *Mesh, rank int) *peer {
	return &peer{mesh: m, rank: rank, gone: make(chan struct{}), try: newAttempt(), openings: map[uint32]*opening{}, receivers: map[uint32]*receiver{}}
}

// lost returns the error that all links of a lost peer report, or nil.
func (p *peer) lost() error {
	if e := p.down.Load(); e != nil {
		return e
	}
	return nil
}

// lose records that a conversation with the peer has ended with err, and wakes
// all who wait for it.
func (p *peer) lose(err error) {
	if p.mesh.ctx.Err() != nil {
		return // it was this side that ended it
	}
	var re *transport.RankError
	switch {
	case errors.As(err, &re):
	case errors.Is(err, transport.ErrProtocol):
		re = p.errorf("rdma: %w", err)
	case err == converse.ErrBye:
		p.orderly.CompareAndSwap(0, time.Now().UnixNano())
		re = p.errorf("rdma: %w: %w", transport.ErrPeerLost, err)
	default:
		re = p.errorf("rdma: %w: its process ended, or its connection was cut (%v)", transport.ErrPeerLost, err)
	}
	if p.down.CompareAndSwap(nil, re) {
		close(p.gone)
	}
	p.mesh.ring(p)
}

func (p *peer) errorf(format string, args ...any) *transport.RankError {
	return &transport.RankError{Rank: p.rank, Err: fmt.Errorf(format, args...)}
}

// receiver returns the receiving end on a channel. The mesh's mutex is held.
func (p *peer) receiver(channel uint32) *receiver {
	r := p.receivers[channel]
	if r == nil {
		r = newReceiver(p, channel)
		p.receivers[channel] = r
	}
	return r
}

// opening is a sending end being made.
type opening struct {
	done   chan struct{}
	answer chan *answer // of the peer
	sender *sender
	err    error
}

// opened returns the sending end on a channel once it is there, and begins it if
// need be. One that failed is begun anew, unless it would fail again.
func (p *peer) opened(ctx context.Context, channel uint32) (*sender, error) {
	m := p.mesh
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, m.errClosed()
	}
	o := p.openings[channel]
	if o == nil {
		o = &opening{done: make(chan struct{}), answer: make(chan *answer, 1)}
		p.openings[channel] = o
		m.wg.Go(func() { p.open(o, channel) })
	}
	m.mu.Unlock()
	select {
	case <-o.done:
		return o.sender, o.err
	default:
	}
	select {
	case <-o.done:
		return o.sender, o.err
	case <-m.ctx.Done():
		return nil, m.errClosed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open makes the sending end on a channel.
func (p *peer) open(o *opening, channel uint32) {
	m := p.mesh
	s, err := newSender(p, channel)
	if err == nil {
		if err = p.introduce(o, s); err != nil {
			err = errors.Join(err, s.destroy(time.Time{}, 0))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && !m.add(&s.end) {
		err = errors.Join(m.errClosed(), s.destroy(time.Time{}, 0))
	}
	if err != nil {
		if !errors.Is(err, transport.ErrUnavailable) {
			delete(p.openings, channel)
		}
		o.err = err
	} else {
		o.sender = s
	}
	close(o.done)
}

// introduce tells the peer about a sending end, and connects it with the peer's.
func (p *peer) introduce(o *opening, s *sender) error {
	m := p.mesh
	c, err := p.dial()
	if err != nil {
		return err
	}
	if err := c.Send(s.offer().encode(), converse.WriteTime); err != nil {
		if m.ctx.Err() != nil {
			return m.errClosed()
		}
		return p.errorf("rdma: %w: %w", transport.ErrPeerLost, err)
	}
	select {
	case a := <-o.answer:
		if a.refusal != "" {
			return p.errorf("%w: there is no end for this link: %q", transport.ErrUnavailable, a.refusal)
		}
		return s.connect(a)
	case <-p.gone:
		return p.lost()
	case <-m.ctx.Done():
		return m.errClosed()
	}
}

// answered takes what the peer says on the connection that this side dialed.
func (p *peer) answered(t converse.Type, body []byte) error {
	if t == msgTried {
		a, err := decodeTrial(body)
		if err != nil {
			return err
		}
		select {
		case p.try.answer <- a:
			return nil
		default:
			return converse.Unexpected(t)
		}
	}
	if t != msgAnswer {
		return converse.Unexpected(t)
	}
	a, err := decodeAnswer(body)
	if err != nil {
		return err
	}
	p.mesh.mu.Lock()
	o := p.openings[a.channel]
	p.mesh.mu.Unlock()
	if o == nil {
		return nil // it was given up
	}
	select {
	case o.answer <- a:
		return nil
	default:
		return fmt.Errorf("%w: a second answer for channel %d", transport.ErrProtocol, a.channel)
	}
}

// dial returns the connection on which to offer ends to the peer.
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
	c, err := m.adopt(nc, p, true)
	if err != nil {
		return nil, err
	}
	if err := c.Send(protocol.EncodeHello(m.cfg.Rank), converse.WriteTime); err != nil {
		m.discard(c)
		if m.ctx.Err() != nil {
			return nil, m.errClosed()
		}
		return nil, p.errorf("rdma: %w: %w", transport.ErrPeerLost, err)
	}
	p.out = c
	m.wg.Go(func() {
		defer m.discard(c)
		p.lose(c.Handle(&protocol, p.answered))
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
				p.lose(p.errorf("rdma: no connection from it: %w", err))
			}
			return
		}
		c, err := m.adopt(nc, p, false)
		if err != nil {
			return
		}
		greeted, err := p.converse(c)
		p.dropTry()
		m.discard(c)
		if greeted {
			p.said.Store(true)
			p.lose(err)
			return
		}
		// The peer gave up dialing just when it succeeded. It may dial again.
	}
}

// converse serves one connection until it ends, and reports how, and whether
// the peer has said a word on it.
func (p *peer) converse(c *conn) (greeted bool, err error) {
	return c.Serve(&protocol, p.rank, func(t converse.Type, body []byte) error {
		switch t {
		case msgOffer:
			return p.offered(c, body)
		case msgLast:
			return p.ended(body)
		case msgTry, msgTried:
			return p.heardTry(c, t, body)
		}
		return converse.Unexpected(t)
	})
}

// maxLinks bounds the links from one peer.
const maxLinks = 4096

// offered makes the receiving end for a link of the peer, and answers.
func (p *peer) offered(c *conn, body []byte) error {
	m := p.mesh
	o, err := decodeOffer(body)
	if err != nil {
		return err
	}
	a := &answer{channel: o.channel}
	m.mu.Lock()
	switch {
	case m.closed:
		m.mu.Unlock()
		return m.errClosed()
	case len(p.receivers) >= maxLinks && p.receivers[o.channel] == nil:
		m.mu.Unlock()
		a.refusal = fmt.Sprintf("more than %d links", maxLinks)
		return c.Send(a.encode(), converse.WriteTime)
	}
	r := p.receiver(o.channel)
	m.mu.Unlock()
	if r.isMet() {
		return fmt.Errorf("%w: channel %d is offered twice", transport.ErrProtocol, o.channel)
	}
	if err := r.make(o); err != nil {
		a.refusal = err.Error()
		err = errors.Join(m.own(err), r.destroy(time.Time{}, 0))
		r.meet(err)
		return c.Send(a.encode(), converse.WriteTime)
	}
	m.mu.Lock()
	added := m.add(&r.end)
	m.mu.Unlock()
	if !added {
		_ = r.destroy(time.Time{}, 0) // the mesh is closed: nobody is left to hear of it
		return m.errClosed()
	}
	a.memory, a.lanes, a.cells = r.address(), r.addresses(), inWords(runtime.GOARCH, r.ports)
	r.meet(nil)
	return c.Send(a.encode(), converse.WriteTime)
}

// ended notes how many chunks a link of the peer has had.
func (p *peer) ended(body []byte) error {
	l, err := decodeLast(body)
	if err != nil {
		return err
	}
	p.mesh.mu.Lock()
	r := p.receivers[l.channel]
	p.mesh.mu.Unlock()
	if r != nil {
		r.final.Store(1<<32 | uint64(l.chunks))
		r.ring()
	}
	return nil
}
