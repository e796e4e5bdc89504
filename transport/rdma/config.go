package rdma

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// The values that a zero Config stands for, and the bounds of its fields.
const (
	DefaultSlotSize = 256 << 10
	DefaultSlots    = 4
	DefaultLinger   = time.Second
	DefaultSpin     = time.Millisecond

	MaxLinger   = 10 * time.Second
	MaxSlotSize = 64 << 20
	MaxSlots    = 128
)

// Config says which rank this is and how its links are built. SlotSize and
// Slots are the same on every rank.
type Config struct {
	Rank, Size int

	// Peers lists the ranks that links may be made to; nil means all others.
	Peers []int

	// SlotSize is the number of payload bytes of a slot, at most MaxSlotSize; 0
	// means DefaultSlotSize.
	SlotSize int

	// Slots is the number of slots that a link has at least, from 2 to MaxSlots; 0
	// means DefaultSlots. It has twice as many, so that the receiver need not tell
	// the sender of each that it has released. All of them are registered memory,
	// on both sides.
	Slots int

	// LocalRanks is the number of ranks on this machine, 0 if unknown, and LocalRank
	// the number of this one among them, which decides on the port that it uses
	// where there are several.
	LocalRanks, LocalRank int

	// Spin is how long a wait at most polls before it sleeps; 0 means DefaultSpin,
	// negative not at all.
	Spin time.Duration

	// Linger is how long Close at most waits until the peers' adapters have what
	// was committed; 0 means long enough for an adapter to repeat twice what was lost
	// (Settings.Timeout), at least DefaultLinger and at most MaxLinger.
	Linger time.Duration

	// Logger hears, once for each GPU and port, how the GPU's memory is sent, at
	// slog.LevelDebug; nil for nobody.
	Logger *slog.Logger

	// Settings choose the ports and say how they are used.
	Settings Settings
}

// ConnSource gives authenticated connections to and from other ranks, over which
// they tell each other about their queue pairs. The mesh uses at most one in each
// direction for every peer, all on channel 0, and closes those that it was given.
type ConnSource interface {
	// Dial opens a connection to peer on channel. It waits for the peer's process,
	// not for its Accept.
	Dial(ctx context.Context, peer, channel int) (net.Conn, error)
	// Accept waits for the connection that peer dials on channel.
	Accept(ctx context.Context, peer, channel int) (net.Conn, error)
}

// Purpose is under which the connections of OverSession are made.
const Purpose = bootstrap.PurposeData + 2

// OverSession makes a session the source of a mesh's connections. They do not
// meet those of other transports over the same session.
func OverSession(s *bootstrap.Session) ConnSource { return sessionSource{s} }

type sessionSource struct{ *bootstrap.Session }

func (s sessionSource) Dial(ctx context.Context, peer, channel int) (net.Conn, error) {
	return s.DialFor(ctx, Purpose, peer, channel)
}

func (s sessionSource) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	return s.AcceptFor(ctx, Purpose, peer, channel)
}

// LinkBytes is how much memory a link with such slots registers on each side.
func LinkBytes(slotSize, slots int) int {
	return 2*slots*stride(slotSize) + max(leastCells, 2*slots)*cellSize + 64
}

// leastCells is how many cells for short chunks a link has at least.
const leastCells = 64

// stride is the distance between slots: a head, the payload, and room up to a
// cache line.
func stride(slotSize int) int { return (headSize + slotSize + 63) &^ 63 }

// fill sets defaults and reports what cannot be.
func (cfg *Config) fill() error {
	for _, d := range []struct {
		field *int
		value int
	}{{&cfg.SlotSize, DefaultSlotSize}, {&cfg.Slots, DefaultSlots}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if cfg.Spin == 0 {
		cfg.Spin = DefaultSpin
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("rdma: %w: %s", transport.ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case cfg.Size < 1 || cfg.Rank < 0 || cfg.Rank >= cfg.Size:
		return invalid("rank %d in a world of %d", cfg.Rank, cfg.Size)
	case cfg.SlotSize < 1 || cfg.SlotSize > MaxSlotSize:
		return invalid("slot size %d is not in [1, %d]", cfg.SlotSize, MaxSlotSize)
	case cfg.Slots < 2 || cfg.Slots > MaxSlots:
		return invalid("%d slots, possible are 2 to %d", cfg.Slots, MaxSlots)
	}
	if cfg.Peers == nil {
		for peer := range cfg.Size {
			if peer != cfg.Rank {
				cfg.Peers = append(cfg.Peers, peer)
			}
		}
	}
	for _, peer := range cfg.Peers {
		if peer < 0 || peer >= cfg.Size || peer == cfg.Rank {
			return invalid("rank %d has no peer %d in a world of %d", cfg.Rank, peer, cfg.Size)
		}
	}
	cfg.Settings.fill()
	if cfg.Linger == 0 {
		cfg.Linger = min(max(2*cfg.Settings.repeatTime()+DefaultLinger/2, DefaultLinger), MaxLinger)
	}
	return cfg.Settings.check()
}
