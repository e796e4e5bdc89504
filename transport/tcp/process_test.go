package tcp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/tcp"
)

// peerEnv, set to rank 0's address, makes the test binary rank 1 of a world of
// two processes.
const peerEnv = "MONEL_TEST_TCP_PEER"

func TestMain(m *testing.M) {
	if addr := os.Getenv(peerEnv); addr != "" {
		fmt.Fprintln(os.Stderr, "peer:", bePeer(addr))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bePeer streams to rank 0, and reads nothing, until it is killed.
func bePeer(addr string) error {
	sources := newSources(&testing.T{}, 2, nil)
	self := sources[1]
	self.addrs[0] = addr
	fmt.Println(self.addrs[1])
	m := tcp.New(tcp.Config{Rank: 1, Size: 2}, self)
	s, err := m.Sender(context.Background(), 0, 0)
	if err != nil {
		return err
	}
	for {
		if err := put(context.Background(), s, []byte("still alive")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// TestKilledProcess kills a peer that is a process of its own, while one
// goroutine waits to receive from it and another to send to it.
func TestKilledProcess(t *testing.T) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			sources := newSources(t, 2, nil)
			defer sources[1].kill()
			self := sources[0]
			defer self.kill()
			peer := exec.Command(exe)
			peer.Env = append(os.Environ(), peerEnv+"="+self.addrs[0])
			peer.Stderr = os.Stderr
			out, err := peer.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := peer.Start(); err != nil {
				t.Fatal(err)
			}
			defer peer.Wait() //nolint:errcheck // it is killed
			defer peer.Process.Kill()
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			self.addrs[1] = strings.TrimSpace(line)

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
			results := make(chan error, 2)
			// The first chunk says that the peer is up.
			if err := get(ctx, v, []byte("still alive")); err != nil {
				t.Fatal(err)
			}
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
			if err := peer.Process.Kill(); err != nil {
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
