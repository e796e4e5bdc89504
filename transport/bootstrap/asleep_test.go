package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

// nap is when a process stands still.
type nap struct{ from, until time.Time }

func (n *nap) wait() {
	if now := time.Now(); !now.Before(n.from) && now.Before(n.until) {
		time.Sleep(n.until.Sub(now))
	}
}

// napping is that process's end of a connection: what comes meanwhile is read afterwards,
// and nothing is written.
type napping struct {
	net.Conn
	nap  *nap
	late time.Duration // how much later than everything else it is read
}

func (c *napping) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if now := time.Now(); !now.Before(c.nap.from) && now.Before(c.nap.until) {
		c.nap.wait()
		time.Sleep(c.late)
	}
	return n, err
}

func (c *napping) Write(b []byte) (int, error) {
	c.nap.wait()
	c.Conn.SetWriteDeadline(time.Now().Add(time.Second)) // there is room in a socket
	return c.Conn.Write(b)
}

// napper is a world whose coordinator stands still for a while, a minute after it began.
func napper(t *testing.T, size int, asleep, late time.Duration) (*star, *nap) {
	n := &nap{from: time.Now().Add(time.Minute + 137*time.Millisecond)}
	n.until = n.from.Add(asleep)
	cfg := ControlConfig{Logger: quiet}
	s := &star{t: t, ranks: make([]*Control, size)}
	conns := make([]net.Conn, size)
	for r := 1; r < size; r++ {
		a, b := net.Pipe()
		conns[r] = &napping{a, n, late}
		m, err := NewMember(cfg, r, size, &bufferedConn{Conn: b})
		if err != nil {
			t.Fatal(err)
		}
		s.ranks[r] = m
	}
	c, err := NewCoordinator(cfg, conns)
	if err != nil {
		t.Fatal(err)
	}
	s.ranks[0] = c
	time.AfterFunc(time.Until(n.from), c.pulse.ticker.Stop)
	time.AfterFunc(time.Until(n.until), func() { c.pulse.ticker.Reset(c.pulse.tick) })
	return s, n
}

// ask has members ask the coordinator something, as when the time of a message is up, and
// give it up as the engine does if it does not answer. It reports whether one did.
func (s *star) ask(members ...*Control) (gaveUp bool) {
	answers := make(chan struct{}, len(s.ranks))
	s.ranks[0].Handle(func(from int, _ []byte) { s.ranks[0].Send(from, nil) })
	over := make(chan bool)
	for _, m := range members {
		m.Handle(func(int, []byte) { answers <- struct{}{} })
		go func() {
			asked := time.Now()
			m.Send(0, nil)
			time.Sleep(500 * time.Millisecond)
			for {
				waited := time.Since(asked)
				switch {
				case len(answers) > 0:
					over <- false
					return
				case m.Desert(1500 * time.Millisecond), waited >= AnswerDue && m.Desert(waited):
					over <- true
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
	}
	for range members {
		gaveUp = <-over || gaveUp
	}
	return gaveUp
}

// A coordinator that sleeps while it is asked something names no rank that lives, however
// long: if some give it up, all say that it was it that was silent; if nobody does, nobody
// is lost.
func TestCoordinatorAsleep(t *testing.T) {
	var given, kept int
	for size := 2; size <= 5; size++ {
		for asking := 1; asking < size; asking++ {
			for asleep := 200 * time.Millisecond; asleep < 12*time.Second; asleep = asleep * 5 / 4 {
				synctest.Test(t, func(t *testing.T) {
					s, n := napper(t, size, asleep, 0)
					time.Sleep(time.Until(n.from) + time.Millisecond)
					if s.ask(s.ranks[1 : 1+asking]...) {
						given++
						s.want(s.same(), 0, transport.ErrPeerLost)
					} else {
						kept++
						time.Sleep(time.Minute)
						for r, c := range s.ranks {
							if err := c.Err(); err != nil {
								t.Errorf("%d of %d ask, asleep for %v: rank %d: %v", asking, size, asleep, r, err)
							}
						}
					}
					s.close()
				})
				if t.Failed() {
					t.Fatalf("%d of %d ask, asleep for %v", asking, size, asleep)
				}
			}
		}
	}
	if given == 0 || kept == 0 {
		t.Errorf("given up in %d cases, and not in %d", given, kept)
	}
}

// A coordinator that comes back finds what the others have done without it: some have
// said at first that they had lost somebody else, then that they had lost it, and have
// gone; and its own links to them are cut. It says what they say.
func TestCoordinatorComesBack(t *testing.T) {
	lost := func(rank int) *transport.RankError {
		return &transport.RankError{Rank: rank, Err: transport.ErrPeerLost}
	}
	for name, c := range map[string]struct {
		late   time.Duration // its control links are read after that
		before func(*star)   // while it sleeps
		after  func(*star)   // when it wakes up
	}{
		"its data link is cut":           {20 * time.Millisecond, nil, func(s *star) { s.ranks[0].Fail(lost(2)) }},
		"its peer was late":              {20 * time.Millisecond, nil, func(s *star) { s.ranks[0].Fail(&transport.RankError{Rank: 2, Err: transport.ErrTimeout}) }},
		"another had lost its neighbour": {0, func(s *star) { s.ranks[3].Fail(lost(2)) }, nil},
		"all had lost their neighbours":  {0, func(s *star) { s.ranks[1].Fail(lost(2)); s.ranks[2].Fail(lost(3)); s.ranks[3].Fail(lost(1)) }, nil},
		"one has left without a word":    {0, func(s *star) { s.ranks[3].links[0].cut() }, nil},
		"one has left in the common way": {0, func(s *star) { s.ranks[3].links[0].send(frameBye, nil, true, false); s.ranks[3].links[0].finish() }, nil},
		"one has said it is out of time": {0, func(s *star) {
			s.ranks[3].Fail(&transport.RankError{Rank: 3, Doing: settingUp, Err: transport.ErrTimeout})
		}, nil},
		"nothing else":                    {0, nil, nil},
		"nothing else, and it reads late": {100 * time.Millisecond, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := napper(t, 4, 30*time.Second, c.late)
				for _, rank := range s.ranks {
					rank.Handle(func(int, []byte) {})
				}
				time.Sleep(time.Until(n.from) + time.Second)
				if c.before != nil {
					c.before(s)
				}
				for _, r := range []int{1, 2, 3} {
					<-s.ranks[r].Done()
					s.want(s.ranks[r].Err(), 0, transport.ErrPeerLost)
					go s.ranks[r].Close()
				}
				time.Sleep(time.Until(n.until))
				if c.after != nil {
					c.after(s)
				}
				<-s.ranks[0].Done()
				s.want(s.ranks[0].Err(), 0, transport.ErrPeerLost)
				s.close()
			})
		})
	}
}

// A coordinator that was not missed by anybody, and finds that its own time for something
// is up, has kept itself from it.
func TestCoordinatorMissesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := napper(t, 4, 3*time.Second, 0)
		time.Sleep(time.Until(n.until))
		s.ranks[0].Fail(&transport.RankError{Rank: 2, Err: transport.ErrTimeout})
		s.want(s.same(), 0, transport.ErrTimeout)
		s.close()
	})
}

// A process that sleeps, wakes up, and sleeps again before it has read anything, looks
// once more.
func TestAsleepTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, &bufferedConn{Conn: b})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, &drowsy{Conn: a, naps: 3, from: time.Now().Add(time.Minute)}})
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

// drowsy is the end of a process that sleeps until after the deadline of each of some reads.
type drowsy struct {
	net.Conn
	naps     int
	from     time.Time
	deadline time.Time
}

func (c *drowsy) SetReadDeadline(d time.Time) error {
	c.deadline = d
	return c.Conn.SetReadDeadline(d)
}

func (c *drowsy) Read(b []byte) (int, error) {
	if c.naps > 0 && time.Now().After(c.from) {
		c.naps--
		time.Sleep(time.Until(c.deadline) + 100*time.Millisecond)
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(b)
}

// A coordinator that has the links of all and has not said so, or only when it woke up, is
// late itself: the member whose time is up is not.
func TestCoordinatorSaysNothing(t *testing.T) {
	for _, awoken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := ControlConfig{Logger: quiet}
			c, err := newControl(0, 3, cfg)
			if err != nil {
				t.Fatal(err)
			}
			s := &star{t: t, ranks: []*Control{c}}
			for r := 1; r < 3; r++ {
				a, b := net.Pipe()
				c.attach(r, a)
				m, err := NewMember(cfg, r, 3, b)
				if err != nil {
					t.Fatal(err)
				}
				s.ranks = append(s.ranks, m)
			}
			if awoken {
				c.pulse.ticker.Stop()
				time.Sleep(500 * time.Millisecond)
				c.begin()
			}
			s.ranks[1].Fail(&transport.RankError{Rank: 1, Doing: settingUp, Err: transport.ErrTimeout})
			s.want(s.same(), 0, transport.ErrTimeout)
			s.close()
		})
	}
}

// What a member has been told before it gives the coordinator up is delivered before: it
// may say more.
func TestDesertInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := severed(t, func(from, to int) bool { return from == 0 })
		m := s.ranks[1]
		var done []bool
		m.Handle(func(_ int, payload []byte) {
			if string(payload) == "first" {
				time.Sleep(3 * time.Second) // so that the second one waits
			}
			done = append(done, m.Err() != nil)
		})
		time.Sleep(time.Minute - 10*time.Millisecond)
		for _, text := range []string{"first", "second"} {
			if err := s.ranks[0].Send(1, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		for !m.Desert(1500 * time.Millisecond) {
			time.Sleep(secondLook)
		}
		<-m.Done()
		s.want(m.Err(), 0, transport.ErrPeerLost)
		if fmt.Sprint(done) != "[false false]" {
			t.Errorf("when messages were delivered, the coordinator had been given up: %v", done)
		}
		for _, rank := range s.ranks {
			<-rank.Done()
		}
		s.close()
	})
}

// A coordinator whose time is up before it begins to wait for control links blames nobody
// for not having opened one.
func TestCoordinatorBeginsTooLate(t *testing.T) {
	table := &Table{Peers: []Peer{testPeer(0), testPeer(1), testPeer(2)}, session: newSessionID()}
	s := newSession(0, 3, handshakeKey(NewSecret()), ProtocolVersion)
	s.join(table)
	defer s.Close()
	cfg := &Config{Rank: 0, Size: 3, Control: ControlConfig{Logger: quiet}, Logger: quiet}
	_, err := cfg.star(context.Background(), s, time.Now().Add(-time.Second), func() {})
	var e *transport.RankError
	if !errors.As(err, &e) || e.Rank != 0 || !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("%v", err)
	}
}
