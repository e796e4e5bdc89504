// Package tcp is the transport over TCP sockets.
//
// A link is one connection, used in one direction, or several, over which a large
// chunk goes in stripes at the same time; chunks stay in order. Where the system allows, the
// goroutine that calls Commit writes to the non-blocking descriptor itself, and
// the one that calls Next reads from it itself, polling briefly before it
// sleeps: in the common case no other goroutine takes part, and a chunk costs
// one system call at either end. What the socket does not take at once is
// written by a goroutine that lives only as long as something is left to write.
//
// What is in flight is bounded by the sending end's slots and the system's
// socket buffers. How connections come about is the business of a ConnSource.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Mesh is one rank's end of a world. It implements transport.Mesh.
type Mesh struct {
	cfg    Config
	conns  ConnSource
	meters transport.Meters

	mu        sync.Mutex
	senders   map[linkKey]*sender
	receivers map[linkKey]*receiver
	in, out   []wire // the connections of receivers and senders
	closed    bool

	ctx     context.Context // ends when Close begins
	cancel  context.CancelFunc
	closing sync.Once

	writers sync.WaitGroup // goroutines that write
	helpers sync.WaitGroup
	stalled stalled // lanes that wait for room in their sockets
}

// linkKey names one end of a link among those of its direction.
type linkKey struct{ peer, channel int }

var _ transport.Mesh = (*Mesh)(nil)

// New returns a mesh whose links run on connections from conns, made as links
// are first used. It panics when cfg is out of range.
func New(cfg Config, conns ConnSource) *Mesh {
	m := &Mesh{
		cfg:       cfg.withDefaults(),
		conns:     conns,
		senders:   make(map[linkKey]*sender),
		receivers: make(map[linkKey]*receiver),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Name returns "tcp".
func (m *Mesh) Name() string { return "tcp" }

// Traffic is transport.Metered's.
func (m *Mesh) Traffic() []transport.Traffic { return m.meters.Traffic(m.Name()) }

// SlotSize returns Config.SlotSize.
func (m *Mesh) SlotSize() int { return m.cfg.SlotSize }

// Slots returns Config.Slots.
func (m *Mesh) Slots() int { return m.cfg.Slots }

// Sender returns the sending end of the link to peer on channel. The first call
// connects to the peer. If that fails, a later call tries again.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	if err := m.check(peer, channel); err != nil {
		return nil, err
	}
	m.mu.Lock()
	key := linkKey{peer, channel}
	s := m.senders[key]
	if s == nil {
		s = newSender(m, peer, channel)
		m.senders[key] = s
	}
	m.mu.Unlock()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Receiver returns the receiving end of the link from peer on channel. Its
// first Next waits for the peer's connections.
func (m *Mesh) Receiver(_ context.Context, peer, channel int) (transport.Receiver, error) {
	if err := m.check(peer, channel); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := linkKey{peer, channel}
	r := m.receivers[key]
	if r == nil {
		r = newReceiver(m, peer, channel)
		m.receivers[key] = r
	}
	return r, nil
}

func (m *Mesh) check(peer, channel int) error {
	if m.isClosed() {
		return m.errClosed()
	}
	if peer < 0 || peer >= m.cfg.Size || peer == m.cfg.Rank || channel < 0 {
		return fmt.Errorf("tcp: no link between ranks %d and %d on channel %d in a world of %d: %w",
			m.cfg.Rank, peer, channel, m.cfg.Size, transport.ErrInvalid)
	}
	return nil
}

func (m *Mesh) isClosed() bool { return m.ctx.Err() != nil }

// help starts a helper, unless the mesh is closed.
func (m *Mesh) help(work func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.helpers.Go(work)
	return true
}

// dial makes a connection of a sender.
func (m *Mesh) dial(ctx context.Context, peer, channel int) (wire, error) {
	return m.open(ctx, m.conns.Dial, peer, channel, "connecting to it", &m.out)
}

// accept waits for a connection of a receiver.
func (m *Mesh) accept(ctx context.Context, peer, channel int) (wire, error) {
	return m.open(ctx, m.conns.Accept, peer, channel, "waiting for its connection", &m.in)
}

// open obtains a connection by calling get with a context that ends with ctx
// or the mesh, and takes it under the mesh's care, in list.
func (m *Mesh) open(ctx context.Context, get func(ctx context.Context, peer, channel int) (net.Conn, error),
	peer, channel int, doing string, list *[]wire) (wire, error) {
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	conn, err := get(both, peer, channel)
	switch {
	case err == nil:
	case m.isClosed():
		return nil, m.errClosed()
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		return nil, lost(peer, doing, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		conn.Close()
		return nil, m.errClosed()
	}
	w, err := newWire(conn, &m.cfg, &m.stalled)
	if err != nil {
		conn.Close()
		return nil, lost(peer, doing, err)
	}
	*list = append(*list, w)
	return w, nil
}

// Close ends the mesh: waiting calls return ErrClosed at once; what was
// committed is handed to the system for up to Config.Linger; then all
// connections are closed.
func (m *Mesh) Close() error {
	m.closing.Do(m.close)
	return nil
}

func (m *Mesh) close() {
	m.mu.Lock()
	m.closed = true
	m.cancel()
	senders := make([]*sender, 0, len(m.senders))
	for _, s := range m.senders {
		senders = append(senders, s)
	}
	m.mu.Unlock()

	// From here on nobody adds connections.
	for _, w := range m.in {
		w.close()
	}
	for _, s := range senders {
		s.fail(m.errClosed())
	}
	written := make(chan struct{})
	go func() {
		m.writers.Wait()
		close(written)
	}()
	timer := time.NewTimer(m.cfg.Linger)
	select {
	case <-written:
	case <-timer.C:
	}
	timer.Stop()
	for _, w := range m.out {
		w.close()
	}
	<-written
	m.helpers.Wait()
}

func (m *Mesh) errClosed() error {
	return fmt.Errorf("tcp: mesh of rank %d: %w", m.cfg.Rank, transport.ErrClosed)
}

// fault turns what a connection's end reports into what the contract says.
func (m *Mesh) fault(peer int, doing string, err error) error {
	if m.isClosed() || errors.Is(err, net.ErrClosed) {
		return m.errClosed()
	}
	return lost(peer, doing, err)
}

// lost returns the error for a peer whose connection failed with err.
func lost(peer int, doing string, err error) error {
	var re *transport.RankError
	if errors.As(err, &re) {
		return err
	}
	for _, known := range []error{transport.ErrPeerLost, transport.ErrProtocol,
		transport.ErrUnauthenticated, transport.ErrVersion, transport.ErrTimeout, transport.ErrAborted, transport.ErrClosed} {
		if errors.Is(err, known) {
			return &transport.RankError{Rank: peer, Doing: doing, Err: err}
		}
	}
	return &transport.RankError{Rank: peer, Doing: doing, Err: fmt.Errorf("%w: %w", transport.ErrPeerLost, err)}
}
