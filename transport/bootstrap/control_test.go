package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

// star is a control plane over pipes, in one process and in fake time.
type star struct {
	t     *testing.T
	ranks []*Control
	ends  []net.Conn // the coordinator's ends
	got   [][]string // messages, by rank
	mu    sync.Mutex
}

var errOwn = errors.New("of the layer above")

func newStar(t *testing.T, size int, adjust func(*ControlConfig)) *star {
	t.Helper()
	cfg := ControlConfig{Logger: quiet, Causes: []error{errOwn}}
	if adjust != nil {
		adjust(&cfg)
	}
	s := &star{t: t, ranks: make([]*Control, size), ends: make([]net.Conn, size), got: make([][]string, size)}
	members := make([]net.Conn, size)
	for r := 1; r < size; r++ {
		s.ends[r], members[r] = net.Pipe()
	}
	var err error
	for r := 1; r < size; r++ {
		if s.ranks[r], err = NewMember(cfg, r, size, members[r]); err != nil {
			t.Fatal(err)
		}
	}
	if s.ranks[0], err = NewCoordinator(cfg, s.ends); err != nil {
		t.Fatal(err)
	}
	for r, c := range s.ranks {
		<-c.Ready()
		c.Handle(func(from int, payload []byte) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.got[r] = append(s.got[r], fmt.Sprintf("%d:%s", from, payload))
		})
	}
	return s
}

// close closes all ranks at once; the bubble then checks that nothing is left.
func (s *star) close() {
	var wg sync.WaitGroup
	for _, c := range s.ranks {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
}

// same waits until the given ranks (all when there are none) have a verdict,
// checks that it is the same for all, and returns it.
func (s *star) same(ranks ...int) *transport.RankError {
	s.t.Helper()
	if len(ranks) == 0 {
		for r := range s.ranks {
			ranks = append(ranks, r)
		}
	}
	var first *transport.RankError
	for _, r := range ranks {
		select {
		case <-s.ranks[r].Done():
		case <-time.After(time.Minute):
			s.t.Fatalf("rank %d has no verdict after a minute", r)
		}
		e := s.ranks[r].Err()
		if first == nil {
			first = e
		}
		if e.Error() != first.Error() || e.Rank != first.Rank {
			s.t.Errorf("rank %d says %q, rank %d says %q", r, e, ranks[0], first)
		}
		for _, sentinel := range append([]error{errOwn}, causes...) {
			if errors.Is(e, sentinel) != errors.Is(first, sentinel) {
				s.t.Errorf("rank %d and rank %d differ in %v", r, ranks[0], sentinel)
			}
		}
	}
	return first
}

func (s *star) want(e *transport.RankError, rank int, sentinel error) {
	s.t.Helper()
	if e == nil || e.Rank != rank || !errors.Is(e, sentinel) {
		s.t.Errorf("verdict %v; want rank %d, %v", e, rank, sentinel)
	}
}

func TestIdleRanksStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStar(t, 4, nil)
		time.Sleep(time.Hour)
		for r, c := range s.ranks {
			if err := c.Err(); err != nil {
				t.Errorf("rank %d: %v", r, err)
			}
		}
		s.close()
	})
}

// A rank whose connection ends is lost at once, for everybody.
func TestEndedConnection(t *testing.T) {
	for lost := range 3 {
		t.Run(fmt.Sprint("rank ", lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStar(t, 3, nil)
				began := time.Now()
				var others []int
				for r := range 3 {
					if r != lost {
						others = append(others, r)
					}
				}
				if lost == 0 {
					s.ends[1].Close()
					s.ends[2].Close()
				} else {
					s.ends[lost].Close()
				}
				s.want(s.same(others...), lost, transport.ErrPeerLost)
				if took := time.Since(began); took > flushTime {
					t.Errorf("took %v", took)
				}
				s.close()
			})
		})
	}
}

// mute is a connection whose other end lives but says nothing.
func mute() (end net.Conn) {
	a, b := net.Pipe()
	go io.Copy(io.Discard, b)
	return a
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet, Heartbeat: 3 * time.Second, LostAfter: 20 * time.Second}
		m, err := NewMember(cfg, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		silent := mute()
		began := time.Now()
		c, err := NewCoordinator(cfg, []net.Conn{nil, a, silent})
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		e := s.same()
		s.want(e, 2, transport.ErrPeerLost)
		if took := time.Since(began); took < 20*time.Second || took > 20*time.Second+flushTime {
			t.Errorf("took %v", took)
		}
		if !strings.Contains(e.Error(), "20s") {
			t.Errorf("%v does not tell the time", e)
		}
		s.close()
	})
}

func TestSilentCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m, err := NewMember(ControlConfig{Logger: quiet}, 1, 2, mute())
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{m}}
		s.want(s.same(), 0, transport.ErrPeerLost)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		s.close()
	})
}

// stalled is a connection whose traffic can be held up both ways for a while, as
// when the process at one end is stopped: what was sent meanwhile is there
// afterwards.
func stalled(t *testing.T, from, to time.Duration) (a, b net.Conn) {
	a, x := net.Pipe()
	b, y := net.Pipe()
	began := time.Now()
	relay := func(dst, src net.Conn) {
		ch := make(chan []byte, 1000)
		go func() {
			defer close(ch)
			for {
				buf := make([]byte, 4096)
				n, err := src.Read(buf)
				if err != nil {
					return
				}
				ch <- buf[:n]
			}
		}()
		for b := range ch {
			if at := time.Since(began); at >= from && at < to {
				time.Sleep(to - at)
			}
			dst.Write(b)
		}
		dst.Close()
	}
	go relay(x, y)
	go relay(y, x)
	return a, b
}

func TestStallShorterThanLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := stalled(t, time.Minute, time.Minute+8*time.Second)
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if c.Err() != nil || m.Err() != nil {
			t.Errorf("%v; %v", c.Err(), m.Err())
		}
		(&star{ranks: []*Control{c, m}}).close()
	})
}

// Both sides give each other up; the coordinator learns from the member that it
// was the one who was away.
func TestStoppedCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		// The coordinator hears nothing for 30 s, and would still read what was
		// sent: only its reading is held up.
		held := &heldConn{Conn: a, until: time.Now().Add(30 * time.Second)}
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, &bufferedConn{Conn: b})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, held})
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(s.same(), 0, transport.ErrPeerLost)
		s.close()
	})
}

// heldConn is the end of a process that was stopped until then: it neither reads
// nor writes, and its deadlines have no effect meanwhile.
type heldConn struct {
	net.Conn
	until time.Time
}

func (c *heldConn) Read(b []byte) (int, error) {
	time.Sleep(time.Until(c.until))
	c.Conn.SetReadDeadline(time.Now().Add(time.Second)) // its second look
	return c.Conn.Read(b)
}

func (c *heldConn) Write(b []byte) (int, error) {
	time.Sleep(time.Until(c.until))
	return c.Conn.Write(b)
}

// bufferedConn has the buffer of a socket: writing does not wait for the reader,
// and what was written before Close still arrives.
type bufferedConn struct {
	net.Conn
	once sync.Once
	ch   chan []byte
}

func (c *bufferedConn) Write(b []byte) (int, error) {
	c.once.Do(func() {
		c.ch = make(chan []byte, 1000)
		go func() {
			c.Conn.SetWriteDeadline(time.Time{})
			for b := range c.ch {
				if b == nil {
					c.Conn.Close()
					return
				}
				c.Conn.Write(b)
			}
		}()
	})
	c.ch <- append([]byte(nil), b...)
	return len(b), nil
}

func (c *bufferedConn) SetWriteDeadline(time.Time) error { return nil }

func (c *bufferedConn) Close() error {
	c.Write(nil)
	return nil
}

func TestFailures(t *testing.T) {
	fail := func(by, rank int, err error) func(*star) {
		return func(s *star) {
			s.ranks[by].Fail(&transport.RankError{Rank: rank, Doing: "all_reduce 12", Err: fmt.Errorf("because: %w", err)})
		}
	}
	for name, c := range map[string]struct {
		events   []func(*star)
		rank     int
		sentinel error
		within   time.Duration
	}{
		"a member gives up":                    {[]func(*star){fail(2, 2, transport.ErrAborted)}, 2, transport.ErrAborted, 0},
		"the coordinator gives up":             {[]func(*star){fail(0, 0, transport.ErrAborted)}, 0, transport.ErrAborted, 0},
		"a cause of the layer above":           {[]func(*star){fail(1, 3, errOwn)}, 3, errOwn, 0},
		"a rank out of range":                  {[]func(*star){fail(1, 99, transport.ErrProtocol)}, 1, transport.ErrProtocol, 0},
		"hearsay that nothing confirms":        {[]func(*star){fail(1, 3, transport.ErrPeerLost)}, 3, transport.ErrPeerLost, 200 * time.Millisecond},
		"hearsay at the coordinator":           {[]func(*star){fail(0, 3, transport.ErrPeerLost)}, 3, transport.ErrPeerLost, 200 * time.Millisecond},
		"the messenger is not blamed":          {[]func(*star){fail(1, 2, transport.ErrPeerLost), fail(3, 3, transport.ErrAborted)}, 3, transport.ErrAborted, 200 * time.Millisecond},
		"the first of two":                     {[]func(*star){fail(0, 1, transport.ErrTimeout), fail(3, 3, transport.ErrAborted)}, 1, transport.ErrTimeout, 0},
		"everybody blames somebody":            {[]func(*star){fail(1, 2, transport.ErrPeerLost), fail(2, 3, transport.ErrPeerLost), fail(3, 1, transport.ErrPeerLost), fail(0, 2, transport.ErrPeerLost)}, -1, transport.ErrPeerLost, 200 * time.Millisecond},
		"the coordinator cannot be reached":    {[]func(*star){fail(3, 0, transport.ErrPeerLost)}, 0, transport.ErrPeerLost, 0},
		"first-hand evidence beats hearsay":    {[]func(*star){fail(1, 2, transport.ErrPeerLost), func(s *star) { s.ends[3].Close() }}, 3, transport.ErrPeerLost, 200 * time.Millisecond},
		"lost to one who had not seen it left": {[]func(*star){func(s *star) { go s.ranks[2].Leave(context.Background()); synctest.Wait() }, fail(1, 2, transport.ErrPeerLost)}, 2, transport.ErrClosed, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStar(t, 4, nil)
				began := time.Now()
				for _, event := range c.events {
					event(s)
					synctest.Wait()
				}
				var ranks []int
				for r := range s.ranks {
					if !strings.Contains(name, "beats") || r != 3 {
						ranks = append(ranks, r)
					}
				}
				e := s.same(ranks...)
				if c.rank < 0 {
					c.rank = e.Rank
				}
				s.want(e, c.rank, c.sentinel)
				if took := time.Since(began); took > c.within+time.Millisecond {
					t.Errorf("took %v, want at most %v", took, c.within)
				}
				if err := s.ranks[1].Send(0, nil); !errors.Is(err, c.sentinel) {
					t.Errorf("sending afterwards: %v", err)
				}
				s.close()
			})
		})
	}
}

// A reporter whose coordinator does not answer has an error in bounded time.
func TestSettleWithoutVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMember(ControlConfig{Logger: quiet}, 1, 4, mute())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		e := m.Settle(&transport.RankError{Rank: 3, Err: transport.ErrPeerLost})
		if took := time.Since(began); took != 2*time.Second || e.Rank != 3 || !errors.Is(e, transport.ErrPeerLost) {
			t.Errorf("after %v: %v", took, e)
		}
		m.Close()
	})
}

// A process that closes at once after a failure has told the others first.
func TestVerdictIsFlushedBeforeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStar(t, 6, nil)
		s.ends[4].Close()
		<-s.ranks[0].Done()
		s.ranks[0].Close()
		s.want(s.same(0, 1, 2, 3, 5), 4, transport.ErrPeerLost)
		s.close()
	})
}

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStar(t, 5, nil)
		began := time.Now()
		var wg sync.WaitGroup
		for r, c := range s.ranks {
			wg.Go(func() {
				time.Sleep(time.Duration(5-r) * time.Second)
				if err := c.Leave(context.Background()); err != nil {
					t.Errorf("rank %d: %v", r, err)
				}
				if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
					t.Errorf("rank %d left after %v", r, took)
				}
				c.Close()
				if e := c.Err(); e.Rank != r || !errors.Is(e, transport.ErrClosed) {
					t.Errorf("rank %d after closing: %v", r, e)
				}
			})
		}
		wg.Wait()
	})
}

// A rank that leaves while others stay is not lost, but the rest is told that it
// has left.
func TestLeaveAlone(t *testing.T) {
	for leaver := range 3 {
		for _, patient := range []bool{true, false} {
			t.Run(fmt.Sprintf("rank %d, patient %v", leaver, patient), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStar(t, 3, nil)
					if patient {
						ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
						if err := s.ranks[leaver].Leave(ctx); !errors.Is(err, transport.ErrTimeout) {
							t.Errorf("%v", err)
						}
						cancel()
						for r, c := range s.ranks {
							if c.Err() != nil {
								t.Errorf("rank %d is told too early: %v", r, c.Err())
							}
						}
					}
					s.ranks[leaver].Close()
					var others []int
					for r := range 3 {
						if r != leaver {
							others = append(others, r)
						}
					}
					s.want(s.same(others...), leaver, transport.ErrClosed)
					s.close()
				})
			})
		}
	}
}

// A rank that dies while the others wait for everybody to leave is lost.
func TestLossWhileLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStar(t, 4, nil)
		var wg sync.WaitGroup
		for _, r := range []int{0, 1, 3} {
			wg.Go(func() {
				if err := s.ranks[r].Leave(context.Background()); !errors.Is(err, transport.ErrPeerLost) {
					t.Errorf("rank %d: %v", r, err)
				}
			})
		}
		synctest.Wait()
		s.ends[2].Close()
		wg.Wait()
		s.want(s.same(0, 1, 3), 2, transport.ErrPeerLost)
		s.close()
	})
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, count = 4, 200
		s := newStar(t, size, nil)
		payload := make([]byte, 0, 10)
		for i := range count {
			for r := range size {
				payload = fmt.Appendf(payload[:0], "%d", i) // may be reused at once
				if err := s.ranks[0].Send(r, payload); err != nil {
					t.Fatal(err)
				}
				if r > 0 {
					if err := s.ranks[r].Send(0, payload); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := s.ranks[2].Send(0, make([]byte, MaxMessage)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for r := range size {
			next := make([]int, size)
			for _, m := range s.got[r] {
				var from, i int
				if n, err := fmt.Sscanf(m, "%d:%d", &from, &i); n != 2 {
					if len(m) != MaxMessage+2 || r != 0 {
						t.Fatalf("rank %d got %.20q: %v", r, m, err)
					}
					continue
				}
				if i != next[from] {
					t.Fatalf("rank %d got %d from rank %d, want %d", r, i, from, next[from])
				}
				next[from]++
			}
			for from, n := range next {
				want := 0
				if from == 0 || r == 0 {
					want = count
				}
				if n != want {
					t.Errorf("rank %d got %d messages from rank %d, want %d", r, n, from, want)
				}
			}
		}
		for name, err := range map[string]error{
			"too long":         s.ranks[1].Send(0, make([]byte, MaxMessage+1)),
			"between members":  s.ranks[1].Send(2, nil),
			"to itself":        s.ranks[1].Send(1, nil),
			"to nobody":        s.ranks[0].Send(size, nil),
			"to less than one": s.ranks[0].Send(-1, nil),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		s.close()
	})
}

// Messages wait for a handler.
func TestHandlerSetLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m, err := NewMember(ControlConfig{Logger: quiet}, 1, 2, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(ControlConfig{Logger: quiet}, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(1, []byte("early")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := make(chan string, 1)
		m.Handle(func(_ int, b []byte) { got <- string(b) })
		if s := <-got; s != "early" {
			t.Errorf("%q", s)
		}
		(&star{ranks: []*Control{c, m}}).close()
	})
}

// A peer that takes nothing does not block whoever sends: it is lost.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, _ := net.Pipe()
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet, QueueBytes: 1 << 20}
		m, err := NewMember(cfg, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a, stuck})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for err == nil && time.Since(began) < time.Second {
			err = c.Send(2, make([]byte, 1<<16))
		}
		var e *transport.RankError
		if !errors.As(err, &e) || e.Rank != 2 || !errors.Is(err, transport.ErrPeerLost) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > flushTime {
			t.Errorf("sending took %v", took)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(s.same(), 2, transport.ErrPeerLost)
		s.close()
	})
}

// Bytes that no correct peer sends cost it its membership, and nobody a panic.
func TestHostileFrames(t *testing.T) {
	verdict := (&codec{size: 2}).encode(&transport.RankError{Rank: 1, Err: transport.ErrPeerLost})
	for name, frame := range map[string][]byte{
		"unknown type":      appendFrame(nil, 99, nil),
		"from a rendezvous": appendFrame(nil, frameHello, testGreeting(1, 2).encode()),
		"too long":          {0xff, 0xff, 0xff, 0xff, byte(frameMessage), 0, 0, 0},
		"reserved bytes":    {0, 0, 0, 0, byte(frameBeat), 1, 0, 0},
		"fat heartbeat":     appendFrame(nil, frameBeat, []byte{1}),
		"fat farewell":      appendFrame(nil, frameBye, []byte{1}),
		"fat ready":         appendFrame(nil, frameReady, []byte{1}),
		"ready twice":       appendFrame(appendFrame(nil, frameReady, nil), frameReady, nil),
		"empty report":      appendFrame(nil, frameReport, nil),
		"empty verdict":     appendFrame(nil, frameVerdict, nil),
		"long verdict":      appendFrame(nil, frameVerdict, append(verdict, 0)),
		"half a frame":      appendFrame(nil, frameMessage, make([]byte, 100))[:50],
	} {
		for _, coordinator := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, coordinator %v", name, coordinator), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe()
					go io.Copy(io.Discard, a)
					var c *Control
					var err error
					if coordinator {
						c, err = NewCoordinator(ControlConfig{Logger: quiet}, []net.Conn{nil, b})
					} else {
						c, err = NewMember(ControlConfig{Logger: quiet}, 1, 2, b)
					}
					if err != nil {
						t.Fatal(err)
					}
					a.Write(frame)
					a.Close()
					<-c.Done()
					want := 0
					if coordinator {
						want = 1
					}
					if e := c.Err(); e.Rank != want || !errors.Is(e, transport.ErrPeerLost) && !errors.Is(e, transport.ErrProtocol) {
						t.Errorf("%v", e)
					}
					c.Close()
				})
			})
		}
	}
}

func FuzzControl(f *testing.F) {
	verdict := (&codec{size: 3}).encode(&transport.RankError{Rank: 1, Err: transport.ErrPeerLost})
	f.Add(appendFrame(appendFrame(nil, frameReady, nil), frameVerdict, verdict), false)
	f.Add(appendFrame(appendFrame(nil, frameMessage, []byte("x")), frameReport, verdict), true)
	f.Add(appendFrame(appendFrame(nil, frameBeat, nil), frameBye, nil), true)
	f.Fuzz(func(t *testing.T, b []byte, coordinator bool) {
		conn, peer := net.Pipe()
		var c *Control
		var err error
		cfg := ControlConfig{Logger: quiet, HearsayWait: time.Millisecond}
		if coordinator {
			c, err = NewCoordinator(cfg, []net.Conn{nil, conn})
		} else {
			c, err = NewMember(cfg, 1, 2, conn)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Handle(func(from int, payload []byte) {})
		go io.Copy(io.Discard, peer)
		peer.Write(b)
		peer.Close()
		<-c.Done()
		if e := c.Err(); e == nil || e.Rank < 0 || e.Rank > 1 || e.Error() == "" {
			t.Errorf("%v", e)
		}
		c.Close()
	})
}

func TestControlArguments(t *testing.T) {
	for name, c := range map[string]struct {
		rank, size int
		cfg        ControlConfig
	}{
		"rank 0":          {0, 2, ControlConfig{}},
		"rank too large":  {2, 2, ControlConfig{}},
		"negative":        {-1, 2, ControlConfig{}},
		"size 0":          {0, 0, ControlConfig{}},
		"too many causes": {1, 2, ControlConfig{Causes: make([]error, maxExtra+1)}},
	} {
		a, b := net.Pipe()
		if _, err := NewMember(c.cfg, c.rank, c.size, a); !errors.Is(err, ErrLaunch) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection is left open: %v", name, err)
		}
	}
}
