//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

// Mesh is one rank's links over RDMA. It implements transport.Mesh.
type Mesh struct {
	cfg    Config
	src    ConnSource
	meters transport.Meters
	nics   []*nic
	// registry is what callers have registered.
	registry registry
	peers    []*peer // by rank; nil where there can be no links
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	once     sync.Once // Close
	err      error     // of Close

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
	ends   []*end
}

var _ transport.Mesh = (*Mesh)(nil)

// Probe finds out whether this process can use RDMA: whether there is a port to
// choose, and for all that there are their devices can be opened, so many bytes can be
// registered with them, and a queue pair made. It returns the kind of network that the port is on, or an error
// that wraps transport.ErrUnavailable and says what is missing.
func Probe(s Settings, bytes int) (Kind, error) {
	choices, err := Find(s)
	if err != nil {
		return 0, err
	}
	nics, err := openNICs(choices) // any may become this rank's
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, n := range nics {
		errs = append(errs, n.try(bytes))
	}
	if err := because(errors.Join(append(errs, closeNICs(nics))...)); err != nil {
		return 0, err
	}
	return choices[0].kind(), nil
}

// try makes what a link consists of.
func (n *nic) try(bytes int) error {
	memory, err := ibv.Allocate(bytes)
	if err != nil {
		return err
	}
	defer ibv.Free(memory)
	region, err := n.device.Register(memory, true)
	if err != nil {
		return err
	}
	queue, err := n.device.NewCQ(2)
	if err != nil {
		return errors.Join(err, region.Deregister())
	}
	qp, err := n.device.NewQP(queue, ibv.QPConfig{Sends: 1, Receives: 1})
	if err == nil {
		err = errors.Join(qp.Init(n.Number), qp.Destroy())
	}
	return errors.Join(err, queue.Destroy(), region.Deregister())
}

// New makes the mesh of rank cfg.Rank, whose connections come from src, and opens
// the devices. The error wraps transport.ErrUnavailable where RDMA cannot be used,
// and transport.ErrInvalid if cfg cannot be right.
func New(cfg Config, src ConnSource) (*Mesh, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	choices, err := Find(cfg.Settings)
	if err != nil {
		return nil, err
	}
	nics, err := openNICs(cfg.Settings.rails(choices, cfg.LocalRank))
	if err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, src: src, nics: nics, registry: registry{nics: nics, settings: &cfg.Settings, log: cfg.Logger}, peers: make([]*peer, cfg.Size), conns: map[*conn]struct{}{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, d := range devices(nics) {
		m.wg.Go(func() { m.watch(d) })
	}
	for _, rank := range cfg.Peers {
		if m.peers[rank] == nil {
			p := newPeer(m, rank)
			m.peers[rank] = p
			m.wg.Go(p.accept)
		}
	}
	return m, nil
}

// Name returns "rdma".
func (m *Mesh) Name() string { return "rdma" }

// Traffic is transport.Metered's.
func (m *Mesh) Traffic() []transport.Traffic { return m.meters.Traffic(m.Name()) }

// SlotSize returns Config.SlotSize.
func (m *Mesh) SlotSize() int { return m.cfg.SlotSize }

// Slots returns Config.Slots.
func (m *Mesh) Slots() int { return m.cfg.Slots }

// Ports names the ports in use.
func (m *Mesh) Ports() []string {
	var names []string
	for _, n := range m.nics {
		names = append(names, n.Name())
	}
	return names
}

// Sender returns the sending end of the link to peer on channel. It waits until
// the peer's mesh has made its end, which needs no call there.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	p, err := m.peer(peer, channel)
	if err != nil {
		return nil, err
	}
	s, err := p.opened(ctx, uint32(channel))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Receiver returns the receiving end of the link from peer on channel.
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

// peer checks the arguments of a call.
func (m *Mesh) peer(peer, channel int) (*peer, error) {
	if peer < 0 || peer >= m.cfg.Size || peer == m.cfg.Rank || channel < 0 || int64(channel) >= 1<<32 {
		return nil, fmt.Errorf("rdma: no link between ranks %d and %d on channel %d in a world of %d: %w",
			m.cfg.Rank, peer, channel, m.cfg.Size, transport.ErrInvalid)
	}
	if m.ctx.Err() != nil {
		return nil, m.errClosed()
	}
	p := m.peers[peer]
	if p == nil {
		return nil, &transport.RankError{Rank: peer, Err: fmt.Errorf("rdma: it is %w: it is not among this mesh's peers", transport.ErrUnavailable)}
	}
	return p, nil
}

func (m *Mesh) errClosed() error {
	return fmt.Errorf("rdma: mesh of rank %d: %w", m.cfg.Rank, transport.ErrClosed)
}

// own makes an error one about this rank.
func (m *Mesh) own(err error) error { return &transport.RankError{Rank: m.cfg.Rank, Err: err} }

// adopt makes nc a connection of the mesh, or closes it if it is too late.
func (m *Mesh) adopt(nc net.Conn, p *peer, dialed bool) (*conn, error) {
	c := &conn{Conn: converse.Conn{Conn: nc}, peer: p, dialed: dialed}
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

// add takes an end under the mesh's care. The mesh's mutex is held.
func (m *Mesh) add(e *end) bool {
	if m.closed {
		return false
	}
	m.ends = append(m.ends, e)
	return true
}

// ring wakes the ends of a peer, or with nil all.
func (m *Mesh) ring(p *peer) {
	m.mu.Lock()
	ends := m.ends
	m.mu.Unlock()
	for _, e := range ends {
		if p == nil || e.peer == p {
			e.ring()
		}
	}
}

const (
	// heldTime is how long Close waits for slots that are still in use.
	heldTime = 50 * time.Millisecond
	// graceTime is for how long the addresses of those that stay in use remain
	// valid.
	graceTime = 10 * time.Second
)

// Close tears all links down as transport.Mesh says. It waits until the peers'
// adapters have acknowledged what was committed, for up to Config.Linger. If a slot
// is in use against the contract, its addresses stay valid for some seconds.
// Errors are of the library, which could not destroy something.
func (m *Mesh) Close() error {
	m.once.Do(func() { m.shut(true) })
	return m.err
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
	if orderly {
		deadline := time.Now().Add(m.cfg.Linger)
		for _, e := range ends {
			if e.linger != nil {
				e.linger(deadline)
			}
		}
	}
	for c := range conns {
		_ = c.SetWriteDeadline(time.Now().Add(converse.ByeTime)) // for who may be writing
	}
	for _, dialed := range []bool{true, false} { // how much there was, before the end
		for c := range conns {
			if orderly && c.dialed == dialed {
				c.bye(ends)
			}
		}
	}
	for c := range conns {
		c.Close()
	}
	for _, d := range devices(m.nics) {
		d.StopEvents()
	}
	m.wg.Wait()
	deadline := time.Now().Add(heldTime)
	var errs []error
	for _, e := range ends {
		errs = append(errs, e.destroy(deadline, graceTime))
	}
	m.registry.close()
	m.err = errors.Join(append(errs, closeNICs(m.nics))...)
}
