package shm

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/monel-dev/monel/internal/publish"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// Mesh is one rank's links to other ranks of its host. It implements
// transport.Mesh.
type Mesh struct {
	cfg    Config
	src    ConnSource
	meters transport.Meters
	sys    system
	pace   pacing
	peers  []*peer // by rank; nil where there can be no links
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once // Close

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
	ends   []*end
}

var _ transport.Mesh = (*Mesh)(nil)

// system is what a mesh asks of the operating system to make and find segments.
type system struct {
	create func(n nonce, size int) (*os.File, error)
	open   func(o *offer) (*os.File, error)
	ways   []way // in the order in which to try them
}

// New makes the mesh of rank cfg.Rank, whose connections come from src. The
// error wraps transport.ErrUnavailable where this system or sandbox does not
// let processes share memory at all, and transport.ErrInvalid if cfg cannot be
// right.
func New(cfg Config, src ConnSource) (*Mesh, error) {
	sys, err := localSystem()
	if err != nil {
		return nil, err
	}
	return newMesh(cfg, src, sys)
}

// Available returns nil where processes can make memory to share, or an error
// that wraps transport.ErrUnavailable and says why not. Ranks tell each other
// beforehand, so that nobody waits for one that cannot.
func Available() error {
	sys, err := localSystem()
	if err != nil {
		return err
	}
	return sys.available()
}

func (s system) available() error {
	var n nonce // others look at the same time, where the file has a name for a moment
	rand.Read(n[:])
	f, err := s.create(n, pageSize)
	if err != nil {
		return fmt.Errorf("shm: memory to share is %w: %w", transport.ErrUnavailable, err)
	}
	return f.Close()
}

func newMesh(cfg Config, src ConnSource, sys system) (*Mesh, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if err := sys.available(); err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, src: src, sys: sys, pace: usualPace, peers: make([]*peer, cfg.Size), conns: map[*conn]struct{}{}}
	if m.pace.moves = processor.Roomy(len(cfg.Peers) + 1); !m.pace.moves {
		m.pace = crowdedPace
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, rank := range cfg.Peers {
		if m.peers[rank] == nil {
			p := newPeer(m, rank)
			m.peers[rank] = p
			m.wg.Go(p.accept)
		}
	}
	return m, nil
}

// Name returns "shm".
func (m *Mesh) Name() string { return "shm" }

// Traffic is transport.Metered's.
func (m *Mesh) Traffic() []transport.Traffic { return m.meters.Traffic(m.Name()) }

// SlotSize returns Config.SlotSize.
func (m *Mesh) SlotSize() int { return m.cfg.SlotSize }

// Slots returns Config.Slots.
func (m *Mesh) Slots() int { return m.cfg.Slots }

func (m *Mesh) geometry() geometry { return geometry{m.cfg.SlotSize, m.cfg.inLink()} }

// Sender returns the sending end of the link to peer on channel. It waits until
// the peer's mesh has mapped the link's segment, which needs no call there. The
// error wraps transport.ErrUnavailable if memory cannot be shared with that
// peer.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	p, err := m.peer(peer, channel)
	if err != nil {
		return nil, err
	}
	o, err := p.opened(ctx, uint32(channel))
	if err != nil {
		return nil, err
	}
	return o.sender, nil
}

// Receiver returns the receiving end of the link from peer on channel. A peer
// that finds that no memory can be shared makes Next return an error that wraps
// transport.ErrUnavailable.
func (m *Mesh) Receiver(_ context.Context, peer, channel int) (transport.Receiver, error) {
	p, err := m.peer(peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, m.errClosed()
	}
	return p.receiver(uint32(channel)), nil
}

// Reach finds out whether memory can be shared with peer, in both directions,
// and returns nil, or an error that wraps transport.ErrUnavailable and says why
// not. The two ranks of a pair that both call Reach get the same answer; it
// waits until both have. So all pairs of a host call it once, side by side, and
// use another transport where it fails.
func (m *Mesh) Reach(ctx context.Context, peer int) error {
	p, err := m.peer(peer, 0)
	if err != nil {
		return err
	}
	if _, err := p.opened(ctx, probeChannel); err != nil {
		return err
	}
	select {
	case <-p.probed:
		return p.probeErr
	default:
	}
	select {
	case <-p.probed:
		return p.probeErr
	case <-p.gone:
		return p.lost()
	case <-m.ctx.Done():
		return m.errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// peer checks the arguments of a call.
func (m *Mesh) peer(peer, channel int) (*peer, error) {
	if peer < 0 || peer >= m.cfg.Size || peer == m.cfg.Rank || channel < 0 || int64(channel) >= probeChannel {
		return nil, fmt.Errorf("shm: no link between ranks %d and %d on channel %d in a world of %d: %w",
			m.cfg.Rank, peer, channel, m.cfg.Size, transport.ErrInvalid)
	}
	if m.ctx.Err() != nil {
		return nil, m.errClosed()
	}
	p := m.peers[peer]
	if p == nil {
		return nil, &transport.RankError{Rank: peer, Err: fmt.Errorf("shm: sharing memory is %w: it is not on this host", transport.ErrUnavailable)}
	}
	return p, nil
}

func (m *Mesh) errClosed() error {
	return fmt.Errorf("shm: mesh of rank %d: %w", m.cfg.Rank, transport.ErrClosed)
}

// adopt makes nc a connection of the mesh, or closes it if it is too late.
func (m *Mesh) adopt(nc net.Conn, p *peer) (*conn, error) {
	c := &conn{Conn: converse.Conn{Conn: nc}, peer: p, pending: map[uint32]chan answer{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		nc.Close()
		return nil, m.errClosed()
	}
	m.conns[c] = struct{}{}
	return c, nil
}

func (m *Mesh) discard(c *conn) {
	c.Close()
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
}

const (
	// heldTime is how long Close waits for slots that are still in use.
	heldTime = 50 * time.Millisecond
	// graceTime is for how long the addresses of those that stay in use remain
	// valid.
	graceTime = 10 * time.Second
)

// Close tears all links down as transport.Mesh says. It does not wait for
// peers: what was committed is in their memory already. If a slot is in use
// against the contract, Close waits a moment for it and then leaves its
// addresses valid, without connection to the link, for some seconds.
func (m *Mesh) Close() error {
	m.once.Do(func() { m.shut(true) })
	return nil
}

// kill is Close without a word to the peers, as if the process had died.
func (m *Mesh) kill() { m.once.Do(func() { m.shut(false) }) }

func (m *Mesh) shut(orderly bool) {
	m.mu.Lock()
	m.closed = true
	ends := m.ends
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	m.cancel()
	for _, e := range ends {
		e.close()
	}
	settled := time.Now().Add(publish.Settled)
	for c := range conns {
		_ = c.SetWriteDeadline(time.Now().Add(converse.ByeTime)) // for who may be writing
	}
	for c := range conns {
		if orderly {
			_ = c.Send(protocol.EncodeBye(), converse.ByeTime)
		}
		c.Close()
	}
	m.wg.Wait()
	if len(ends) > 0 {
		time.Sleep(time.Until(settled))
	}
	deadline := time.Now().Add(heldTime)
	for _, e := range ends {
		e.free(deadline, graceTime)
	}
}
