package engine

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// CountFills has the communicator count the chunks that links bring to their
// final place themselves.
func CountFills(c *Comm) *int {
	n := new(int)
	for _, in := range c.in {
		if in != nil && in.direct != nil {
			in.direct = counted{in.direct, n}
		}
	}
	return n
}

// Apart makes ranks of one host talk as if each were on a host of its own.
func Apart(cfg Config) Config {
	cfg.apart = true
	return cfg
}

// SetSettleWait changes how long Close waits for devices until the function that it
// returns is called.
func SetSettleWait(d time.Duration) (restore func()) {
	before := settleWait
	settleWait = d
	return func() { settleWait = before }
}

// SetInStore changes how much UseDevice has devices keep in store until the function that
// it returns is called.
func SetInStore(kits int) (restore func()) {
	before := inStore
	inStore = kits
	return func() { inStore = before }
}

// SetRoomy makes waits take this machine for one with processors to spare, or not, until
// the function that it returns is called.
func SetRoomy(is bool) (restore func()) {
	before := roomy
	roomy = is
	return func() { roomy = before }
}

// Signing does what an all_reduce of x does for ranks to see that they agree, with so many
// chunks sent and as many received. The hash of the call is folded by describing another
// call, which takes somewhat longer.
func Signing(x strided.Tensor, chunks int) func() error {
	var op agree.Op
	var attempt uint32
	var h transport.Header
	return func() error {
		call := describeAllReduce(&x, Sum)
		fold := agree.NewCall(agree.AllReduce, 0, 0, int(uint32(op.Sig)), nil)
		op.Seq, op.Sig, op.Walk = op.Seq+1, call.Sig^fold.Sig, x.Layout().MemoryWalk()
		for i := range uint32(chunks) {
			encodeHeader(&h, op.Seq, op.Sig, op.Walk, attempt, i)
			got := decodeChunkHeader(&h)
			if got.seq != op.Seq || got.attempt != attempt || got.sig != op.Sig || got.walk != op.Walk || got.index != i {
				return ErrMismatch
			}
		}
		return nil
	}
}

// Owes reports whether the coordinator waits for an answer of this rank's.
func Owes(c *Comm) bool { return c.member.Owes() }

// Running reports whether an operation of this rank is in progress.
func Running(c *Comm) bool {
	_, _, ok := c.member.Elapsed()
	return ok
}

// HoldFailures has ranks of NewLocal hear of no failure of the control plane until the
// function that it returns is called.
func HoldFailures(c *Comm) (release func()) {
	mu := &c.control.(*localControl).hub.mu
	mu.Lock()
	return sync.OnceFunc(mu.Unlock)
}

type counted struct {
	transport.DirectReceiver
	n *int
}

func (r counted) Fill(ctx context.Context, pieces [][]byte) error {
	*r.n++
	return r.DirectReceiver.Fill(ctx, pieces)
}

// SetInitTimeout changes how long communicators may take to make others.
func SetInitTimeout(d time.Duration, comms ...*Comm) {
	for _, c := range comms {
		c.cfg.InitTimeout = d
	}
}

// Registrations counts how often the communicator's wires have registered memory of
// callers.
func Registrations(c *Comm) int64 {
	return c.mesh.(interface{ Registrations() int64 }).Registrations()
}

// Between has wrap put something between NewLocal's ranks and their wires.
func Between(cfg Config, wrap func(rank int, mesh transport.Mesh) transport.Mesh) Config {
	cfg.between = wrap
	return cfg
}

// Reached counts what is packed and unpacked for tensors of devices until over is called:
// ranges that were said to be packed ahead, those of them that were, those that were
// packed without, and those unpacked.
func Reached() (over func() (told, early, asked, landed int64)) {
	t := &tally{}
	reached = t
	return func() (told, early, asked, landed int64) {
		reached = nil
		return t.told.Load(), t.early.Load(), t.asked.Load(), t.landed.Load()
	}
}

// LentFromDevices counts the chunks that the communicator's wires have read from the
// memory of devices.
func LentFromDevices(c *Comm) int64 {
	return c.mesh.(interface{ LentFromDevices() int64 }).LentFromDevices()
}

// Lent counts the chunks that the communicator's wires have read from memory of callers.
func Lent(c *Comm) int64 { return c.mesh.(interface{ Lent() int64 }).Lent() }

// Controlled makes a communicator of the given wires and of control connections: ends[r] is
// rank 0's end of that to rank r, and members[r] is the other.
func Controlled(cfg Config, meshes []transport.Mesh, ends, members []net.Conn) ([]*Comm, error) {
	comms := make([]*Comm, len(meshes))
	for i := range comms {
		rank := len(comms) - 1 - i // the coordinator last
		cfg.Rank, cfg.Size = rank, len(comms)
		own, err := cfg.resolve()
		if err != nil {
			return nil, err
		}
		c := newComm(rank, len(comms), own)
		control := bootstrap.ControlConfig{Causes: sharedCauses, LostAfter: own.LostAfter,
			Heartbeat: own.LostAfter / beatsBeforeLost, Logger: own.Logger}
		var ctl *bootstrap.Control
		if rank == 0 {
			ctl, err = bootstrap.NewCoordinator(control, ends)
		} else {
			ctl, err = bootstrap.NewMember(control, rank, len(comms), members[rank])
		}
		if err != nil {
			return nil, err
		}
		ctl.Handle(func(from int, payload []byte) { c.inbox.put(message{from, payload}) })
		c.start(meshes[rank], controlPlane{ctl}, nil)
		comms[rank] = c
	}
	return comms, nil
}

// Oversleep rings the alarm as in a process that wakes up after an hour, in which a
// verdict has been due all the time.
func Oversleep(c *Comm) {
	c.alarm.due.Store(int64(time.Since(c.alarm.born) - time.Hour))
	c.alarm.asked = time.Now().Add(-time.Hour)
	c.onAlarm()
}

// WhyFailed is why the communicator has failed on all ranks, and what the control plane
// alone says.
func WhyFailed(c *Comm) (why, control error) { return c.whyFailed(), c.control.Err() }

// Unborn is why a communicator that c was to make did not come to be.
func Unborn(ctx context.Context, c *Comm, err error) error { return c.unborn(ctx, err, false) }

// JoinGrace is how long ranks may take to join a new communicator after the end of the old one.
const JoinGrace = joinGrace

// Joining is the context in which members of c join a new communicator.
func Joining(ctx context.Context, c *Comm) (context.Context, context.CancelFunc) {
	return c.joining(ctx, false)
}

// WhileUp is the context in which ranks of c meet.
func WhileUp(ctx context.Context, c *Comm) (context.Context, context.CancelFunc) {
	return c.whileUp(ctx, false)
}

// Fail makes c fail on all ranks.
func Fail(c *Comm, cause error) { c.fail(cause) }

// Jointly has c make a communicator of all its ranks, which have met and do the same.
func Jointly(ctx context.Context, c *Comm, make func(ctx context.Context) (*Comm, error)) (*Comm, error) {
	ctx, cancel := c.settle(ctx)
	defer cancel()
	ctx, joined := c.joining(ctx, false)
	defer joined()
	return c.jointly(ctx, "given up", inRankOrder(c.size), make)
}
