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

// A reporter whose coordinator does not answer has an error in bounded time: its own if
// the coordinator lives.
func TestSettleWithoutVerdict(t *testing.T) {
	for _, lives := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go io.Copy(io.Discard, a)
			m, err := NewMember(ControlConfig{Logger: quiet}, 1, 4, b)
			if err != nil {
				t.Fatal(err)
			}
			within, rank := AnswerDue+2*secondLook, 0
			if lives {
				within, rank = 2*time.Second+secondLook, 3
				go func() {
					for err := error(nil); err == nil; time.Sleep(300 * time.Millisecond) {
						_, err = a.Write(appendFrame(nil, frameBeat, nil))
					}
				}()
			}
			began := time.Now()
			e := m.Settle(&transport.RankError{Rank: 3, Err: transport.ErrPeerLost})
			if took := time.Since(began); took > within || e.Rank != rank || !errors.Is(e, transport.ErrPeerLost) {
				t.Errorf("after %v: %v", took, e)
			}
			m.Close()
			time.Sleep(time.Second) // until the coordinator notices
		})
	}
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
