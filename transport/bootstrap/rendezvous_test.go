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

func TestWrongArguments(t *testing.T) {
	id, _ := NewID(addrs("127.0.0.1:1")...)
	for name, c := range map[string]struct {
		cfg  Config
		want error
	}{
		"rank too large":      {Config{Rank: 2, Size: 2, ID: id}, ErrLaunch},
		"negative rank":       {Config{Rank: -1, Size: 2, ID: id}, ErrLaunch},
		"size 0":              {Config{}, ErrLaunch},
		"size too large":      {Config{Size: MaxSize + 1, ID: id}, ErrLaunch},
		"nowhere":             {Config{Size: 2}, ErrLaunch},
		"two places":          {Config{Size: 2, ID: id, Addr: "h:1", Secret: NewSecret()}, ErrLaunch},
		"no secret":           {Config{Size: 2, Addr: "h:1"}, ErrLaunch},
		"no port":             {Config{Size: 2, Addr: "h", Secret: NewSecret()}, ErrAddress},
		"port 0":              {Config{Size: 2, Addr: "h:0", Secret: NewSecret()}, ErrAddress},
		"port by name":        {Config{Size: 2, Addr: "h:http", Secret: NewSecret()}, ErrAddress},
		"altered id":          {Config{Size: 2, ID: ID{1}}, ErrID},
		"long info":           {Config{Size: 1, Info: make([]byte, MaxInfo+1)}, ErrLaunch},
		"long fingerprint":    {Config{Size: 1, Fingerprint: strings.Repeat("x", maxFingerprint+1)}, ErrLaunch},
		"too many causes":     {Config{Size: 1, Control: ControlConfig{Causes: make([]error, 100)}}, ErrLaunch},
		"no such interface":   {Config{Rank: 0, Size: 2, Addr: "127.0.0.1:" + portOf(freePort(t)), Secret: NewSecret(), Listen: "nohost.invalid:0"}, ErrAddress},
		"listener's own port": {Config{Rank: 0, Size: 2, Addr: "127.0.0.1:" + portOf(freePort(t)), Secret: NewSecret(), Listen: "127.0.0.1:99999"}, ErrAddress},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Logger, c.cfg.Timeout = quiet, 3*time.Second
			began := time.Now()
			_, _, err := Connect(context.Background(), c.cfg)
			if !errors.Is(err, c.want) || time.Since(began) > 2*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	}
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, host := range []string{"127.0.0.1", "localhost"} {
		addr := net.JoinHostPort(host, portOf(ln.Addr().String()))
		_, _, err = Connect(context.Background(), Config{Rank: 0, Size: 2, Addr: addr, Secret: NewSecret(), Logger: quiet})
		var e *transport.RankError
		if !errors.Is(err, ErrAddress) || !errors.As(err, &e) || e.Rank != 0 {
			t.Errorf("%v", err)
		}
		says(t, err, addr, "in use", "another port")
	}
}

func TestUnresolvable(t *testing.T) {
	for r := range 2 {
		began := time.Now()
		_, _, err := Connect(context.Background(), Config{Rank: r, Size: 2, Addr: "no-such-host.invalid:4711", Secret: NewSecret(), Logger: quiet, Timeout: time.Second})
		var e *transport.RankError
		if !errors.Is(err, ErrAddress) || !errors.As(err, &e) || e.Rank != r {
			t.Errorf("rank %d: %v", r, err)
		}
		says(t, err, "no-such-host.invalid", "resolve")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("rank %d: took %v", r, took)
		}
	}
}

// Something else than a root is where the root should be.
func TestStrangeRoots(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  error
	}{
		"nobody listens":  {nil, transport.ErrTimeout},
		"a web server":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); c.Close() }, transport.ErrProtocol},
		"hangs up":        {func(c net.Conn) { c.Close() }, transport.ErrTimeout},
		"says nothing":    {func(c net.Conn) { go io.Copy(io.Discard, c) }, transport.ErrTimeout},
		"repeats":         {func(c net.Conn) { go io.Copy(c, c) }, transport.ErrUnauthenticated},
		"sends noise":     {func(c net.Conn) { go io.Copy(io.Discard, c); c.Write(make([]byte, 1000)) }, transport.ErrProtocol},
		"another's root":  {nil, transport.ErrUnauthenticated},
		"a newer version": {nil, transport.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := freePort(t)
			cfg := Config{Rank: 1, Size: 2, Secret: NewSecret(), Logger: quiet, Timeout: 1500 * time.Millisecond, strange: 300 * time.Millisecond}
			switch {
			case c.serve != nil:
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				addr = ln.Addr().String()
				go func() {
					for {
						conn, err := ln.Accept()
						if err != nil {
							return
						}
						go c.serve(conn)
					}
				}()
			case c.want != transport.ErrTimeout:
				rc := RootConfig{Addr: "127.0.0.1:0", Logger: quiet}
				if c.want == transport.ErrVersion {
					rc.Secret, rc.version = cfg.Secret, 9
				}
				root, err := NewRoot(context.Background(), rc)
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				addr = root.Addr().String()
			}
			cfg.Addr = addr
			began := time.Now()
			_, _, err := Connect(context.Background(), cfg)
			var e *transport.RankError
			if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Rank != 1 {
				t.Errorf("%v", err)
			}
			says(t, err, addr)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// One rank of another version: everybody learns it at once.
func TestVersionMismatch(t *testing.T) {
	adjust := byID(t)
	began := time.Now()
	world := launch(t, 3, func(r int, cfg *Config) {
		adjust(r, cfg)
		if r == 2 {
			cfg.version = 7
		}
	})
	e := sameWorldError(t, world, VersionMismatch, 0, 1)
	says(t, e, "rank 2", "version 7", fmt.Sprint("version ", ProtocolVersion))
	if !errors.Is(e, transport.ErrVersion) || !errors.Is(world[2].err, transport.ErrVersion) {
		t.Errorf("%v; %v", e, world[2].err)
	}
	says(t, world[2].err, "version 7", fmt.Sprint("version ", ProtocolVersion))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

// A rank with the wrong secret is told so; the others go on waiting, and a right
// one takes its place.
func TestWrongSecretAmongOthers(t *testing.T) {
	adjust := byID(t)
	world := launch(t, 3, func(r int, cfg *Config) {
		adjust(r, cfg)
		if r == 2 {
			wrong := *cfg
			wrong.ID, _ = NewID(cfg.ID.Roots()...)
			wrong.Timeout = time.Second
			if _, _, err := Connect(context.Background(), wrong); !errors.Is(err, transport.ErrUnauthenticated) {
				t.Errorf("with the wrong secret: %v", err)
			} else {
				says(t, err, "same unique id or secret")
			}
		}
	})
	for r, m := range world {
		if m.err != nil {
			t.Errorf("rank %d: %v", r, m.err)
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
			world := launch(t, 3, func(_ int, cfg *Config) { cfg.ID = root.ID() })
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
	time.AfterFunc(100*time.Millisecond, cancel)
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

func TestIPv6(t *testing.T) {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	addr, secret := ln.Addr().String(), NewSecret()
	ln.Close()
	root, err := NewRoot(context.Background(), RootConfig{Addr: "[::1]:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, adjust := range map[string]func(int, *Config){
		"by id":      func(_ int, cfg *Config) { cfg.ID = root.ID() },
		"by address": func(_ int, cfg *Config) { cfg.Addr, cfg.Secret = addr, secret },
	} {
		t.Run(name, func(t *testing.T) {
			world := launch(t, 3, adjust)
			for r, m := range world {
				if m.err != nil {
					t.Fatalf("rank %d: %v", r, m.err)
				}
				if a := m.session.Addr().Addr(); !a.Is6() || a.Is4In6() {
					t.Errorf("rank %d listens at %v", r, a)
				}
			}
			checkLinks(t, world)
		})
	}
}

// The root's host name may mean one address on its own machine and another
// elsewhere.
func TestAdvertisedAddresses(t *testing.T) {
	outside, err := hostAddrs("", 1)
	if err != nil {
		t.Fatal(err)
	}
	if outside[0].IsLoopback() {
		t.Skip("this machine has no address but loopback")
	}
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(ln.Addr().String())
	ln.Close()
	secret := NewSecret()
	world := launch(t, 2, func(r int, cfg *Config) {
		cfg.Secret = secret
		cfg.Addr = ":" + port // all interfaces
		if r == 1 {
			cfg.Addr = net.JoinHostPort(outside[0].String(), port)
		}
	})
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
		if a := m.session.Addr().Addr(); a.IsLoopback() {
			t.Errorf("rank %d can be reached at %v only", r, a)
		}
	}
	checkLinks(t, world)
}

func TestRootOnAllInterfaces(t *testing.T) {
	root, err := NewRoot(context.Background(), RootConfig{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	id := root.ID()
	if len(id.Roots()) == 0 || id.Roots()[0].Addr().IsUnspecified() {
		t.Fatalf("%v", id)
	}
	world := launch(t, 3, func(_ int, cfg *Config) { cfg.ID = id })
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
	}
	checkLinks(t, world)
}

func TestTableTellsTheSame(t *testing.T) {
	adjust := byID(t)
	joined := make([]int, 4)
	world := launch(t, 4, func(r int, cfg *Config) {
		adjust(r, cfg)
		cfg.Info = []byte{byte(r), 1}
		cfg.Joined = func() { joined[r]++ }
	})
	for r, m := range world {
		if m.err != nil {
			t.Fatal(m.err)
		}
		if m.session.Rank() != r || m.session.Size() != 4 || joined[r] != 1 {
			t.Errorf("rank %d: %d of %d, joined %d times", r, m.session.Rank(), m.session.Size(), joined[r])
		}
		for p, peer := range m.session.Table().Peers {
			if peer.Rank != p || string(peer.Info) != string([]byte{byte(p), 1}) || peer.Host != LocalHost() || peer.PID == 0 {
				t.Errorf("rank %d about rank %d: %+v", r, p, peer)
			}
			if peer.Addr != world[p].session.Addr() {
				t.Errorf("rank %d finds rank %d at %v, which is at %v", r, p, peer.Addr, world[p].session.Addr())
			}
		}
	}
	if h := LocalHost(); !h.SameMachine(h) && h.BootID != "" || (Host{}).SameMachine(Host{}) {
		t.Error("SameMachine")
	}
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
