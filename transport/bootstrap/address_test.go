package bootstrap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

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

// A name with addresses of both families leads to those that are asked for.
func TestFamily(t *testing.T) {
	both := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("[fd00::1]:1"), netip.MustParseAddrPort("10.0.0.2:1")}
	for family, want := range map[string][]netip.AddrPort{AnyFamily: both, IPv4: {both[0], both[2]}, IPv6: {both[1]}} {
		got, err := ofFamily(family, "host", both)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", family, got, err)
		}
		ips, err := hostAddrs("", family, 64)
		if err != nil {
			continue // none of that family on this machine
		}
		for _, ip := range ips {
			if !familyHas(family, ip) {
				t.Errorf("%q: %v", family, ip)
			}
		}
	}
	if _, err := ofFamily(IPv6, "host", both[:1]); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
	if _, err := hostAddrs("no-such-interface", IPv6, 1); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}

	// Ranks that are told to use the family that the root lacks say so at once.
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for family, fine := range map[string]bool{IPv4: true, IPv6: false} {
		_, _, err := Connect(context.Background(), Config{Rank: 1, Size: 2, ID: root.ID(), Family: family, Timeout: 300 * time.Millisecond, Logger: quiet})
		if got := !errors.Is(err, ErrAddress); got != fine || err == nil {
			t.Errorf("%q: %v", family, err) // rank 0 is missing in any case
		}
	}
}

// The root's host name may mean one address on its own machine and another
// elsewhere.
func TestAdvertisedAddresses(t *testing.T) {
	outside, err := HostAddrs("", 1)
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
