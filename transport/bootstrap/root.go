package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// RootConfig says how a root listens.
type RootConfig struct {
	// Addr is the host:port to listen on; port 0 lets the system choose. Empty
	// means every interface that Interface selects, on a port the system
	// chooses.
	Addr string
	// Secret is what the ranks must prove; zero means a fresh random one.
	Secret Secret
	// Interface selects network interfaces, in the syntax of MatchInterface.
	Interface string
	// Logger receives what is dropped and why; nil means slog.Default.
	Logger *slog.Logger

	version uint16 // of the protocol, for tests
	timeout time.Duration
	probe   time.Duration
}

// Root is where the ranks of one communicator meet. It serves one world: after
// every rank has got the table, or the same error, it is done. It lives in any
// process that the ranks can reach, a rank or not.
type Root struct {
	cfg      RootConfig
	id       ID
	gate     *gate
	anywhere bool

	joins  chan *joiner
	leaves chan *joiner
	probes chan *joiner // answers to pings
	differ chan string
	gone   chan *joiner  // told, or lost
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the outcome has been delivered
	all    chan struct{} // closed when as many ranks as there are have been told
	quit   chan struct{} // closed when serve has ended

	closeOnce sync.Once
	wg        sync.WaitGroup
	err       error // after done
}

// NewRoot starts listening. Close the root when it is no longer needed.
func NewRoot(ctx context.Context, cfg RootConfig) (*Root, error) {
	if cfg.Secret.IsZero() {
		cfg.Secret = NewSecret()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.version == 0 {
		cfg.version = ProtocolVersion
	}
	if cfg.timeout == 0 {
		cfg.timeout = strangerTime
	}
	if cfg.probe == 0 {
		cfg.probe = 2 * time.Second
	}
	addr := cfg.Addr
	if addr == "" {
		addr = ":0"
	}
	ln, anywhere, err := listenAt(ctx, addr)
	if err != nil {
		return nil, err
	}
	bound := addrPort(ln.Addr())
	var roots []netip.AddrPort
	if !bound.Addr().IsUnspecified() {
		roots = []netip.AddrPort{bound}
	} else {
		ips, err := hostAddrs(cfg.Interface, MaxRoots)
		if err != nil {
			ln.Close()
			return nil, err
		}
		for _, ip := range ips {
			roots = append(roots, netip.AddrPortFrom(ip, bound.Port()))
		}
	}
	id, err := MakeID(cfg.Secret, roots...)
	if err != nil {
		ln.Close()
		return nil, err
	}
	r := &Root{
		cfg: cfg, id: id, anywhere: anywhere,
		joins: make(chan *joiner), leaves: make(chan *joiner), probes: make(chan *joiner), differ: make(chan string), gone: make(chan *joiner),
		stop: make(chan struct{}), done: make(chan struct{}), all: make(chan struct{}), quit: make(chan struct{}),
	}
	r.gate = &gate{
		ln: ln, key: handshakeKey(cfg.Secret), version: cfg.version, timeout: cfg.timeout, limit: strangerLimit,
		decide: func(in intro) status {
			if in.purpose != PurposeRendezvous || in.to != rootRank {
				return statusWrongRank
			}
			return statusOK
		},
		admit: r.admit,
		differ: func(in intro, from net.Addr) {
			text := fmt.Sprintf("the process of rank %d at %v speaks protocol version %d, the root version %d; run the same Monel on every rank", in.from, from, in.version, cfg.version)
			select {
			case r.differ <- text:
			case <-r.quit:
			}
		},
		log: &strangerLog{logger: cfg.Logger, where: "root " + ln.Addr().String()},
	}
	r.wg.Add(1)
	go r.serve()
	r.gate.start()
	return r, nil
}

// ID returns the unique id that leads to this root.
func (r *Root) ID() ID { return r.id }

// Addr returns the address that the root listens on.
func (r *Root) Addr() netip.AddrPort { return addrPort(r.gate.ln.Addr()) }

// Done is closed when every rank has been told the outcome, or the root closed.
func (r *Root) Done() <-chan struct{} { return r.done }

// Err is the outcome after Done: nil when the world was formed, a *WorldError
// when it was not.
func (r *Root) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

// Close stops the root and returns when nothing of it is left. Ranks that are
// still waiting are told so.
func (r *Root) Close() error {
	r.closeOnce.Do(func() { close(r.stop) })
	<-r.quit
	err := r.gate.close()
	r.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// linger waits until as many ranks as the world has have been told the outcome,
// or for d.
func (r *Root) linger(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.all:
	case <-timer.C:
	}
}

// outcome is what the root tells everybody: one of the two.
type outcome struct {
	table   []byte
	refusal *WorldError
}

// joiner is a rank's connection at the root.
type joiner struct {
	conn     net.Conn
	greeting *greeting
	local    netip.AddrPort // this side of the connection
	tell     chan outcome   // room for one
	ping     chan struct{}  // room for one
}

// admit reads a rank's greeting and hands it to serve.
func (r *Root) admit(conn net.Conn, in intro) {
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		defer conn.Close()
		unhook := r.closeOnQuit(conn)
		defer unhook()
		conn.SetDeadline(time.Now().Add(r.cfg.timeout))
		t, b, err := readFrame(conn, maxGreeting)
		if err == nil && t != frameHello {
			err = fmt.Errorf("%w: frame of type %d instead of a greeting", transport.ErrProtocol, t)
		}
		var g *greeting
		if err == nil {
			g, err = decodeGreeting(b)
		}
		if err == nil && g.peer.Rank != in.from {
			err = fmt.Errorf("%w: rank %d introduced itself as rank %d", transport.ErrProtocol, g.peer.Rank, in.from)
		}
		if err != nil {
			r.cfg.Logger.Warn("dropped a rank whose greeting is malformed", "from", conn.RemoteAddr().String(), "rank", in.from, "reason", err.Error())
			return
		}
		conn.SetDeadline(time.Time{})
		j := &joiner{conn: conn, greeting: g, local: addrPort(conn.LocalAddr()),
			tell: make(chan outcome, 1), ping: make(chan struct{}, 1)}
		select {
		case r.joins <- j:
		case <-r.quit:
			return
		}
		r.attend(j)
	}()
}

// closeOnQuit closes a connection when the root ends.
func (r *Root) closeOnQuit(conn net.Conn) (unhook func()) {
	over := make(chan struct{})
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		select {
		case <-r.quit:
			conn.Close()
		case <-over:
		}
	}()
	return func() { close(over) }
}

// Bounds on delivering the outcome to one rank, and on answering ranks that come
// after it.
const (
	tableTime   = 10 * time.Second
	refusalTime = 2 * time.Second
	lateTime    = 30 * time.Second
)

// attend serves one gathered rank until it has the outcome or goes away.
func (r *Root) attend(j *joiner) {
	read := make(chan struct{})
	acked := make(chan struct{}, 1)
	go func() {
		defer close(read)
		for {
			t, _, err := readFrame(j.conn, 0)
			if err != nil {
				return
			}
			switch t {
			case framePong:
				select {
				case r.probes <- j:
				case <-r.quit:
				}
			case frameAck:
				select {
				case acked <- struct{}{}:
				default:
				}
			default:
				return
			}
		}
	}()
	defer func() {
		j.conn.Close()
		<-read
		select {
		case r.gone <- j:
		case <-r.quit:
		}
	}()
	for {
		select {
		case <-read:
			select {
			case r.leaves <- j:
			case <-j.tell: // it went away at the very end
			case <-r.quit:
			}
			return
		case <-j.ping:
			j.conn.SetWriteDeadline(time.Now().Add(r.cfg.probe))
			j.conn.Write(appendFrame(nil, framePing, nil))
		case out := <-j.tell:
			frame, limit := appendFrame(nil, frameTable, out.table), tableTime
			if out.refusal != nil {
				frame, limit = appendFrame(nil, frameRefusal, out.refusal.encode()), refusalTime
			}
			j.conn.SetWriteDeadline(time.Now().Add(limit))
			if _, err := j.conn.Write(frame); err != nil {
				return
			}
			// The rank says that it has it; closing earlier could destroy
			// what is on its way.
			select {
			case <-acked:
			case <-read:
			case <-time.After(limit):
			}
			return
		case <-r.quit:
			return
		}
	}
}

// serve gathers ranks until the world is complete or cannot be.
func (r *Root) serve() {
	defer r.wg.Done()
	defer close(r.quit)
	var (
		c        = newGathering()
		here     = map[*greeting]*joiner{}
		rivals   []*joiner // newcomers for a rank that is taken, while its holder is probed
		deadline <-chan time.Time
		due      time.Time
		began    time.Time
		probing  <-chan time.Time
	)
	finish := func(out outcome) {
		r.err = nil
		if out.refusal != nil {
			r.err = out.refusal
		}
		r.deliver(out, c.size, here, rivals)
	}
	add := func(j *joiner) {
		if old := c.here[j.greeting.peer.Rank]; old != nil {
			oldJ := here[old]
			delete(here, old)
			oldJ.conn.Close()
			c.remove(old)
		}
		c.add(j.greeting)
		here[j.greeting] = j
		if began.IsZero() {
			began = time.Now()
		}
		if d := time.Now().Add(j.greeting.patience); due.IsZero() || d.Before(due) {
			due = d
			deadline = time.After(time.Until(due))
		}
	}
	for {
		if c.complete() && len(rivals) == 0 {
			finish(outcome{table: r.table(c, here).encode()})
			return
		}
		select {
		case j := <-r.joins:
			if e := c.check(j.greeting); e != nil {
				rivals = append(rivals, j) // it must hear about it, too
				finish(outcome{refusal: e})
				return
			}
			old := c.here[j.greeting.peer.Rank]
			if old == nil || old.instance == j.greeting.instance {
				add(j)
				break
			}
			// Two processes with one rank, unless the first is dead and its
			// host could not say so: ask it.
			rivals = append(rivals, j)
			select {
			case here[old].ping <- struct{}{}:
			default: // asked already
			}
			if len(rivals) == 1 {
				probing = time.After(r.cfg.probe)
			}
		case j := <-r.probes:
			for _, rival := range rivals {
				if rival.greeting.peer.Rank == j.greeting.peer.Rank && here[j.greeting] == j {
					finish(outcome{refusal: duplicate(&j.greeting.peer, &rival.greeting.peer)})
					return
				}
			}
		case <-probing:
			waiting := rivals
			rivals, probing = nil, nil
			for _, j := range waiting {
				add(j)
			}
		case j := <-r.leaves:
			if here[j.greeting] == j {
				delete(here, j.greeting)
				c.remove(j.greeting)
				if len(c.here) == 0 {
					deadline, due, began = nil, time.Time{}, time.Time{}
				}
			}
			for i, rival := range rivals {
				if rival == j {
					rivals = append(rivals[:i:i], rivals[i+1:]...)
					break
				}
			}
			for i, rival := range rivals {
				if c.here[rival.greeting.peer.Rank] == nil {
					rivals = append(rivals[:i:i], rivals[i+1:]...)
					add(rival)
					break
				}
			}
		case <-r.gone: // its leave has been seen
		case text := <-r.differ:
			if len(c.strays) < 4 {
				c.strays = append(c.strays, text)
			}
			if len(here) > 0 {
				finish(outcome{refusal: &WorldError{Reason: VersionMismatch, Text: text}})
				return
			}
		case <-deadline:
			finish(outcome{refusal: c.missing(time.Since(began))})
			return
		case <-r.stop:
			finish(outcome{refusal: &WorldError{Reason: RootClosed, Text: "the process that hosts the root closed it before all ranks had come; look at that process's own error"}})
			return
		}
	}
}

// deliver tells everybody who is there, and for a while those who come later: a
// rank whose connection broke just before the table reached it, or one that
// starts when the world has already failed.
func (r *Root) deliver(out outcome, size int, here map[*greeting]*joiner, rivals []*joiner) {
	told := rivals
	members := map[uint64]bool{}
	for g, j := range here {
		told = append(told, j)
		members[g.instance] = true
	}
	count := len(told)
	if count >= size {
		close(r.all)
	}
	for _, j := range told {
		j.tell <- out
	}
	left := len(told)
	if left == 0 {
		close(r.done)
	}
	late := time.After(lateTime)
	stop := r.stop
	for {
		if left == 0 && stop == nil {
			return
		}
		select {
		case <-stop:
			stop = nil
		case <-late:
			go r.Close() // nobody else may do it
			late = nil
		case j := <-r.joins:
			answer := out
			if out.refusal == nil && !members[j.greeting.instance] {
				answer = outcome{refusal: &WorldError{DuplicateRank, []int{j.greeting.peer.Rank},
					fmt.Sprintf("%s came after all %d ranks had met; give every process its own rank, and every run its own unique id or address", j.greeting.peer.where(), size)}}
			}
			j.tell <- answer
			if count++; count == size {
				close(r.all)
			}
		case j := <-r.gone:
			for i := range told {
				if told[i] == j {
					told[i] = nil
					if left--; left == 0 {
						close(r.done)
					}
				}
			}
		case <-r.probes:
		case <-r.leaves:
		case <-r.differ:
		}
	}
}

// table assembles what everybody gets. A rank that reaches the root through a
// loopback address although the root's name is known elsewhere (a host name that
// resolves to 127.0.1.1 on its own machine) is given the address at which the
// others reach that machine.
func (r *Root) table(c *gathering, here map[*greeting]*joiner) *Table {
	t := &Table{Peers: make([]Peer, c.size), session: newSessionID()}
	var outside netip.Addr
	for _, j := range here {
		if ip := j.local.Addr(); !ip.IsLoopback() {
			outside = ip
		}
	}
	for rank, g := range c.here {
		t.Peers[rank] = g.peer
		if g.anywhere && g.peer.Addr.Addr().IsLoopback() && outside.IsValid() {
			t.Peers[rank].Addr = netip.AddrPortFrom(outside, g.peer.Addr.Port())
		}
	}
	return t
}
