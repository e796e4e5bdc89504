package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// sameWorldError checks that the given ranks got the same WorldError.
func sameWorldError(t *testing.T, world []member, reason Reason, ranks ...int) *WorldError {
	t.Helper()
	var first *WorldError
	for _, r := range ranks {
		var e *WorldError
		if !errors.As(world[r].err, &e) {
			t.Errorf("rank %d: %v is no WorldError", r, world[r].err)
			continue
		}
		if first == nil {
			first = e
		}
		if e.Reason != reason || e.Error() != first.Error() {
			t.Errorf("rank %d: reason %d: %v", r, e.Reason, e)
		}
	}
	if first == nil {
		t.FailNow()
	}
	return first
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestMissingRank(t *testing.T) {
	adjust := byID(t)
	began := time.Now()
	world := launch(t, 3, func(r int, cfg *Config) {
		adjust(r, cfg)
		cfg.Size = 6
		if r == 1 {
			cfg.Timeout = 700 * time.Millisecond // the least patient one decides
		}
	})
	e := sameWorldError(t, world, MissingRanks, 0, 1, 2)
	if fmt.Sprint(e.Ranks) != "[3 4 5]" || !errors.Is(e, transport.ErrTimeout) {
		t.Errorf("%v: %v", e.Ranks, e)
	}
	says(t, e, "3 of 6", "3-5", "secret")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDisagreements(t *testing.T) {
	for name, c := range map[string]struct {
		adjust func(r int, cfg *Config)
		reason Reason
		ranks  string
		says   []string
	}{
		"world size":  {func(r int, cfg *Config) { cfg.Size += r / 2 }, SizeMismatch, "", []string{"size is 3", "says 4", "pid", "host", "same size"}},
		"same rank":   {func(r int, cfg *Config) { cfg.Rank = min(r, 1) }, DuplicateRank, "[1]", []string{"two processes claim to be rank 1", "pid", "its own rank"}},
		"fingerprint": {func(r int, cfg *Config) { cfg.Fingerprint = []string{"chunk=1", "chunk=1", "chunk=2"}[r] }, ConfigMismatch, "", []string{"chunk=1", "chunk=2", "same options"}},
	} {
		for _, how := range []string{"id", "address"} {
			t.Run(name+" by "+how, func(t *testing.T) {
				where := byID(t)
				if how == "address" {
					addr, secret := freePort(t), NewSecret()
					where = func(_ int, cfg *Config) { cfg.Addr, cfg.Secret = addr, secret }
				}
				began := time.Now()
				world := launch(t, 3, func(r int, cfg *Config) {
					where(r, cfg)
					cfg.Size = 2
					if r == 2 {
						cfg.Rank = 1
						time.Sleep(100 * time.Millisecond) // whoever is first is told, too
					}
					cfg.Size = 3
					cfg.Rank = r
					c.adjust(r, cfg)
				})
				e := sameWorldError(t, world, c.reason, 0, 1, 2)
				if c.ranks != "" && fmt.Sprint(e.Ranks) != c.ranks || !errors.Is(e, ErrLaunch) {
					t.Errorf("%v: %v", e.Ranks, e)
				}
				says(t, e, c.says...)
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// knock joins a root as rank r would, up to its greeting.
func knock(t *testing.T, id ID, r, size int, instance uint64) net.Conn {
	t.Helper()
	conn, err := dialAuthenticated(context.Background(), id.Roots()[0], handshakeKey(id.Secret()),
		intro{version: ProtocolVersion, purpose: PurposeRendezvous, from: r, to: rootRank}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	g := testGreeting(r, size)
	g.instance, g.fingerprint = instance, ""
	if _, err := conn.Write(appendFrame(nil, frameHello, g.encode())); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A process that died while it waited is replaced by its successor: when its
// connection ended, at once; when its host vanished, after it failed to answer.
func TestDeadRankIsReplaced(t *testing.T) {
	for _, vanished := range []bool{false, true} {
		t.Run(fmt.Sprint("vanished ", vanished), func(t *testing.T) {
			root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet, probe: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			conn := knock(t, root.ID(), 1, 3, 999)
			defer conn.Close()
			if !vanished {
				conn.Close()
			}
			time.Sleep(20 * time.Millisecond)
			world := launch(t, 3, func(r int, cfg *Config) {
				cfg.ID = root.ID()
				if r != 1 {
					time.Sleep(500 * time.Millisecond) // or the dead one completes the world
				}
			})
			for r, m := range world {
				if m.err != nil {
					t.Errorf("rank %d: %v", r, m.err)
				}
			}
			<-root.Done()
			if root.Err() != nil {
				t.Error(root.Err())
			}
		})
	}
}

// Whoever comes when all are together is told, and disturbs nobody.
func TestLateStranger(t *testing.T) {
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	world := launch(t, 2, func(_ int, cfg *Config) { cfg.ID = root.ID() })
	if world[0].err != nil || world[1].err != nil {
		t.Fatal(world)
	}
	_, _, err = Connect(context.Background(), Config{Rank: 1, Size: 2, ID: root.ID(), Logger: quiet, Timeout: 5 * time.Second})
	var e *WorldError
	if !errors.As(err, &e) || e.Reason != DuplicateRank {
		t.Errorf("%v", err)
	}
	leaveAll(t, world)
}

// A root is done when all have heard, also when what they heard is bad news and
// some come late for it.
func TestRootIsDone(t *testing.T) {
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	world := launch(t, 3, func(r int, cfg *Config) {
		cfg.ID = root.ID()
		cfg.Fingerprint = fmt.Sprint(r)
		if r == 2 {
			time.Sleep(300 * time.Millisecond)
			select {
			case <-root.Done():
				t.Error("the root is done before the last rank has come")
			default:
			}
		}
	})
	sameWorldError(t, world, ConfigMismatch, 0, 1, 2)
	select {
	case <-root.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the root is not done after the last rank has heard")
	}
	sameWorldError(t, append(world, member{err: root.Err()}), ConfigMismatch, 0, 3)
}

// A rank whose connection breaks while it waits comes again by itself.
func TestRankComesAgain(t *testing.T) {
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	relay, cut := relayTo(t, root.Addr().String())
	relayed, err := MakeID(root.cfg.Secret, relay)
	if err != nil {
		t.Fatal(err)
	}
	world := launch(t, 2, func(r int, cfg *Config) {
		cfg.ID = root.ID()
		if r == 0 {
			cfg.ID = relayed
		} else {
			time.Sleep(200 * time.Millisecond)
			cut()
			time.Sleep(200 * time.Millisecond)
		}
	})
	for r, m := range world {
		if m.err != nil {
			t.Errorf("rank %d: %v", r, m.err)
		}
	}
}

// relayTo forwards connections to addr until cut, which ends those that stand.
func relayTo(t *testing.T, addr string) (netip.AddrPort, func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var mu sync.Mutex
	var conns []net.Conn
	go func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", addr)
			if err != nil {
				a.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, a, b)
			mu.Unlock()
			go func() { io.Copy(a, b); a.Close() }()
			go func() { io.Copy(b, a); b.Close() }()
		}
	}()
	return addrPort(ln.Addr()), func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
		conns = nil
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel) // when both wait
	addr, secret := freePort(t), NewSecret()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for r := range errs {
		wg.Go(func() {
			mine := context.Background()
			if r == 0 {
				mine = ctx
			}
			_, _, errs[r] = Connect(mine, Config{Rank: r, Size: 3, Addr: addr, Secret: secret, Logger: quiet, Timeout: 20 * time.Second})
		})
	}
	wg.Wait()
	if !errors.Is(errs[0], transport.ErrAborted) || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("who gave up: %v", errs[0])
	}
	var e *WorldError
	if !errors.As(errs[1], &e) || e.Reason != RootClosed {
		t.Errorf("the other: %v", errs[1])
	}
}

// The same address serves one world after the other, without a pause.
func TestWorldAfterWorld(t *testing.T) {
	addr, secret := freePort(t), NewSecret()
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			for i := range 20 {
				s, c, err := Connect(context.Background(), Config{Rank: r, Size: 3, Addr: addr, Secret: secret, Logger: quiet, Timeout: 20 * time.Second})
				if err != nil {
					t.Errorf("rank %d, world %d: %v", r, i, err)
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				if err := c.Leave(ctx); err != nil {
					t.Errorf("rank %d leaves world %d: %v", r, i, err)
				}
				cancel()
				c.Close()
				s.Close()
			}
		})
	}
	wg.Wait()
}

func TestManyRanksAtOnce(t *testing.T) {
	world := launch(t, 64, byID(t))
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
	}
	leaveAll(t, world)
}
