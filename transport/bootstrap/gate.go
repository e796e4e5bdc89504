package bootstrap

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// gate accepts connections on a listener and lets through those that complete
// the handshake. What it spends on the others is bounded in number, time and
// memory. When too many handshakes are under way, one is dropped in favour of
// the newcomer: the oldest from the address that has the most. Connections that
// have said nothing yet and those that have introduced themselves are counted
// apart. So a flood of strangers, mute or not, cannot keep members out, who
// finish in about a round trip and dial again if they were unlucky.
type gate struct {
	ln      net.Listener
	key     []byte
	version uint16
	timeout time.Duration // for one handshake
	limit   int           // of handshakes under way, mute and introduced each
	decide  func(intro) status
	admit   func(net.Conn, intro) // takes the connection; must not block
	abandon func(intro)           // it was decided to admit, but the connection broke; may be nil
	differ  func(intro, net.Addr) // an authenticated dialer of another version; may be nil
	log     *strangerLog

	mu         sync.Mutex
	mute       waitingRoom
	introduced waitingRoom
	proven     map[net.Conn]struct{} // have proved the secret, not yet admitted
	closed     bool
	wg         sync.WaitGroup
}

// Bounds on strangers, per listener.
const (
	strangerTime  = 5 * time.Second
	strangerLimit = 256
)

// waitingRoom holds connections in the order in which they came.
type waitingRoom struct {
	waiting []*stranger
	from    map[netip.Addr]int // how many, by where they come from: origins and addresses
}

type stranger struct {
	conn   net.Conn
	addr   netip.Addr
	origin netip.Addr   // what it counts as
	room   *waitingRoom // where it is, or nil
}

// count adds to the number of connections from where s comes.
func (w *waitingRoom) count(s *stranger, n int) {
	w.add(s.origin, n)
	if s.addr != s.origin {
		w.add(s.addr, n)
	}
}

func (w *waitingRoom) add(from netip.Addr, n int) {
	if w.from[from] += n; w.from[from] == 0 {
		delete(w.from, from)
	}
}

func (w *waitingRoom) enter(s *stranger) {
	if w.from == nil {
		w.from = map[netip.Addr]int{}
	}
	w.waiting = append(w.waiting, s)
	w.count(s, 1)
	s.room = w
}

func (w *waitingRoom) leave(s *stranger) {
	if s.room != w {
		return
	}
	s.room = nil
	for i := range w.waiting {
		if w.waiting[i] == s {
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			break
		}
	}
	w.count(s, -1)
}

// evict drops the oldest connection of the address that has the most, among those of the
// origin that has the most, and reports whether there was one.
func (w *waitingRoom) evict() bool {
	var victim *stranger
	for _, s := range w.waiting {
		if victim == nil || w.from[s.origin] > w.from[victim.origin] ||
			w.from[s.origin] == w.from[victim.origin] && w.from[s.addr] > w.from[victim.addr] {
			victim = s
		}
	}
	if victim == nil {
		return false
	}
	w.leave(victim)
	victim.conn.Close()
	return true
}

func (g *gate) start() {
	g.proven = make(map[net.Conn]struct{})
	g.wg.Add(1)
	go g.serve()
}

func (g *gate) serve() {
	defer g.wg.Done()
	var pause time.Duration
	for {
		conn, err := g.ln.Accept()
		if err != nil {
			g.mu.Lock()
			closed := g.closed
			if !closed && !g.mute.evict() {
				g.introduced.evict()
			}
			g.mu.Unlock()
			if closed || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, most likely: those who wait in the
			// listener's queue are served when some are free again.
			g.log.acceptFailed(err)
			pause = min(max(2*pause, 5*time.Millisecond), 250*time.Millisecond)
			time.Sleep(pause)
			continue
		}
		pause = 0
		g.receive(conn)
	}
}

// origin is the address as which a connection counts: of IPv6, the network, since a host
// has as many addresses there as it likes.
func origin(addr netip.Addr) netip.Addr {
	if !addr.Is6() || addr.Is4In6() || addr.IsLinkLocalUnicast() {
		return addr.Unmap()
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}

// receive starts the handshake on a new connection.
func (g *gate) receive(conn net.Conn) {
	addr := addrPort(conn.RemoteAddr()).Addr()
	s := &stranger{conn: conn, addr: addr, origin: origin(addr)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		conn.Close()
		return
	}
	if len(g.mute.waiting) >= g.limit && g.mute.evict() {
		g.log.evicted()
	}
	g.mute.enter(s)
	g.wg.Add(1)
	go g.shake(s)
}

// move puts s where it belongs now; nil means that it waits no longer.
func (g *gate) move(s *stranger, to *waitingRoom) {
	if s.room == nil {
		return // evicted
	}
	s.room.leave(s)
	if to == nil {
		return
	}
	if len(to.waiting) >= g.limit && to.evict() {
		g.log.evicted()
	}
	to.enter(s)
}

// shake runs one handshake.
func (g *gate) shake(s *stranger) {
	defer g.wg.Done()
	admitted := false
	d := doorman{key: g.key, version: g.version, timeout: g.timeout,
		introduced: func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.move(s, &g.introduced)
		},
		decide: func(in intro) status {
			g.mu.Lock()
			g.move(s, nil)
			closed := g.closed
			if !closed {
				g.proven[s.conn] = struct{}{}
			}
			g.mu.Unlock()
			if closed {
				return statusClosed
			}
			st := g.decide(in)
			admitted = st == statusOK
			return st
		},
	}
	conn, in, err := d.accept(s.conn)
	g.mu.Lock()
	g.move(s, nil)
	delete(g.proven, s.conn)
	closed := g.closed
	g.mu.Unlock()
	if err == nil && !closed {
		g.admit(conn, in)
		return
	}
	s.conn.Close()
	if admitted && g.abandon != nil {
		g.abandon(in)
	}
	if closed {
		return
	}
	if errors.Is(err, transport.ErrVersion) && g.differ != nil {
		g.differ(in, s.conn.RemoteAddr())
	}
	g.log.dropped(s.conn.RemoteAddr(), err)
}

// close stops listening, drops whoever has not been admitted, and returns when
// no goroutine is left.
func (g *gate) close() error {
	g.mu.Lock()
	var err error
	if !g.closed {
		g.closed = true
		err = g.ln.Close()
		for g.mute.evict() || g.introduced.evict() {
		}
		for conn := range g.proven {
			conn.Close()
		}
	}
	g.mu.Unlock()
	g.wg.Wait()
	g.log.flush()
	return err
}
