package bootstrap

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

// oneWay is a connection on which what a sends no longer arrives at b after a while,
// and what b sends still arrives at a.
func oneWay(after time.Duration) (a, b net.Conn) {
	a, x := net.Pipe()
	b, y := net.Pipe()
	began := time.Now()
	relay := func(dst, src net.Conn, loses bool) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			if err != nil {
				dst.Close()
				return
			}
			if loses && time.Since(began) > after {
				continue
			}
			dst.Write(buf[:n])
		}
	}
	go relay(y, x, true)
	go relay(x, y, false)
	return a, b
}

// severed is a world of four in which packets vanish after a minute: those to the ranks
// for which deaf says so, from rank 0 or to it.
func severed(t *testing.T, deaf func(from, to int) bool) *star {
	conns := make([]net.Conn, 4)
	ends := make([]net.Conn, 4)
	for r := 1; r < 4; r++ {
		switch {
		case deaf(0, r):
			conns[r], ends[r] = oneWay(time.Minute)
		case deaf(r, 0):
			ends[r], conns[r] = oneWay(time.Minute)
		default:
			conns[r], ends[r] = net.Pipe()
		}
	}
	cfg := ControlConfig{Logger: quiet}
	s := &star{t: t, ranks: make([]*Control, 4)}
	for r := 1; r < 4; r++ {
		m, err := NewMember(cfg, r, 4, ends[r])
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
	return s
}

// A network that is cut in one direction: the others name the rank that is cut off, be
// it the one that hears nothing or the one that nobody hears.
func TestCutInOneDirection(t *testing.T) {
	for name, c := range map[string]struct {
		deaf func(from, to int) bool
		lost int
	}{
		"member hears nothing":      {func(from, to int) bool { return to == 2 }, 2},
		"member is not heard":       {func(from, to int) bool { return from == 2 }, 2},
		"coordinator hears nothing": {func(from, to int) bool { return to == 0 }, 0},
		"coordinator is not heard":  {func(from, to int) bool { return from == 0 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := severed(t, c.deaf)
				for r, rank := range s.ranks {
					if r == c.lost {
						continue
					}
					<-rank.Done()
					s.want(rank.Err(), c.lost, transport.ErrPeerLost)
				}
				if took := time.Since(began) - time.Minute; took > 11*time.Second {
					t.Errorf("took %v", took)
				}
				<-s.ranks[c.lost].Done() // it gives up, too
				s.close()
			})
		})
	}
}

// A rank that waits for an answer gives a silent coordinator up earlier, and not one that
// is alive.
func TestDesert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := severed(t, func(from, to int) bool { return from == 0 })
		time.Sleep(50 * time.Second)
		for range 20 {
			for r, rank := range s.ranks {
				if rank.Desert(1500 * time.Millisecond) {
					t.Errorf("rank %d gives up a coordinator that is alive, or itself", r)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10500 * time.Millisecond)
		if s.ranks[1].Desert(1500 * time.Millisecond) {
			t.Error("gives a coordinator up at first sight")
		}
		time.Sleep(secondLook)
		if !s.ranks[1].Desert(1500 * time.Millisecond) {
			t.Error("does not give up a coordinator that is silent")
		}
		<-s.ranks[1].Done()
		s.want(s.ranks[1].Err(), 0, transport.ErrPeerLost)
		for _, rank := range s.ranks {
			<-rank.Done()
		}
		s.close()
	})
}

// A member that has slept finds at first what it has not read yet, and then what was sent
// to it meanwhile.
func TestDesertAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		const asleep = 65 * time.Second
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, &dozing{Conn: b, from: time.Now().Add(time.Minute), until: time.Now().Add(asleep + time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(asleep)
		for range 20 {
			if m.Desert(1500 * time.Millisecond) {
				t.Fatal("gives up a coordinator that was not silent")
			}
			time.Sleep(100 * time.Millisecond)
		}
		(&star{ranks: []*Control{c, m}}).close()
	})
}

// dozing is the end of a process that reads nothing for a while.
type dozing struct {
	net.Conn
	from, until time.Time
}

func (c *dozing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if now := time.Now(); now.After(c.from) && now.Before(c.until) {
		time.Sleep(time.Until(c.until))
	}
	return n, err
}

// Of two ranks, each names the other: the coordinator, too, if it has heard all the time
// the member that has not heard it.
func TestCutInOneDirectionBetweenTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := oneWay(time.Minute)
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		<-m.Done()
		<-c.Done()
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(m.Err(), 0, transport.ErrPeerLost)
		s.want(c.Err(), 1, transport.ErrPeerLost)
		s.close()
	})
}

// A member that reports something to a coordinator from which it has heard just before,
// and then hears nothing, does not wait for heartbeats to be missed.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := severed(t, func(from, to int) bool { return from == 0 || to == 0 })
		time.Sleep(time.Minute + 100*time.Millisecond) // the last heartbeat is as old
		began := time.Now()
		s.want(s.ranks[1].Settle(&transport.RankError{Rank: 2, Err: transport.ErrPeerLost}), 0, transport.ErrPeerLost)
		if took := time.Since(began); took > AnswerDue+3*secondLook {
			t.Errorf("took %v", took)
		}
		for _, rank := range s.ranks {
			<-rank.Done()
		}
		s.close()
	})
}

// A rank that is lost, and does not take what is sent to it, need not be told goodbye.
func TestCloseWithoutTheLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c, err := NewCoordinator(ControlConfig{Logger: quiet}, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		c.Settle(&transport.RankError{Rank: 1, Err: transport.ErrTimeout})
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > lostTime {
			t.Errorf("took %v", took)
		}
	})
}

// A member whose time is up before the links of all stand has waited for those who have
// none.
func TestAbsentIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet}
		c, err := newControl(0, 3, cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.attach(1, a)
		m, err := NewMember(cfg, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(m.Settle(&transport.RankError{Rank: 1, Err: transport.ErrTimeout}), 2, transport.ErrTimeout)
		s.close()
	})
}
