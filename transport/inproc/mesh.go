// Package inproc is the transport between ranks that are goroutines of one
// process. It touches neither sockets nor the clock, so it works inside
// testing/synctest, and it hands a sender's slot memory to the receiver without
// a copy. It serves tests, simulation of large worlds, and examples.
package inproc

import (
	"context"
	"fmt"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// The values that a zero Options stands for.
const (
	DefaultSlotSize = 256 << 10
	DefaultSlots    = 4
)

// Options says how the links of a world are built.
type Options struct {
	// SlotSize is the number of payload bytes of a slot; 0 means
	// DefaultSlotSize. A slot's memory is allocated when it is first needed.
	SlotSize int

	// Slots is the number of slots of a link, at least 2; 0 means DefaultSlots.
	Slots int

	// Poison overwrites a chunk's payload when it is released, so that a test
	// notices whoever reads it afterwards.
	Poison bool
}

// Mesh is one rank's end of a world. It implements transport.Mesh.
type Mesh struct {
	rank   int
	world  []*Mesh
	opts   Options
	meters transport.Meters

	mu sync.Mutex
	in map[linkKey]*link // links that end here

	gone chan struct{} // closed by Close and Kill
	once sync.Once
	died bool // set before gone is closed: the rank was killed
}

// linkKey names a link among those that end at one rank.
type linkKey struct{ from, channel int }

var _ transport.Mesh = (*Mesh)(nil)

// NewWorld makes a world of n ranks and returns the mesh of each, in the order
// of their ranks. It panics when n < 1 or an option is out of range.
func NewWorld(n int, opts Options) []*Mesh {
	if opts.SlotSize == 0 {
		opts.SlotSize = DefaultSlotSize
	}
	if opts.Slots == 0 {
		opts.Slots = DefaultSlots
	}
	if n < 1 || opts.SlotSize < 1 || opts.Slots < 2 {
		panic(fmt.Sprintf("inproc: NewWorld(%d, %+v): needs a rank, a slot size of at least 1 byte and at least 2 slots", n, opts))
	}
	world := make([]*Mesh, n)
	for rank := range world {
		world[rank] = &Mesh{
			rank:  rank,
			world: world,
			opts:  opts,
			in:    make(map[linkKey]*link),
			gone:  make(chan struct{}),
		}
	}
	return world
}

// Name returns "inproc".
func (m *Mesh) Name() string { return "inproc" }

// Traffic is transport.Metered's.
func (m *Mesh) Traffic() []transport.Traffic { return m.meters.Traffic(m.Name()) }

// SlotSize returns Options.SlotSize.
func (m *Mesh) SlotSize() int { return m.opts.SlotSize }

// Slots returns Options.Slots.
func (m *Mesh) Slots() int { return m.opts.Slots }

// Sender returns the sending end of the link to peer on channel.
func (m *Mesh) Sender(_ context.Context, peer, channel int) (transport.Sender, error) {
	if err := m.check(peer, channel); err != nil {
		return nil, err
	}
	return &m.world[peer].link(m.rank, channel).snd, nil
}

// Receiver returns the receiving end of the link from peer on channel.
func (m *Mesh) Receiver(_ context.Context, peer, channel int) (transport.Receiver, error) {
	if err := m.check(peer, channel); err != nil {
		return nil, err
	}
	return &m.link(peer, channel).rcv, nil
}

func (m *Mesh) check(peer, channel int) error {
	if m.isGone() {
		return m.errClosed()
	}
	if peer < 0 || peer >= len(m.world) || peer == m.rank || channel < 0 {
		return fmt.Errorf("inproc: no link between ranks %d and %d on channel %d in a world of %d: %w",
			m.rank, peer, channel, len(m.world), transport.ErrInvalid)
	}
	return nil
}

// link returns the link that ends here, comes from another rank and runs on
// channel. Whichever end asks first makes it.
func (m *Mesh) link(from, channel int) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := linkKey{from, channel}
	l := m.in[key]
	if l == nil {
		l = newLink(m.world[from], m)
		m.in[key] = l
	}
	return l
}

// Close ends the rank in an orderly way: peers still receive what it has
// committed, and then find it lost.
func (m *Mesh) Close() error {
	m.once.Do(func() { close(m.gone) })
	return nil
}

// Kill ends the rank as the death of a process would: what it committed and
// nobody has received yet is lost, its peers find it lost at once, and its own
// calls return ErrClosed.
func (m *Mesh) Kill() {
	m.once.Do(func() {
		m.died = true
		close(m.gone)
	})
}

func (m *Mesh) isGone() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

func (m *Mesh) errClosed() error {
	return fmt.Errorf("inproc: mesh of rank %d: %w", m.rank, transport.ErrClosed)
}

// errLost is what this rank's peers report once it is gone.
func (m *Mesh) errLost(doing string) error {
	cause := "has closed its mesh"
	if m.died {
		cause = "was killed"
	}
	return &transport.RankError{
		Rank:  m.rank,
		Doing: doing,
		Err:   fmt.Errorf("inproc: the rank %s: %w", cause, transport.ErrPeerLost),
	}
}
