package bootstrap

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
)

// quiet drops logs of tests that provoke many.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

type member struct {
	session *Session
	control *Control
	err     error
}

// launch runs Connect for every rank of a world in its own goroutine; adjust may
// change each rank's config.
func launch(t *testing.T, size int, adjust func(rank int, cfg *Config)) []member {
	t.Helper()
	out := make([]member, size)
	var wg sync.WaitGroup
	for r := range size {
		wg.Add(1)
		go func() {
			defer wg.Done()
			cfg := Config{Rank: r, Size: size, Timeout: 20 * time.Second, Logger: quiet}
			adjust(r, &cfg)
			s, c, err := Connect(context.Background(), cfg)
			out[r] = member{s, c, err}
		}()
	}
	wg.Wait()
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, m := range out {
			if m.err == nil {
				wg.Add(1)
				go func() {
					defer wg.Done()
					m.control.Close()
					m.session.Close()
				}()
			}
		}
		wg.Wait()
	})
	return out
}

func byID(t *testing.T) func(int, *Config) {
	t.Helper()
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	id := root.ID()
	return func(_ int, cfg *Config) { cfg.ID = id }
}

func TestConnectByID(t *testing.T) {
	for _, size := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			world := launch(t, size, byID(t))
			for r, m := range world {
				if m.err != nil {
					t.Fatalf("rank %d: %v", r, m.err)
				}
			}
			checkLinks(t, world)
			leaveAll(t, world)
		})
	}
}

func leaveAll(t *testing.T, world []member) {
	t.Helper()
	var wg sync.WaitGroup
	for r, m := range world {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := m.control.Leave(ctx); err != nil {
				t.Errorf("rank %d leaves: %v", r, err)
			}
			m.control.Close()
			m.session.Close()
		}()
	}
	wg.Wait()
}

// checkLinks opens a data link from every rank to every other, half of them
// accepted late, and sends the pair's numbers over it.
func checkLinks(t *testing.T, world []member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for from := range world {
		for to := range world {
			if from == to {
				continue
			}
			wg.Add(2)
			go func() {
				defer wg.Done()
				conn, err := world[from].session.Dial(ctx, to, 3)
				if err != nil {
					t.Errorf("%d to %d: %v", from, to, err)
					return
				}
				defer conn.Close()
				fmt.Fprintf(conn, "%03d%03d", from, to)
				io.Copy(io.Discard, conn)
			}()
			go func() {
				defer wg.Done()
				if to%2 == 0 {
					time.Sleep(20 * time.Millisecond)
				}
				conn, err := world[to].session.Accept(ctx, from, 3)
				if err != nil {
					t.Errorf("%d from %d: %v", to, from, err)
					return
				}
				defer conn.Close()
				got := make([]byte, 6)
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != fmt.Sprintf("%03d%03d", from, to) {
					t.Errorf("%d from %d: got %q, %v", to, from, got, err)
				}
			}()
		}
	}
	wg.Wait()
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestConnectByAddress(t *testing.T) {
	addr, secret := freePort(t), NewSecret()
	world := launch(t, 4, func(r int, cfg *Config) {
		if r == 0 {
			time.Sleep(300 * time.Millisecond) // the root may come last
		}
		cfg.Addr, cfg.Secret = addr, secret
	})
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
	}
	leaveAll(t, world)
}

// BenchmarkConnect forms and leaves a world of four.
func BenchmarkConnect(b *testing.B) {
	for b.Loop() {
		root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for r := range 4 {
			wg.Go(func() {
				s, c, err := Connect(context.Background(), Config{Rank: r, Size: 4, ID: root.ID(), Timeout: 20 * time.Second, Logger: quiet})
				if err != nil {
					b.Error(err)
					return
				}
				if err := c.Leave(context.Background()); err != nil {
					b.Error(err)
				}
				c.Close()
				s.Close()
			})
		}
		wg.Wait()
		root.Close()
	}
}
