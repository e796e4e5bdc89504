package bootstrap

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A root that slept when time was up, or when it waited for answers, looks at what has come
// before it says who is missing.
func TestRootAsleep(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			root := &Root{probes: make(chan *joiner)}
			root.cfg.apart = true
			g := &gatherer{root: root, world: newGathering(), here: map[*greeting]*joiner{}, patience: 9 * time.Second}
			conn, _ := net.Pipe()
			j := &joiner{conn: conn, greeting: testGreeting(1, 3), ping: make(chan struct{}, 1)}
			g.add(j)
			g.due = time.Now()
			if asked {
				if look := g.look(); look != 0 {
					t.Fatalf("a root that is in time looks for another %v", look)
				}
				if e := g.timeIsUp(); e != nil {
					t.Fatalf("says %v before it has asked", e)
				}
				<-j.ping
			}
			time.Sleep(time.Hour)
			if g.look() == 0 {
				t.Fatalf("asked %v: concludes something from the time in which it slept", asked)
			}
			if asked {
				g.answered(j)
			} else {
				g.add(&joiner{conn: conn, greeting: testGreeting(2, 3), ping: make(chan struct{}, 1)})
			}
			for looks := 0; ; looks++ {
				look := g.look()
				if look == 0 {
					break
				}
				if looks > 20 {
					t.Fatal("does not come to an end")
				}
				time.Sleep(look)
			}
			if !asked {
				g.asked, g.answers = true, true
			}
			var e *WorldError
			if !errors.As(g.timeIsUp(), &e) || len(e.Ranks) == 0 || e.Ranks[0] != 0 || len(e.Ranks) != map[bool]int{true: 2, false: 1}[asked] {
				t.Errorf("asked %v: %v", asked, e)
			}
		})
	}
}

// One that slept while a rank was away gives it the time to come back.
func TestRootAsleepWhileOneReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gatherer{root: &Root{}, world: newGathering(), here: map[*greeting]*joiner{}}
		for rank := range 2 {
			g.add(&joiner{greeting: testGreeting(rank, 3)})
		}
		for greeting, j := range g.here {
			if greeting.peer.Rank == 1 {
				g.leftUs(j)
			}
		}
		time.Sleep(time.Minute)
		if e := g.notReturned(); e != nil {
			t.Errorf("%v", e)
		}
		<-g.returns
		if e := g.notReturned(); e == nil || e.Ranks[0] != 1 {
			t.Errorf("%v, although it has not come back", e)
		}
	})
}
