package bootstrap

import (
	"container/list"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// gate accepts connections on a listener and lets through those that complete
// the handshake. What it spends on the others is bounded in number, time and
// memory: when too many handshakes are under way, the oldest is dropped, so a
// flood of strangers that say nothing cannot keep members out, who finish in
// about a round trip and dial again if they were unlucky.
type gate struct {
	ln      net.Listener
	key     []byte
	version uint16
	timeout time.Duration // for one handshake
	limit   int           // of handshakes under way
	decide  func(intro) status
	admit   func(net.Conn, intro) // takes the connection; must not block
	differ  func(intro, net.Addr) // an authenticated dialer of another version; may be nil
	log     *strangerLog

	mu      sync.Mutex
	pending list.List // of net.Conn, oldest first
	proven  map[net.Conn]struct{}
	closed  bool
	wg      sync.WaitGroup
}

// Bounds on strangers, per listener.
const (
	strangerTime  = 5 * time.Second
	strangerLimit = 256
)

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
			if errors.Is(err, net.ErrClosed) || g.isClosed() {
				return
			}
			// Out of descriptors, most likely: those who wait in the
			// listener's queue are served when some are free again.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.log.acceptFailed(err)
			g.evict()
			time.Sleep(pause)
			continue
		}
		pause = 0
		g.admitStranger(conn)
	}
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

func (g *gate) evict() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.pending.Front(); e != nil {
		e.Value.(net.Conn).Close()
		g.pending.Remove(e)
	}
}

func (g *gate) admitStranger(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		conn.Close()
		return
	}
	if g.pending.Len() >= g.limit {
		e := g.pending.Front()
		e.Value.(net.Conn).Close()
		g.pending.Remove(e)
		g.log.evicted()
	}
	e := g.pending.PushBack(conn)
	g.wg.Add(1)
	go g.shake(conn, e)
}

// shake runs one handshake. e is the connection's place among the pending ones,
// which it leaves when it has proved the secret.
func (g *gate) shake(conn net.Conn, e *list.Element) {
	defer g.wg.Done()
	in, err := acceptHandshake(conn, g.key, g.version, g.timeout, func(in intro) status {
		g.mu.Lock()
		g.pending.Remove(e)
		closed := g.closed
		if !closed {
			g.proven[conn] = struct{}{}
		}
		g.mu.Unlock()
		if closed {
			return statusClosed
		}
		return g.decide(in)
	})
	g.mu.Lock()
	g.pending.Remove(e)
	delete(g.proven, conn)
	if g.closed && err == nil {
		err = net.ErrClosed
	}
	g.mu.Unlock()
	if err != nil {
		conn.Close()
		if errors.Is(err, transport.ErrVersion) && g.differ != nil {
			g.differ(in, conn.RemoteAddr())
		}
		if !errors.Is(err, net.ErrClosed) {
			g.log.dropped(conn.RemoteAddr(), err)
		}
		return
	}
	g.admit(conn, in)
}

// close stops listening, drops whoever has not been admitted, and returns when
// no goroutine is left.
func (g *gate) close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		g.wg.Wait()
		return nil
	}
	g.closed = true
	err := g.ln.Close()
	for e := g.pending.Front(); e != nil; e = e.Next() {
		e.Value.(net.Conn).Close()
	}
	for conn := range g.proven {
		conn.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
	g.log.flush()
	return err
}

// strangerLog says who was dropped, once a second at most.
type strangerLog struct {
	logger *slog.Logger
	where  string

	mu         sync.Mutex
	next       time.Time
	suppressed int
	evictions  int
}

func (l *strangerLog) dropped(from net.Addr, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.suppressed++
		return
	}
	l.next = now.Add(time.Second)
	l.logger.Warn("dropped a connection that did not complete the handshake",
		"listener", l.where, "from", from.String(), "reason", err.Error(), "more", l.suppressed, "evicted", l.evictions)
	l.suppressed, l.evictions = 0, 0
}

func (l *strangerLog) evicted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evictions++
}

func (l *strangerLog) acceptFailed(err error) {
	l.logger.Warn("cannot accept connections, trying again", "listener", l.where, "reason", err.Error())
}

func (l *strangerLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.suppressed+l.evictions > 0 {
		l.logger.Warn("dropped more connections that did not complete the handshake",
			"listener", l.where, "more", l.suppressed, "evicted", l.evictions)
		l.suppressed, l.evictions = 0, 0
	}
}
