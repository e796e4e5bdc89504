package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

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
