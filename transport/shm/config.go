package shm

import (
	"context"
	"fmt"
	"net"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// The values that a zero Config stands for, and the bounds of its fields.
const (
	DefaultSlotSize = 256 << 10
	DefaultSlots    = 4

	MaxSlotSize = 64 << 20
	MaxSlots    = 32
)

// Config says which rank this is and how its links are built. SlotSize and
// Slots are the same on every rank.
type Config struct {
	Rank, Size int

	// Peers lists the ranks that links may be made to; nil means all others.
	// See the function Peers.
	Peers []int

	// SlotSize is the number of payload bytes of a slot, at most MaxSlotSize; 0
	// means DefaultSlotSize. A link takes up to Slots times as much memory, or twice
	// that where Size is no more than 16, page by page as it is used.
	SlotSize int

	// Slots is the number of slots of a link, from 2 to MaxSlots; 0 means
	// DefaultSlots.
	Slots int
}

// ConnSource gives authenticated connections to and from other ranks. The mesh
// uses at most one connection in each direction for every peer, all on channel
// 0, and closes those that it was given.
type ConnSource interface {
	// Dial opens a connection to peer on channel. It waits for the peer's
	// process, not for its Accept.
	Dial(ctx context.Context, peer, channel int) (net.Conn, error)
	// Accept waits for the connection that peer dials on channel.
	Accept(ctx context.Context, peer, channel int) (net.Conn, error)
}

// Purpose is under which the connections of OverSession are made.
const Purpose = bootstrap.PurposeData + 1

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

// Peers lists the ranks in t, other than rank, that are on the same host as
// rank: under the same running kernel and in the same network namespace.
// Namespaces of their own make processes hosts of their own, to their users and
// to other transports.
func Peers(t *bootstrap.Table, rank int) []int {
	peers := []int{}
	self := t.Peers[rank].Host
	for i := range t.Peers {
		if h := t.Peers[i].Host; i != rank && self.SameMachine(h) && self.NetNS == h.NetNS {
			peers = append(peers, i)
		}
	}
	return peers
}

// smallWorld is the greatest world whose links take turns on more slots than may be
// in use.
const smallWorld = 16

// inLink is how many slots a link takes turns on. With twice as many as may be in
// use, what is in one has mostly left its writer's processor for a cache that both
// ranks share by the time it is read, and its reader's before it is written anew:
// from there it comes in two thirds of the time that the way from one processor's
// own cache to another's takes. In large worlds the memory would be felt.
func (cfg *Config) inLink() int {
	if cfg.Size > smallWorld {
		return cfg.Slots
	}
	return min(2*cfg.Slots, MaxSlots)
}

// fill sets defaults and reports what cannot be.
func (cfg *Config) fill() error {
	if cfg.SlotSize == 0 {
		cfg.SlotSize = DefaultSlotSize
	}
	if cfg.Slots == 0 {
		cfg.Slots = DefaultSlots
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("shm: %w: %s", transport.ErrInvalid, fmt.Sprintf(format, args...))
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
	return nil
}
