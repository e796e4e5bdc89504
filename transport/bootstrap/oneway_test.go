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
		for r, rank := range s.ranks {
			if rank.Desert(1500 * time.Millisecond) {
				t.Errorf("rank %d gives up a coordinator that is alive, or itself", r)
			}
		}
		time.Sleep(12500 * time.Millisecond)
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
