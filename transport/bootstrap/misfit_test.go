package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

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
			rank := 1
			if c.want == transport.ErrTimeout {
				rank = 0 // which should be there
			}
			if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Rank != rank {
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
