package tcp

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"
)

// The values that zero fields of a Config stand for.
const (
	DefaultSlotSize    = 256 << 10
	DefaultSlots       = 4
	DefaultLinger      = time.Second
	DefaultUserTimeout = 20 * time.Second
	DefaultSpin        = 200 * time.Microsecond
	DefaultStripe      = 32 << 10
)

// MaxConnections is the most connections that a link may use.
const MaxConnections = 64

// ConnSource makes the connections that links run on. Both ends of a connection
// have been authenticated, both peers have agreed on what it is for, and the
// first byte that is still to be read from it is the first that the mesh at the
// other end writes. The mesh owns what it is given, and sets its options and
// deadlines.
type ConnSource interface {
	// Dial connects to peer for the link from this rank to peer on channel. Of a
	// link with k connections, connection j of channel c is channel c*k + j here,
	// and all are dialled at once. Dial waits for the peer's host, never for the peer to call Accept.
	Dial(ctx context.Context, peer, channel int) (net.Conn, error)

	// Accept waits for the connection that peer dials for the link from peer to
	// this rank on channel. When it returns an error, as at the end of ctx, it
	// has not taken the connection; a later call gets it.
	Accept(ctx context.Context, peer, channel int) (net.Conn, error)
}

// Config says what a mesh is made of.
type Config struct {
	Rank int // this rank, 0 <= Rank < Size
	Size int // number of ranks in the world

	// SlotSize is the number of payload bytes of a slot, the same on every rank;
	// 0 means DefaultSlotSize.
	SlotSize int

	// Slots is the number of slots of a sending end, at least 2; 0 means
	// DefaultSlots. The memory of each is allocated when it is first needed. A
	// receiving end has one slot: what is under way waits in the system's buffers.
	Slots int

	// Connections is the number of connections of a link, up to MaxConnections,
	// the same on every rank; 0 means 1. Large chunks go over all of them at once,
	// in stripes. More than one pay where a single flow cannot fill the path: where
	// each has its own limit, or halves its rate whenever a packet is lost.
	Connections int

	// Near are ranks whose links with this rank have NearConnections connections
	// whatever Connections says, and on whose own lists this rank is, with the same
	// number; 0 means 1. Within a machine a connection is as fast as one processor
	// can copy, so more of them pay where there are processors to spare.
	Near            []int
	NearConnections int

	// Stripe is the least number of bytes that a stripe of a chunk has; 0 means
	// DefaultStripe.
	Stripe int

	// LocalRanks is the number of ranks on this machine, 0 if unknown. With more
	// of them than cores, waiting ranks yield their core to others.
	LocalRanks int

	// Spin is how long a receiver at most polls its socket before it sleeps; 0
	// means DefaultSpin, or not at all on a single core; negative means not at all.
	Spin time.Duration

	// Linger is how long Close at most waits until the system has taken over
	// what was committed; 0 means DefaultLinger.
	Linger time.Duration

	// UserTimeout is how long sent bytes may stay unacknowledged before the peer
	// counts as lost, where the system can say (TCP_USER_TIMEOUT on Linux); 0
	// means DefaultUserTimeout. Keepalive probes find the loss of an idle peer in
	// about the same time.
	UserTimeout time.Duration

	// SendBuffer and ReceiveBuffer set the sizes in bytes of the system's buffers
	// (SO_SNDBUF, SO_RCVBUF); 0 means what the slots hold, and a MiB at least,
	// between ranks of one machine, and leaves them to the system, which adapts
	// them to the path, elsewhere.
	SendBuffer, ReceiveBuffer int

	// Portable makes the mesh use nothing but net.Conn's own methods, as it does
	// by itself on systems without a faster way, and with connections that have
	// no descriptor of their own.
	Portable bool
}

// withDefaults returns the config with its zero fields filled in. It panics
// when a field is out of range.
func (c Config) withDefaults() Config {
	def(&c.SlotSize, DefaultSlotSize)
	def(&c.Slots, DefaultSlots)
	def(&c.Connections, 1)
	def(&c.NearConnections, 1)
	def(&c.Stripe, DefaultStripe)
	def(&c.Linger, DefaultLinger)
	def(&c.UserTimeout, DefaultUserTimeout)
	if c.Spin == 0 {
		c.Spin = defaultSpin(runtime.NumCPU())
	}
	if c.Size < 1 || c.Rank < 0 || c.Rank >= c.Size || c.SlotSize < 1 || c.SlotSize > maxSlotSize || c.Slots < 2 ||
		c.Connections < 1 || c.Connections > MaxConnections || c.NearConnections < 1 || c.NearConnections > MaxConnections || c.Stripe < 1 {
		panic(fmt.Sprintf("tcp: config out of range: rank %d of %d, %d slots of %d bytes, %d and %d connections, stripes of %d bytes",
			c.Rank, c.Size, c.Slots, c.SlotSize, c.Connections, c.NearConnections, c.Stripe))
	}
	return c
}

// connectionsTo is the number of connections of a link with peer.
func (c *Config) connectionsTo(peer int) int {
	if slices.Contains(c.Near, peer) {
		return c.NearConnections
	}
	return c.Connections
}

func def[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// defaultSpin is the longest useful poll. On the only core it delays exactly
// what it waits for.
func defaultSpin(cores int) time.Duration {
	if cores == 1 {
		return -1
	}
	return DefaultSpin
}

// crowded reports whether ranks of this machine share cores.
func (c *Config) crowded() bool { return c.LocalRanks > runtime.NumCPU() }
