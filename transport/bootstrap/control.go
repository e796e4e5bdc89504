package bootstrap

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/internal/awake"
	"github.com/monel-dev/monel/transport"
)

// MaxMessage is the largest payload of Control.Send, in bytes.
const MaxMessage = 1 << 20

// ControlConfig sets the times and limits of a Control. Zero fields mean the
// defaults; every rank should have the same.
type ControlConfig struct {
	// Heartbeat is how often a rank shows that it is alive when it has nothing
	// else to say: 1 s.
	Heartbeat time.Duration
	// LostAfter is how long a rank may be silent until it counts as lost: 10 s.
	LostAfter time.Duration
	// VerdictWait bounds how long a rank that reports a failure waits for the
	// coordinator's verdict: 2 s.
	VerdictWait time.Duration
	// HearsayWait is how long the coordinator waits for first-hand evidence when
	// one rank reports that another is lost: 200 ms.
	HearsayWait time.Duration
	// QueueBytes bounds what may wait to be sent to one rank: 8 MiB.
	QueueBytes int
	// Causes are sentinels of the layer above that keep their identity when a
	// failure that wraps them is told to other ranks. Every rank must list the
	// same ones in the same order; at most 64.
	Causes []error
	// Logger; nil means slog.Default.
	Logger *slog.Logger
}

func (c *ControlConfig) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Heartbeat, time.Second)
	set(&c.LostAfter, 10*time.Second)
	set(&c.VerdictWait, 2*time.Second)
	set(&c.HearsayWait, 200*time.Millisecond)
	if c.QueueBytes <= 0 {
		c.QueueBytes = 8 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// Control is one rank's part of the control plane: a star of connections through
// rank 0, the coordinator. It finds out which ranks live, settles which failure
// came first, and carries messages. When something has failed, Done is closed
// and Err returns the same error on every rank. Its methods may be called from
// several goroutines.
type Control struct {
	cfg        ControlConfig
	rank, size int
	codec      codec

	mu      sync.Mutex
	links   []*link // by peer; a member has one, to rank 0
	verdict *transport.RankError
	left    []bool // ranks that are leaving in order; coordinator only
	allLeft bool   // all of them are; coordinator only
	leaving bool   // this rank has said so
	closed  bool
	// deserters is how many members have given the coordinator up; coordinator only.
	deserters int
	pulse     *pulse // coordinator only; nil if it is alone

	done   chan struct{} // closed when verdict may be seen
	ready  chan struct{} // all links stand
	allBye chan struct{} // every rank is leaving
	inbox  inbox
	wg     sync.WaitGroup
}

func newControl(rank, size int, cfg ControlConfig) (*Control, error) {
	cfg.defaults()
	if size < 1 || size > MaxSize || rank < 0 || rank >= size {
		return nil, fmt.Errorf("%w: rank %d in a world of %d", ErrLaunch, rank, size)
	}
	if len(cfg.Causes) > maxExtra {
		return nil, fmt.Errorf("%w: %d causes, at most %d are possible", ErrLaunch, len(cfg.Causes), maxExtra)
	}
	c := &Control{cfg: cfg, rank: rank, size: size, codec: codec{size, cfg.Causes},
		links: make([]*link, size), left: make([]bool, size),
		done: make(chan struct{}), ready: make(chan struct{}), allBye: make(chan struct{})}
	c.inbox.init(cfg.QueueBytes)
	if rank == 0 && size > 1 {
		c.pulse = newPulse(cfg.Heartbeat)
		c.wg.Go(c.pulse.run)
	}
	return c, nil
}

// NewCoordinator makes rank 0's Control. conns[r] is the connection to rank r;
// conns[0] is not used. It owns the connections from now on, also on error.
func NewCoordinator(cfg ControlConfig, conns []net.Conn) (*Control, error) {
	c, err := newControl(0, len(conns), cfg)
	if err != nil {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
		return nil, err
	}
	for r := 1; r < len(conns); r++ {
		c.attach(r, conns[r])
	}
	c.begin()
	return c, nil
}

// NewMember makes the Control of a rank other than 0 from its connection to the
// coordinator, which it owns from now on, also on error.
func NewMember(cfg ControlConfig, rank, size int, conn net.Conn) (*Control, error) {
	c, err := newControl(rank, size, cfg)
	if err == nil && rank == 0 {
		err = fmt.Errorf("%w: rank 0 is the coordinator", ErrLaunch)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.attach(0, conn)
	return c, nil
}

func (c *Control) attach(peer int, conn net.Conn) {
	l := &link{peer: peer, conn: conn, beat: c.cfg.Heartbeat, lost: c.cfg.LostAfter, limit: c.cfg.QueueBytes}
	if c.rank == 0 {
		l.frame, l.down = c.fromMember, c.memberDown
	} else {
		l.frame, l.down = c.fromCoordinator, c.coordinatorDown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[peer] = l
	l.run(&c.wg)
	if c.verdict != nil && c.rank == 0 {
		l.send(frameVerdict, c.codec.encode(c.verdict), true, false)
	}
}

// begin, on the coordinator, tells everybody that all links stand.
func (c *Control) begin() {
	c.broadcast(frameReady, nil)
	close(c.ready)
}

// broadcast, on the coordinator, sends to all members, ahead of any limit.
func (c *Control) broadcast(t frameType, payload []byte) (sent []<-chan struct{}) {
	c.mu.Lock()
	links := append([]*link(nil), c.links...)
	c.mu.Unlock()
	for _, l := range links {
		if l != nil {
			if s, err := l.send(t, payload, true, true); err == nil {
				sent = append(sent, s)
			}
		}
	}
	return sent
}

// Ready is closed when the control links of all ranks stand.
func (c *Control) Ready() <-chan struct{} { return c.ready }

// Done is closed when a failure has been settled, a rank has left while others
// stayed, or this rank has closed its Control.
func (c *Control) Done() <-chan struct{} { return c.done }

// Err is nil until Done is closed and then says why: the same RankError, with
// the same rank, text and sentinel, on every rank that lives.
func (c *Control) Err() *transport.RankError {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verdict
}

// Handle starts the delivery of messages, which wait until it is called: fn runs
// on one goroutine, for one message at a time, in the order in which each rank
// sent them. The payload is fn's to keep. fn must not block, and must not call
// Close. Handle may be called once.
func (c *Control) Handle(fn func(from int, payload []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.inbox.started {
		return
	}
	c.inbox.started = true
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		c.inbox.deliver(fn)
	}()
}

// Send queues payload, of at most MaxMessage bytes, for the rank to, and returns
// at once; payload may be reused. Members may send to rank 0 only, the
// coordinator to every rank, itself included. An error means that the message
// will not arrive: a *transport.RankError once Done is closed. No error is not a
// receipt.
func (c *Control) Send(to int, payload []byte) error {
	switch {
	case len(payload) > MaxMessage:
		return fmt.Errorf("control message of %d bytes, at most %d are possible", len(payload), MaxMessage)
	case to < 0 || to >= c.size:
		return fmt.Errorf("control message to rank %d, which is not in [0, %d)", to, c.size)
	case c.rank != 0 && to != 0:
		return fmt.Errorf("control message from rank %d to rank %d: members send to rank 0 only", c.rank, to)
	}
	if err := c.Err(); err != nil {
		return err
	}
	if to == c.rank {
		if !c.inbox.put(message{from: c.rank, payload: append([]byte(nil), payload...)}, false) {
			return c.overflow(to)
		}
		return nil
	}
	c.mu.Lock()
	l := c.links[to]
	c.mu.Unlock()
	if l == nil {
		return &transport.RankError{Rank: to, Err: fmt.Errorf("%w: no control link", transport.ErrPeerLost)}
	}
	switch _, err := l.send(frameMessage, payload, false, false); {
	case err == nil:
		return nil
	case errors.Is(err, errOverflow):
		return c.overflow(to)
	default: // the reader is about to say why
		if e := c.Err(); e != nil {
			return e
		}
		return &transport.RankError{Rank: to, Err: fmt.Errorf("%w: its control link is closed", transport.ErrPeerLost)}
	}
}

// overflow declares the rank to lost because it does not take its messages.
func (c *Control) overflow(to int) error {
	e := &transport.RankError{Rank: to, Err: lossText(errOverflow, 0)}
	if c.rank == 0 {
		c.settle(e)
	} else {
		c.conclude(coordinatorLost)
	}
	return e
}

// Fail reports a failure to the coordinator, which settles on the first one it
// hears of and tells everybody. It returns at once; wait for Done, which is
// closed in bounded time, and take Err, which need not be this failure.
func (c *Control) Fail(cause *transport.RankError) { c.fail(cause, time.Now()) }

// fail is Fail for what the coordinator should have known before: asked is since when a
// word of it has been due.
func (c *Control) fail(cause *transport.RankError, asked time.Time) {
	cause = c.codec.normal(cause)
	if cause.Rank < 0 || cause.Rank >= c.size {
		cause = &transport.RankError{Rank: c.rank, Doing: cause.Doing, Err: cause.Err}
	}
	if c.rank == 0 {
		c.report(0, cause)
		return
	}
	c.mu.Lock()
	l, over := c.links[0], c.verdict != nil
	c.mu.Unlock()
	if over {
		return
	}
	if l == nil {
		c.conclude(cause)
		return
	}
	l.send(frameReport, c.codec.encode(cause), true, false)
	c.after(min(c.cfg.HearsayWait, c.cfg.VerdictWait), func() { c.awaitVerdict(cause, asked) })
}

// AnswerDue is how long a coordinator may say nothing, not even by a heartbeat, to a member
// that has reported a failure or asked for a verdict, before it counts as lost. It mostly
// answers sooner: it waits HearsayWait for others' evidence, and less than this for the
// answers of ranks that it asks.
const AnswerDue = 700 * time.Millisecond

// awaitVerdict waits for what the coordinator makes of cause. If nothing comes from it,
// it is lost, too, and most likely the reason for everything.
func (c *Control) awaitVerdict(cause *transport.RankError, asked time.Time) {
	look := time.NewTicker(min(c.cfg.Heartbeat/4, secondLook))
	defer look.Stop()
	patience := max(0, c.cfg.VerdictWait-c.cfg.HearsayWait)
	began := time.Now()
	for looked := began; ; {
		select {
		case <-c.done:
			return
		case <-look.C:
		}
		now := time.Now()
		if now.Sub(looked) > apartLooks { // this process slept
			began = now
		}
		looked = now
		waited := now.Sub(asked)
		switch {
		case c.Desert(2 * c.cfg.Heartbeat), waited >= AnswerDue && c.Desert(waited):
			return
		case now.Sub(began) >= patience:
			c.inOrder(func() { c.conclude(cause) })
			return
		}
	}
}

// Settle reports cause and waits for the verdict: the error that this rank
// should return.
func (c *Control) Settle(cause *transport.RankError) *transport.RankError {
	c.Fail(cause)
	<-c.done
	return c.Err()
}

// after runs fn later unless a verdict comes first: when this process has run for so long.
func (c *Control) after(d time.Duration, fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		wait := awake.NewWait(d)
		timer := time.NewTimer(wait.Next())
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
			case <-c.done:
				return
			}
			wait.Look()
			look := wait.Next()
			if look == 0 {
				fn()
				return
			}
			timer.Reset(look)
		}
	}()
}

// inOrder does something when all messages have been delivered that came before: a
// verdict must not overtake what the coordinator has said earlier, which may tell more.
func (c *Control) inOrder(do func()) {
	c.mu.Lock()
	delivering := c.inbox.started && !c.closed
	c.mu.Unlock()
	if !delivering {
		do()
		return
	}
	c.inbox.put(message{do: do}, true)
}

// conclude makes e this rank's error, and closes Done, unless there is one.
func (c *Control) conclude(e *transport.RankError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdict == nil {
		c.verdict = c.codec.normal(e)
		close(c.done)
	}
}
