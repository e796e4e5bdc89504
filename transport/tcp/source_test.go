package tcp_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/tcp"
)

// source is a ConnSource over loopback: each rank listens, and a connection
// begins with the dialler's rank and the channel.
type source struct {
	rank  int
	addrs []string // of all ranks' listeners
	ln    net.Listener
	wrap  func(net.Conn) net.Conn

	mu        sync.Mutex
	waiting   map[[2]int]chan net.Conn
	conns     []net.Conn   // every one there ever was
	grips     []grip       // on the same, whoever owns them now
	byChannel map[int]grip // on those that others have dialled
	done      sync.WaitGroup
}

// newSources makes the sources of a world. wrap, if not nil, is applied to every
// connection.
func newSources(t testing.TB, ranks int, wrap func(net.Conn) net.Conn) []*source {
	t.Helper()
	all := make([]*source, ranks)
	addrs := make([]string, ranks)
	for rank := range all {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs[rank] = ln.Addr().String()
		all[rank] = &source{rank: rank, addrs: addrs, ln: ln, wrap: wrap, waiting: make(map[[2]int]chan net.Conn), byChannel: make(map[int]grip)}
		all[rank].done.Go(all[rank].listen)
	}
	return all
}

func (s *source) listen() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		var hello [8]byte
		if _, err := io.ReadFull(conn, hello[:]); err != nil {
			conn.Close()
			continue
		}
		peer := int(binary.LittleEndian.Uint32(hello[:]))
		channel := int(binary.LittleEndian.Uint32(hello[4:]))
		kept := s.keep(conn)
		s.mu.Lock()
		s.byChannel[channel] = gripOn(conn)
		s.mu.Unlock()
		s.slot(peer, channel) <- kept
	}
}

func (s *source) slot(peer, channel int) chan net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]int{peer, channel}
	if s.waiting[key] == nil {
		s.waiting[key] = make(chan net.Conn, 1)
	}
	return s.waiting[key]
}

func (s *source) keep(conn net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, conn)
	s.grips = append(s.grips, gripOn(conn))
	if s.wrap != nil {
		return s.wrap(conn)
	}
	return conn
}

func (s *source) Dial(ctx context.Context, peer, channel int) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.addrs[peer])
	if err != nil {
		return nil, err
	}
	var hello [8]byte
	binary.LittleEndian.PutUint32(hello[:], uint32(s.rank))
	binary.LittleEndian.PutUint32(hello[4:], uint32(channel))
	if _, err := conn.Write(hello[:]); err != nil {
		conn.Close()
		return nil, err
	}
	return s.keep(conn), nil
}

func (s *source) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	select {
	case conn := <-s.slot(peer, channel):
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kill does to the rank's sockets what the end of its process would.
func (s *source) kill() { s.end(grip.hangUp) }

// reset does what a rank's host does that has forgotten it: all its connections
// are reset.
func (s *source) reset() { s.end(grip.reset) }

func (s *source) end(how func(grip)) {
	s.ln.Close()
	s.done.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grips {
		how(g)
	}
	s.grips = nil
	for _, conn := range s.conns {
		conn.Close()
	}
}

// world returns a factory of loopback worlds that kills ranks with kill.
func world(cfg tcp.Config, wrap func(net.Conn) net.Conn, kill func(*source)) conformance.Factory {
	return func(t *testing.T, ranks int) *conformance.World {
		sources := newSources(t, ranks, wrap)
		w := &conformance.World{
			Kill:        func(rank int) { kill(sources[rank]) },
			MaxInFlight: 128 << 20, // what the system's buffers may grow to
			Direct:      true,
			Close: func() {
				for _, s := range sources {
					s.kill()
				}
			},
		}
		for rank := range ranks {
			cfg := cfg
			cfg.Rank, cfg.Size = rank, ranks
			w.Meshes = append(w.Meshes, tcp.New(cfg, sources[rank]))
		}
		return w
	}
}

// opaque hides everything of a connection but the methods of net.Conn.
type opaque struct{ net.Conn }

func hide(c net.Conn) net.Conn { return opaque{c} }

func put(ctx context.Context, s transport.Sender, p []byte) error {
	slot, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	return s.Commit(&transport.Header{}, copy(slot, p))
}

func get(ctx context.Context, r transport.Receiver, want []byte) error {
	_, p, err := r.Next(ctx)
	if err != nil {
		return err
	}
	if string(p) != string(want) {
		return fmt.Errorf("received %q, want %q", p, want)
	}
	r.Release()
	return nil
}
