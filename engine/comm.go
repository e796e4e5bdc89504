package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/doubling"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/engine/internal/hoptrace"
	"github.com/monel-dev/monel/engine/internal/record"
	"github.com/monel-dev/monel/transport"
)

// Comm is one rank's handle on a communicator: a fixed set of ranks that make
// the same collective calls in the same order.
//
// Its methods may be called from several goroutines; collectives run one at a
// time, in the order in which they are called. A failed communicator stays
// failed: every later call returns the same error, and only Close, Abort and Shrink are
// left.
type Comm struct {
	rank, size int
	order      []int           // the rank at each place of rings and trees; see byHost
	place      int             // this rank's
	oneHost    bool            // all ranks are on one host, and may share memory
	steps      []doubling.Step // of recursive doubling, at this place
	cfg        Config          // with its defaults filled in
	algorithm  choose.AllReduce
	mesh       transport.Mesh
	control    control
	release    func() error // frees what mesh and control stand on
	namesake   int          // Stats.Namesake

	prepared   [preparedCalls]atomic.Pointer[prepared]
	latest     atomic.Pointer[prepared] // of these
	blockCalls blockCalls

	broadcastCalls broadcastCalls

	member      *agree.Member
	coordinator *agree.Coordinator // on rank 0
	inbox       mailbox            // agreement messages that serve handles

	gpus     gpus
	queue    queue              // of collectives that were started
	turn     turn               // held by the collective in progress
	header   transport.Header   // scratch of the collective in progress
	direct   direct             // the same
	scratch  []byte             // the same; see partial
	spare    []byte             // the same, and as large
	operands [][]byte           // the same; see fold
	pieces   [][]byte           // the same; see piecesOf
	children []transport.Sender // the same; see childLinks
	out      []outLink
	in       []*inLink
	soiled   bool // links used for the first time may hold chunks left over, too
	factors  factors
	products []byte // scratch of the collective in progress; see multiplied
	packed   []byte // the same, and as large; see fusedAllReduce
	alarm    alarm
	watches  watches // belongs to the collective in progress
	apart    messages
	family   family // communicators made from this one

	life      context.Context // ends with the communicator
	endLife   context.CancelFunc
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	serving   sync.WaitGroup

	calls    *slog.Logger // nil unless every call is logged
	recorder *record.Recorder
	tracer   *hoptrace.Tracer // nil unless hops are traced
	failure  failureDump
}

// control is the engine's view of the control plane.
type control interface {
	// Send queues a message for rank `to` without blocking: any rank to rank 0,
	// and rank 0 to any other.
	Send(to int, payload []byte) error
	// Fail reports the cause of a failure. All ranks' Done closes, with the cause
	// that the coordinator saw first.
	Fail(cause error)
	// Desert fails with the loss of the coordinator if nothing has come from it for so
	// long, and reports whether that is so.
	Desert(silence time.Duration) bool
	// Done is closed when the communicator has failed, and Err says why.
	Done() <-chan struct{}
	Err() error
	// Leave waits, within bounds, until all ranks have called it, the
	// communicator has failed, or over is closed.
	Leave(over <-chan struct{})
	// Close frees everything. Ranks that have not left yet get an error.
	Close() error
}

// mailbox is an unbounded queue whose writers never block.
type mailbox struct {
	mu     sync.Mutex
	queue  []message
	closed bool
	signal chan struct{}
}

// message is an agreement message and the rank it comes from.
type message struct {
	from    int
	payload []byte
}

// put reports whether the message will be taken: not after close.
func (b *mailbox) put(m message) bool {
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.queue = append(b.queue, m)
	}
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
	return !closed
}

// close makes put refuse messages, and takes what has come.
func (b *mailbox) close() []message {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.takeAll()
}

func (b *mailbox) takeAll() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.queue
	b.queue = nil
	return all
}

// newComm puts a communicator together. Its control plane is attached by
// start, since messages may arrive as soon as that exists.
func newComm(rank, size int, cfg Config) *Comm {
	c := &Comm{
		rank: rank, size: size, cfg: cfg,
		out: make([]outLink, size), in: make([]*inLink, size),
		turn:    newTurn(),
		closing: make(chan struct{}),
		inbox:   mailbox{signal: make(chan struct{}, 1)},
	}
	c.direct = newDirect(size)
	c.setOrder(inRankOrder(size))
	c.algorithm, _ = choose.Parse(cfg.Algorithm) // resolve has checked it
	c.member = agree.NewMember(func(payload []byte) { c.send(0, payload) })
	c.watch()
	c.calls = cfg.logsCalls()
	if rank == 0 {
		c.coordinator = agree.NewCoordinator(size, int64(cfg.ChunkBytes), c.send)
	}
	c.life, c.endLife = context.WithCancel(context.Background())
	c.watches.c = c
	c.alarm.init(c.onAlarm)
	c.apart.turn = newTurn()
	c.apart.alarm.init(c.onAlarmApart)
	c.family.init(rank)
	return c
}

// start attaches the wires and begins to serve the control plane. A world of
// one has neither.
func (c *Comm) start(mesh transport.Mesh, ctl control, release func() error) {
	c.mesh, c.control, c.release = c.traced(mesh), ctl, release
	c.appear()
	c.serving.Add(1)
	go c.serve()
}

// serve turns the control plane's failure into the member's, and handles
// agreement messages one after the other.
func (c *Comm) serve() {
	defer c.serving.Done()
	for {
		select {
		case <-c.control.Done():
			for _, m := range c.inbox.takeAll() { // they came first
				c.handle(m.from, m.payload)
			}
			c.member.Fail(c.control.Err())
			c.endLife()
			c.dumpFailure()
			return
		case <-c.inbox.signal:
			for _, m := range c.inbox.takeAll() {
				c.handle(m.from, m.payload)
			}
		case <-c.closing:
			return
		}
	}
}

// send passes an agreement message on. It never blocks. Its failures are the
// control plane's, which reports them itself.
func (c *Comm) send(to int, payload []byte) {
	if to == c.rank {
		c.inbox.put(message{c.rank, payload})
		return
	}
	_ = c.control.Send(to, payload)
}

// handle takes an agreement message from a rank. On rank 0 a message is for
// the coordinator unless only a coordinator sends its like.
func (c *Comm) handle(from int, payload []byte) {
	var err error
	if c.coordinator != nil && agree.ForCoordinator(payload) {
		err = c.coordinator.Handle(from, payload)
	} else if from == 0 {
		err = c.member.Handle(payload)
	} else {
		err = fmt.Errorf("%w: agreement message from a rank other than 0", transport.ErrProtocol)
	}
	if err != nil {
		c.control.Fail(&RankError{Rank: from, Err: err})
	}
}

// Rank is this rank's number, from 0 to Size-1.
func (c *Comm) Rank() int { return c.rank }

// Size is the number of ranks.
func (c *Comm) Size() int { return c.size }

// Kin is a value that the ranks of a communicator which this process has are equal in, and
// those of different ones differ in: the UniqueID under which they have met, or another
// value where all ranks are goroutines of this process or the id was NCCL_COMM_ID's; nil if the ranks have met otherwise,
// as with Config.Root.
func (c *Comm) Kin() any {
	if l, ok := c.family.place.(*localPlace); ok {
		return l.hub
	}
	if c.cfg.ID.IsZero() {
		return nil
	}
	if p, ok := c.family.place.(*sessionPlace); ok && c.cfg.ID.AtRank0() {
		return p.session.Run() // others may have met under the same id before
	}
	return c.cfg.ID
}

// Transport names the wires in use: "shm", "tcp", "rdma+shm", "inproc", or "none"
// if this rank is alone.
func (c *Comm) Transport() string {
	if c.mesh == nil {
		return "none"
	}
	return c.mesh.Name()
}

// Err returns the error that made the communicator unusable, or nil.
func (c *Comm) Err() error { return c.member.Broken() }

// Close ends this rank's part in the communicator and frees everything it
// holds. It waits, for ten seconds at most, until the other ranks have called
// Close too, since they may still be receiving what this one has sent; ranks
// that use the communicator after that get a RankError. If it has failed, or if
// a collective of this rank is still in progress, which then ends with
// ErrClosed, Close does not wait for others. Ranks that are goroutines of one
// process (NewLocal) never wait: what was sent stays readable. Communicators that are
// being made of this one are given up, those that were started included. Calling Close
// again does nothing and returns the same result.
//
// A disagreement about a broadcast that no rank has noticed in it shows in the
// next operation; after the last one there is none.
func (c *Comm) Close() error {
	c.closeOnce.Do(func() {
		c.family.end()
		healthy := c.member.Broken() == nil
		idle := !c.queue.busy() && c.turn.tryTake()
		c.member.Fail(fmt.Errorf("communicator %w", ErrClosed))
		c.queue.settle()
		if idle && c.queue.busy() {
			c.turn.give() // to one that did
			idle = false
		}
		c.queue.workers.Wait()
		if !idle {
			c.turn.take()
		}
		defer c.turn.give()
		_ = c.family.settled(context.Background()) // what is still being made of it is given up
		c.closeErr = c.shut(healthy && idle)
	})
	return c.closeErr
}

func (c *Comm) shut(inOrder bool) error {
	c.alarm.timer.Stop()
	c.apart.alarm.timer.Stop()
	c.watches.drop()
	c.disappear()
	defer c.endLife()
	if c.control == nil {
		return errors.Join(c.closeGPUs(), c.writeTraceFile())
	}
	if inOrder {
		c.control.Leave(c.member.Over())
	}
	unsettled := c.coordinator != nil && c.coordinator.Close()
	close(c.closing)
	c.endLife()
	c.serving.Wait()
	if c.owes() || unsettled {
		c.control.Fail(c.closedError())
	}
	for _, in := range c.in {
		in.waitDrained()
	}
	errs := []error{c.mesh.Close(), c.control.Close(), c.closeGPUs(), c.writeTraceFile()}
	if c.release != nil {
		errs = append(errs, c.release())
	}
	return errors.Join(errs...)
}

// owes reports whether other ranks wait for what this one will never do, now that it
// serves no messages any more. Those that have come too late for that are looked at first:
// an answer can still be given to some, and a verdict may be among them.
func (c *Comm) owes() (owes bool) {
	for _, m := range c.inbox.close() {
		if c.coordinator != nil && agree.ForCoordinator(m.payload) {
			owes = true // a question to the coordinator, which is closed
			continue
		}
		c.handle(m.from, m.payload)
	}
	return c.member.Owes() || owes
}

// closedError is what other ranks get that still need this one.
func (c *Comm) closedError() *RankError {
	return &RankError{Rank: c.rank, Err: fmt.Errorf("%w: it closed the communicator while other ranks still used it", ErrClosed)}
}
