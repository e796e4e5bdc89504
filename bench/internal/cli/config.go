package cli

import (
	"time"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/strided/dtype"
)

// Verb is what a command line asks for.
type Verb string

// The verbs.
const (
	Measure Verb = "measure" // one configuration: nccl-tests' table
	Ratio   Verb = "ratio"   // two configurations, interleaved
)

// Collective is the operation to measure.
type Collective string

// The collectives.
const (
	AllReduce     Collective = "all_reduce"
	AllGather     Collective = "all_gather"
	AllToAll      Collective = "alltoall"
	Broadcast     Collective = "broadcast"
	Gather        Collective = "gather"
	Hypercube     Collective = "hypercube" // an all_gather of messages, between 2, 4, 8 … ranks
	Reduce        Collective = "reduce"
	ReduceScatter Collective = "reduce_scatter"
	Scatter       Collective = "scatter"
	SendRecv      Collective = "sendrecv" // each rank sends to the next
)

// Collectives lists what can be measured.
func Collectives() []Collective {
	return []Collective{AllReduce, AllGather, AllToAll, Broadcast, Gather, Hypercube, Reduce, ReduceScatter, Scatter, SendRecv}
}

// Rooted reports whether the collective has a root.
func (c Collective) Rooted() bool {
	return c == Broadcast || c == Gather || c == Reduce || c == Scatter
}

// Reduces reports whether the collective has an operator.
func (c Collective) Reduces() bool { return c == AllReduce || c == Reduce || c == ReduceScatter }

// InBlocks reports whether the message is one block per rank, all of which some tensor
// holds.
func (c Collective) InBlocks() bool {
	return c == AllGather || c == AllToAll || c == Gather || c == Hypercube || c == ReduceScatter || c == Scatter
}

// Has reports whether a call can be of one mode, other than Both.
func (c Collective) Has(one Mode) bool { return c != SendRecv || one == OutOfPlace }

// Against reports whether a peer, or the limit if that is "", has the collective.
func (c Collective) Against(p Peer) bool {
	return c == AllReduce || c == Broadcast || c != Hypercube && (p == OpenMPI || p == MPICH)
}

// Mode says which buffers a call gets.
type Mode string

// The modes.
const (
	Both       Mode = "both"         // first one, then the other
	OutOfPlace Mode = "out_of_place" // a source and a destination
	InPlace    Mode = "in_place"     // one tensor that is both
)

func modes() []Mode { return []Mode{Both, OutOfPlace, InPlace} }

// Has reports whether measuring in mode m includes one, a mode other than Both.
func (m Mode) Has(one Mode) bool { return m == Both || m == one }

// Transport is the wire to measure.
type Transport string

// The transports.
const (
	Auto Transport = "auto" // the best there is
	SHM  Transport = "shm"
	RDMA Transport = "rdma"
	TCP  Transport = "tcp"
)

// Device is where tensors are.
type Device string

// The devices.
const (
	CPU  Device = "cpu"  // in host memory
	CUDA Device = "cuda" // on GPUs
)

func devices() []Device { return []Device{CPU, CUDA} }

// Algorithm is how all_reduce works.
type Algorithm string

// The algorithms.
const (
	BySize   Algorithm = "auto"
	Ring     Algorithm = "ring"
	Doubling Algorithm = "doubling"
)

func algorithms() []Algorithm { return []Algorithm{BySize, Ring, Doubling} }

// Protection is what protects the data on its way.
type Protection string

// The protections.
const (
	Unprotected Protection = "none"
	Checksums   Protection = "checksums"  // engine.Config.Checksums
	Encryption  Protection = "encryption" // engine.Config.Encrypt
)

func protections() []Protection { return []Protection{Unprotected, Checksums, Encryption} }

func transports() []Transport { return []Transport{Auto, SHM, RDMA, TCP} }

// Case is one configuration: everything that ratio may compare.
type Case struct {
	Collective   Collective
	Layout       layouts.Name
	Mode         Mode
	Ops          []dtype.Op
	DTypes       []dtype.DType
	Root         int // or AllRoots
	Device       Device
	Transport    Transport
	Algorithm    Algorithm
	LogicalOrder bool
	Connections  int // of a link; 0 is the library's default
	Protection   Protection
}

// Config is a whole command line.
type Config struct {
	Verb Verb
	Case Case
	Base Case // ratio's second configuration: times are divided by its times

	Sweep   Sweep
	Iters   int // timed calls per measurement
	Warmup  int // calls before them
	Check   int // verified calls per measurement
	NP      int // processes to start on this machine
	NPGiven bool
	Timeout time.Duration // 0: the engine's default
	Bind    bool          // ranks of -np to cores
	JSON    string        // file for one object per row, "-" for standard output

	Aggregate int  // calls of a group; 1: none are grouped
	Average   int  // which of the ranks' times counts: of rank 0, the mean, the least, the greatest
	Blocking  bool // wait for each call on a GPU
	Cycles    int  // how often the table is measured; 0: without end
	Register  bool // tell communicators of the buffers

	Contest Contest // what is measured beside ours

	Rounds   int     // ratio and contest: how often everything is measured
	MaxRatio float64 // ratio: fail above this median; 0 never does
}
