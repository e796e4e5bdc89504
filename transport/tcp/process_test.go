package tcp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/tcp"
)

// These variables make the test binary rank 1 of a world of two processes: the
// address of rank 0, and what to do.
const (
	peerEnv = "MONEL_TEST_TCP_PEER"
	roleEnv = "MONEL_TEST_TCP_ROLE"
)

// roles are what a peer process can be told to do until it loses rank 0.
var roles = map[string]func(*source) error{
	"chatter":          chatter,
	"echo":             func(s *source) error { return echo(s, tcp.Config{}) },
	"echo connections": func(s *source) error { return echo(s, tcp.Config{Connections: 4}) },
	"echo portable":    func(s *source) error { return echo(s, tcp.Config{Portable: true}) },
	"echo net.Conn":    func(s *source) error { return echoRaw(s, readConn, writeConn) },
	"echo polling":     func(s *source) error { return echoRaw(s, pollRead, pollWrite) },
}

func TestMain(m *testing.M) {
	if addr := os.Getenv(peerEnv); addr != "" {
		sources := newSources(&testing.T{}, 2, nil)
		self := sources[1]
		self.addrs[0] = addr
		fmt.Println(self.addrs[1])
		if err := roles[os.Getenv(roleEnv)](self); !errors.Is(err, transport.ErrPeerLost) && !errors.Is(err, io.EOF) {
			fmt.Fprintf(os.Stderr, "peer process, %s: %v\n", os.Getenv(roleEnv), err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// startPeer starts rank 1 as a process of its own and returns rank 0's source.
func startPeer(t testing.TB, role string) (*source, *os.Process) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sources := newSources(t, 2, nil)
	sources[1].kill() // the peer has its own
	self := sources[0]
	peer := exec.Command(exe)
	peer.Env = append(os.Environ(), peerEnv+"="+self.addrs[0], roleEnv+"="+role)
	peer.Stderr = os.Stderr
	out, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		self.kill()
		peer.Process.Kill() //nolint:errcheck // it may have ended
		peer.Wait()         //nolint:errcheck // it may have been killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	self.addrs[1] = strings.TrimSpace(line)
	return self, peer.Process
}

// chatter streams to rank 0 and reads nothing.
func chatter(s *source) error {
	m := tcp.New(tcp.Config{Rank: 1, Size: 2}, s)
	snd, err := m.Sender(context.Background(), 0, 0)
	if err != nil {
		return err
	}
	for {
		if err := put(context.Background(), snd, []byte("still alive")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// echo sends back what rank 0 sends: its header, and as many bytes of payload
// as the header's first byte says, 0 for none and 1 for all.
func echo(s *source, cfg tcp.Config) error {
	ctx := context.Background()
	cfg.Rank, cfg.Size = 1, 2
	m := tcp.New(cfg, s)
	snd, err := m.Sender(ctx, 0, 0)
	if err != nil {
		return err
	}
	rcv, err := m.Receiver(ctx, 0, 0)
	if err != nil {
		return err
	}
	for {
		h, p, err := rcv.Next(ctx)
		if err != nil {
			return err
		}
		if h[0] == 1 {
			slot, err := snd.Acquire(ctx)
			if err != nil {
				return err
			}
			copy(slot, p)
			if err := snd.Commit(h, len(p)); err != nil {
				return err
			}
		}
		rcv.Release()
	}
}

// TestKilledProcess kills a peer that is a process of its own, while one
// goroutine waits to receive from it and another to send to it.
func TestKilledProcess(t *testing.T) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			self, peer := startPeer(t, "chatter")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			m := tcp.New(tcp.Config{Rank: 0, Size: 2, Portable: portable}, self)
			defer m.Close()
			v, err := m.Receiver(ctx, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			s, err := m.Sender(ctx, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			// The first chunk says that the peer is up.
			if err := get(ctx, v, []byte("still alive")); err != nil {
				t.Fatal(err)
			}
			results := make(chan error, 2)
			go func() {
				for {
					if err := get(ctx, v, []byte("still alive")); err != nil {
						results <- err
						return
					}
				}
			}()
			go func() {
				full := make([]byte, m.SlotSize())
				for {
					if err := put(ctx, s, full); err != nil {
						results <- err
						return
					}
				}
			}()
			time.Sleep(50 * time.Millisecond)
			if err := peer.Kill(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				err := <-results
				var re *transport.RankError
				if !errors.As(err, &re) || re.Rank != 1 || !errors.Is(err, transport.ErrPeerLost) {
					t.Errorf("%v, want rank 1 lost", err)
				}
			}
		})
	}
}
