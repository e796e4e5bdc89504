package tcp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/tcp"
)

// pair returns both ends of the link 0->1 in a world of two, and the sources.
func pair(t *testing.T, cfg tcp.Config) (transport.Sender, transport.Receiver, []*source) {
	t.Helper()
	sources := newSources(t, 2, nil)
	meshes := make([]*tcp.Mesh, 2)
	for rank := range meshes {
		cfg.Rank, cfg.Size = rank, 2
		meshes[rank] = tcp.New(cfg, sources[rank])
	}
	t.Cleanup(func() {
		for rank := range meshes {
			meshes[rank].Close()
			sources[rank].kill()
		}
	})
	s, err := meshes[0].Sender(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, err := meshes[1].Receiver(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s, v, sources
}

// TestDeathOfOneConnection ends one of a link's connections, when the link is at
// rest and when it is full. What came before arrives, and both ends say who is
// lost.
func TestDeathOfOneConnection(t *testing.T) {
	for _, portable := range []bool{false, true} {
		for dead := range 3 {
			for _, full := range []bool{false, true} {
				t.Run(fmt.Sprintf("portable=%v/connection=%d/full=%v", portable, dead, full), func(t *testing.T) {
					s, v, sources := pair(t, tcp.Config{Connections: 3, Portable: portable, SlotSize: 100 << 10})
					payload := bytes.Repeat([]byte("chunk"), 20<<10)
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					defer cancel()
					for range 3 {
						if err := put(ctx, s, payload); err != nil {
							t.Fatal(err)
						}
						if err := get(ctx, v, payload); err != nil {
							t.Fatal(err)
						}
					}
					sending := make(chan error, 1)
					if full {
						go func() { sending <- untilError(func() error { return put(ctx, s, payload) }) }()
						time.Sleep(50 * time.Millisecond)
					}
					if full {
						sources[1].gripOf(dead).reset()
					} else {
						sources[1].gripOf(dead).hangUp()
						go func() { sending <- untilError(func() error { return put(ctx, s, payload) }) }()
					}
					for end, c := range map[string]struct {
						rank int
						err  error
					}{
						"receiver": {0, untilError(func() error { return get(ctx, v, payload) })},
						"sender":   {1, <-sending},
					} {
						var re *transport.RankError
						if !errors.As(c.err, &re) || re.Rank != c.rank || !errors.Is(c.err, transport.ErrPeerLost) {
							t.Errorf("%s: %v; want that rank %d is lost", end, c.err, c.rank)
						}
					}
				})
			}
		}
	}
}

func untilError(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
	}
}

// gripOf finds the connection that was dialled as channel.
func (s *source) gripOf(channel int) grip {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byChannel[channel]
}

// counted is a ConnSource that notes on which channels connections were dialled,
// and refuses some once.
type counted struct {
	*source
	mu      sync.Mutex
	dialled map[int]int
	refuse  map[int]bool
}

func (c *counted) Dial(ctx context.Context, peer, channel int) (net.Conn, error) {
	c.mu.Lock()
	c.dialled[channel]++
	refuse := c.refuse[channel]
	delete(c.refuse, channel)
	c.mu.Unlock()
	if refuse {
		return nil, errors.New("connection refused")
	}
	return c.source.Dial(ctx, peer, channel)
}

// TestConnectAgain has one connection of three refused: the link fails, and the
// next attempt makes that one alone. Links with ranks that are near have a number of
// their own.
func TestConnectAgain(t *testing.T) {
	sources := newSources(t, 3, nil)
	src := &counted{source: sources[0], dialled: map[int]int{}, refuse: map[int]bool{7: true}}
	m := tcp.New(tcp.Config{Rank: 0, Size: 3, Connections: 3, Near: []int{2}, NearConnections: 2}, src)
	defer func() {
		m.Close()
		for _, s := range sources {
			s.kill()
		}
	}()
	if _, err := m.Sender(t.Context(), 1, 2); !errors.Is(err, transport.ErrPeerLost) {
		t.Fatalf("%v, want ErrPeerLost", err)
	}
	for range 2 {
		if _, err := m.Sender(t.Context(), 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Sender(t.Context(), 2, 2); err != nil {
		t.Fatal(err)
	}
	if want := "map[4:1 5:1 6:1 7:2 8:1]"; fmt.Sprint(src.dialled) != want {
		t.Errorf("dialled %v, want %s", src.dialled, want)
	}
}
