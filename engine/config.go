package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/internal/environ"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap/launch"
	"github.com/monel-dev/monel/transport/rdma"
	"github.com/monel-dev/monel/transport/shm"
	"github.com/monel-dev/monel/transport/tcp"
)

// Config says which rank of which communicator this process is, and how the
// communicator behaves. The zero value of every setting means its default.
// Settings marked "same on all ranks" are compared at Init, and a difference
// is an error on every rank.
type Config struct {
	// Rank is this rank's number, 0 to Size-1, and Size the number of ranks.
	Rank, Size int

	// ID identifies the communicator: made by NewUniqueID in one process and
	// handed to all, or with NCCL_COMM_ID in each. If it is zero, ranks meet at Root
	// instead.
	ID UniqueID

	// Root is the address, "host:port", at which rank 0 listens and the others
	// find it. Secret is what only ranks of this job know.
	Root   string
	Secret []byte

	// Listen is the local address on which this rank accepts connections, as
	// "host" or "host:port". By default it is the one that faces the root, with
	// a port that the system chooses.
	Listen string

	// Interface selects the network interface that this rank listens on, in the
	// syntax of NCCL_SOCKET_IFNAME: prefixes of names, separated by commas; "=" in
	// front asks for whole names, "^" for all but those. Listen goes before it.
	Interface string

	// Family is "ip4" or "ip6" if only addresses of that family are to be used, as
	// NCCL_SOCKET_FAMILY says it; otherwise IPv4 goes first.
	Family string

	// Transport is "auto", "shm", "rdma" or "tcp": shared memory between ranks of one
	// host, RDMA between those of different hosts that have a port which can be used,
	// and sockets between the others; or only one of them. Same on all ranks.
	Transport string

	// NoSharedMemory: with Transport "auto", this rank shares no memory with others. Ranks
	// of its host then talk to it over TCP; between hosts it changes nothing.
	NoSharedMemory bool

	// RDMA chooses the RDMA ports of this rank and says how they are used.
	RDMA rdma.Settings

	// Connections is the number of TCP connections of each link, at most
	// MaxConnections. Large chunks go over all of them at once. By default there is one
	// between hosts, where more pay if the network limits each flow or loses packets;
	// and between ranks of one host as many as their processors can serve, up to four.
	// Same on all ranks.
	Connections int

	// Checksums protects every chunk with a CRC-32C, so that a bit which is flipped on
	// the way, by hardware or a driver, is an error that wraps ErrCorrupt and never part
	// of a result. Over RDMA, chunks then always go through slots. Same on all ranks.
	Checksums bool

	// Encrypt encrypts and authenticates everything that leaves a host, with
	// AES-256-GCM under keys made from the job's secret. RDMA is not used then. Ranks
	// of one host still talk through shared memory, which only their user can open.
	// Without it, tensors cross the network in the clear, and only what ranks say to
	// each other about the job is encrypted. Same on all ranks.
	Encrypt bool

	// Timeout bounds every collective and message, and is on by default: DefaultTimeout. For
	// messages of a group it begins when the collectives beside them have ended.
	Timeout time.Duration

	// InitTimeout bounds Init: DefaultInitTimeout.
	InitTimeout time.Duration

	// LostAfter is how long a rank may be silent until it counts as lost, because it
	// is stuck or stopped or its host cannot be reached: DefaultLostAfter, and at
	// least MinLostAfter. A process that ends is noticed at once, whatever is said
	// here. Same on all ranks.
	LostAfter time.Duration

	// ChunkBytes is the size of a chunk, and so of the links' slots: a multiple
	// of 64, DefaultChunkBytes by default. It decides in which order values are
	// added, and so the last bits of floating-point results. Same on all ranks.
	ChunkBytes int

	// LogicalOrder makes every operation walk its elements in row-major order
	// of the shape, whatever the layout, so that results have the same bits in
	// all layouts. It costs the speed of walking in memory order. Without it, an
	// operation walks in memory order until ranks with different layouts meet in
	// it. From then on an all_reduce of two memory orders walks one half of the
	// shape in either, and everything else walks in logical order. Same on all
	// ranks.
	LogicalOrder bool

	// Algorithm is how AllReduce works: "ring", "doubling", or "auto", which picks
	// one by the tensor's size and the number of ranks; doubling is for tensors
	// of up to ChunkBytes, and larger ones take the ring whatever is said here. It
	// decides, like ChunkBytes, the last bits of floating-point results. Same on
	// all ranks.
	Algorithm string

	// Algorithms is how other collectives work. It decides, like Algorithm, the last bits
	// of what they reduce. Same on all ranks.
	Algorithms Algorithms

	// HopBytes is what AllReduce's choice by size takes the latency of a message to
	// cost, in bytes that a link could have sent meanwhile: the product of latency
	// and bandwidth, DefaultHopBytes by default. A greater one lets larger tensors
	// take doubling, up to ChunkBytes. It decides, like Algorithm, the last bits of
	// floating-point results. Same on all ranks.
	HopBytes int

	// CUDA is the driver for tensors of devices: cudaffi.Default() by default, which
	// is opened when the first such tensor is met.
	CUDA *cudaffi.Driver

	// Name is what logs, dumps, metrics and traces call the communicator. By default
	// it is a number: how many the process had made before, which is the same on all
	// ranks of programs that make theirs in the same order. It need not be unique;
	// Stats.Namesake tells apart those of a process that have the same.
	Name string

	// History is how many of the latest operations the flight recorder keeps (see
	// Comm.Flight): DefaultHistory by default, none if it is negative.
	History int

	// DumpFile is where the flight recorder is written, as JSON, when a collective
	// fails on this rank, and again when the communicator does; nowhere by default.
	// In it "%r" stands for the rank, "%c" for Name with dashes for slashes (and ".1" and
	// so on behind it, where Stats.Namesake is not 0), "%h" for the host's name up to the
	// first dot, "%p" for the process number and "%%" for a percent sign.
	DumpFile string

	// TraceHops is how many hops and operations are kept for WriteTrace, the latest;
	// none by default. To record one takes well under a microsecond.
	TraceHops int

	// TraceFile is where Close writes this rank's trace; "%r" and the like are as in
	// DumpFile. If TraceHops is 0, it then is DefaultTraceHops.
	TraceFile string

	// Explain makes Init tell Logger, in one line, how this rank is connected and
	// which algorithm runs at which size.
	Explain bool

	// Logger receives what is worth knowing: slog.Default() by default. Records have
	// an attribute "subsys" with NCCL's name of the part that they are from; those of
	// COLL, one for every collective, have the level slog.LevelDebug.
	Logger *slog.Logger

	launched    *launch.Launch // where the ranks meet, if a launcher says so
	environment *environment   // what FromEnv has found
	commID      *commID        // NCCL_COMM_ID, if it is set
	apart       bool           // ranks of one host count as ranks of several; for tests
	ids         string         // of InitScalable; same on all ranks
	founded     bool           // rank 0 hosts the root under ID

	// between wraps the wires of NewLocal; for tests.
	between func(rank int, mesh transport.Mesh) transport.Mesh
}

// The defaults of Config.
const (
	DefaultTimeout     = 10 * time.Minute
	DefaultInitTimeout = 2 * time.Minute
	DefaultLostAfter   = 10 * time.Second
	DefaultChunkBytes  = 256 << 10
	DefaultHopBytes    = choose.Hop
	DefaultHistory     = 256
	DefaultTraceHops   = 1 << 16
)

// MinLostAfter is the least that Config.LostAfter may be: processes that have nothing
// wrong with them are silent for some time, too, where many share a core.
const MinLostAfter = time.Second

// beatsBeforeLost is how often a rank shows in Config.LostAfter that it is alive.
const beatsBeforeLost = 10

// MaxConnections is the most connections that a link may use.
const MaxConnections = tcp.MaxConnections

// maxChunkBytes keeps slots, with what protects a chunk, within what every transport
// can offer.
const maxChunkBytes = shm.MaxSlotSize / 2

// resolve checks the settings and fills in the defaults.
func (cfg Config) resolve() (Config, error) {
	bad := func(argument, format string, args ...any) (Config, error) {
		return cfg, &ArgumentError{Rank: cfg.Rank, Call: "init", Argument: argument, Err: fmt.Errorf(format, args...)}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.InitTimeout == 0 {
		cfg.InitTimeout = DefaultInitTimeout
	}
	if cfg.LostAfter == 0 {
		cfg.LostAfter = DefaultLostAfter
	}
	if cfg.ChunkBytes == 0 {
		cfg.ChunkBytes = DefaultChunkBytes
	}
	if cfg.HopBytes == 0 {
		cfg.HopBytes = DefaultHopBytes
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = "auto"
	}
	if cfg.Transport == "" {
		cfg.Transport = "auto"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.History == 0 {
		cfg.History = DefaultHistory
	}
	if cfg.TraceHops == 0 && cfg.TraceFile != "" {
		cfg.TraceHops = DefaultTraceHops
	}
	if cfg.Name == "" {
		cfg.Name = strconv.Itoa(nextName())
	}
	switch {
	case cfg.Size < 1:
		return bad("Size", "%d ranks; at least 1 is needed", cfg.Size)
	case cfg.Rank < 0 || cfg.Rank >= cfg.Size:
		return bad("Rank", "%d is not a rank of a communicator of %d; give a rank from 0 to %d", cfg.Rank, cfg.Size, cfg.Size-1)
	case cfg.Timeout < 0 || cfg.InitTimeout < 0:
		return bad("Timeout", "%v and %v; give positive durations", cfg.Timeout, cfg.InitTimeout)
	case cfg.LostAfter < MinLostAfter:
		return bad("LostAfter", "%v; give %v or more", cfg.LostAfter, MinLostAfter)
	case cfg.ChunkBytes < 64 || cfg.ChunkBytes%64 != 0 || cfg.ChunkBytes > maxChunkBytes:
		return bad("ChunkBytes", "%d; give a multiple of 64 up to %d", cfg.ChunkBytes, maxChunkBytes)
	case cfg.HopBytes < 1 || cfg.HopBytes > choose.MaxHop:
		return bad("HopBytes", "%d; give a number from 1 to %d, or 0 for %d", cfg.HopBytes, choose.MaxHop, DefaultHopBytes)
	case cfg.History > environ.MaxHistory:
		return bad("History", "%d; give at most %d operations", cfg.History, environ.MaxHistory)
	case cfg.TraceHops < 0 || cfg.TraceHops > environ.MaxTraceHops:
		return bad("TraceHops", "%d; give a number from 0 to %d", cfg.TraceHops, environ.MaxTraceHops)
	case cfg.Connections < 0 || cfg.Connections > MaxConnections:
		return bad("Connections", "%d; give a number from 1 to %d, or 0 for the default", cfg.Connections, MaxConnections)
	case !slices.Contains([]string{"", "ip4", "ip6"}, cfg.Family):
		return bad("Family", "%q; use ip4, ip6 or nothing", cfg.Family)
	case cfg.Encrypt && cfg.Transport == "rdma":
		return bad("Encrypt", "RDMA cannot be encrypted here: %w; use auto or tcp", ErrUnavailable)
	case !slices.Contains([]string{"auto", "shm", "rdma", "tcp"}, cfg.Transport):
		return bad("Transport", "%q: %w; use auto, shm, rdma or tcp", cfg.Transport, ErrUnavailable)
	}
	if _, ok := choose.Parse(cfg.Algorithm); !ok {
		return bad("Algorithm", "%q; use auto, ring or doubling", cfg.Algorithm)
	}
	if field, err := cfg.Algorithms.fill(); err != nil {
		return bad(field, "%w", err)
	}
	return cfg, nil
}
