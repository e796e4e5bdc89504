package agree

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/monel-dev/monel/strided/dtype"
)

// Collective says which operation a call is.
type Collective uint8

// The collectives, as they are numbered on the wire.
const (
	AllReduce Collective = iota + 1
	Broadcast
	AllGather
	ReduceScatter
	Reduce
	Gather
	Scatter
	AllToAll
	Barrier
	AllGatherV
	AllToAllV
	Send
	Recv
	Messages // several of a group, to and from any ranks; never on the wire
	numCollectives
)

// PreMulSum stands for every operator that a rank has made of a factor of its own and
// Sum. Its number is ncclNumOps, from which on NCCL numbers such operators.
const PreMulSum dtype.Op = 5

// names are those of nccl-tests, where it has the collective.
var names = [numCollectives]string{
	AllReduce: "all_reduce", Broadcast: "broadcast", AllGather: "all_gather", ReduceScatter: "reduce_scatter",
	Reduce: "reduce", Gather: "gather", Scatter: "scatter", AllToAll: "alltoall", Barrier: "barrier",
	AllGatherV: "all_gather_v", AllToAllV: "alltoall_v", Send: "send", Recv: "recv", Messages: "messages",
}

// Reduces reports whether the collective has an operator.
func (c Collective) Reduces() bool { return c == AllReduce || c == ReduceScatter || c == Reduce }

// Rooted reports whether the collective has a root.
func (c Collective) Rooted() bool {
	return c == Broadcast || c == Reduce || c == Gather || c == Scatter
}

// String is the collective's name as nccl-tests writes it.
func (c Collective) String() string {
	if c < numCollectives && names[c] != "" {
		return names[c]
	}
	if name := c.management(); name != "" {
		return name
	}
	return fmt.Sprintf("collective(%d)", uint8(c))
}

// maxDescribedDims bounds the shape that a Call spells out. Longer shapes are
// compared by their hash all the same.
const maxDescribedDims = 16

// Call is what the ranks of one operation must agree on, apart from the walking
// order. It holds no pointers, so keeping a history of calls costs nothing.
type Call struct {
	Kind  Collective
	DType dtype.DType
	Op    dtype.Op // if it reduces
	Root  int32    // if it is rooted; a message's other end
	Sig   uint64   // hash of all the other fields and of the whole shape

	// The tensor's shape, or where shapes may differ what has to be the same: the
	// number of elements of a block, or of each rank's. See also Together and
	// NewMessages.
	ndim  uint8
	parts uint16 // how many calls it stands for; 0 for one
	shape [maxDescribedDims]int64
}

// NewCall describes a call and hashes the description.
func NewCall(kind Collective, dt dtype.DType, op dtype.Op, root int, shape []int64) Call {
	c := Call{Kind: kind, DType: dt, Op: op, Root: int32(root), ndim: uint8(min(len(shape), 255))}
	copy(c.shape[:], shape)
	h := mix(uint64(len(shape)), uint64(kind)|uint64(dt)<<8|uint64(op)<<16|uint64(uint32(root))<<32)
	for _, n := range shape {
		h = mix(h, uint64(n))
	}
	c.Sig = h ^ h>>29
	return c
}

// set makes c a copy of o. Programs repeat their calls, so it often is one
// already.
func (c *Call) set(o *Call) {
	if c.Sig != o.Sig || c.Kind != o.Kind {
		*c = *o
	}
}

// mix folds one word into a hash. Multiplying by odd constants and rotating
// spreads every input bit; nothing here needs to resist an adversary, since
// only authenticated ranks contribute.
func mix(h, w uint64) uint64 {
	h ^= (w + 0x632be59bd9b4e019) * 0x9e3779b97f4a7c15
	return bits.RotateLeft64(h, 29) * 0xbf58476d1ce4e5b9
}

// String spells the call out as error messages show it.
func (c *Call) String() string {
	if c.Kind.management() != "" {
		return c.describeManagement()
	}
	var b strings.Builder
	b.WriteString(c.Kind.String())
	switch c.Kind {
	case Barrier:
		return b.String()
	case Messages:
		return c.describeMessages()
	}
	fmt.Fprintf(&b, " %v", c.DType)
	if c.Kind.Reduces() {
		if c.Op == PreMulSum {
			b.WriteString(" premulsum")
		} else {
			fmt.Fprintf(&b, " %v", c.Op)
		}
	}
	if c.Kind.Rooted() {
		fmt.Fprintf(&b, " root %d", c.Root)
	}
	if c.parts > 0 {
		c.describeParts(&b)
		return b.String()
	}
	switch c.Kind {
	case Send:
		fmt.Fprintf(&b, " to rank %d", c.Root)
	case Recv:
		fmt.Fprintf(&b, " from rank %d", c.Root)
	}
	switch c.Kind {
	case AllReduce, Broadcast:
		fmt.Fprintf(&b, " shape %v", c.described())
	case AllToAllV: // counts differ from rank to rank
	default:
		fmt.Fprintf(&b, " count %v", strings.Trim(fmt.Sprint(c.described()), "[]"))
	}
	if more := int(c.ndim) - maxDescribedDims; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

func (c *Call) described() []int64 { return c.shape[:min(int(c.ndim), maxDescribedDims)] }

func (c *Call) appendTo(b []byte) []byte {
	b = append(b, byte(c.Kind), byte(c.DType), byte(c.Op), c.ndim)
	b = binary.LittleEndian.AppendUint16(b, c.parts)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Root))
	b = binary.LittleEndian.AppendUint64(b, c.Sig)
	for _, n := range c.described() {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func readCall(r *wireReader) (c Call) {
	c.Kind, c.DType, c.Op, c.ndim = Collective(r.u8()), dtype.DType(r.u8()), dtype.Op(r.u8()), r.u8()
	c.parts = r.u16()
	c.Root, c.Sig = int32(r.u32()), r.u64()
	for i := range c.described() {
		c.shape[i] = int64(r.u64())
	}
	return c
}
