//go:build unix

package bootstrap

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// With these variables set, the test binary is one rank in a process of its own:
// it connects, says so, waits for a verdict, prints it and closes.
const childID, childRank, childSize = "MONEL_TEST_ID", "MONEL_TEST_RANK", "MONEL_TEST_SIZE"

func TestMain(m *testing.M) {
	if text := os.Getenv(childID); text != "" {
		runChild(text)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(text string) {
	id, err := ParseIDText(text)
	if err != nil {
		panic(err)
	}
	cfg := Config{ID: id, Timeout: 20 * time.Second, Logger: quiet, Control: ControlConfig{Heartbeat: 200 * time.Millisecond, LostAfter: 2 * time.Second}}
	fmt.Sscan(os.Getenv(childRank), &cfg.Rank)
	fmt.Sscan(os.Getenv(childSize), &cfg.Size)
	s, c, err := Connect(context.Background(), cfg)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("ready")
	<-c.Done()
	fmt.Println("verdict:", c.Err())
	if cfg.Rank == 0 {
		return // ends without closing: the others must know all the same
	}
	c.Close()
	s.Close()
}

type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startProcesses(t *testing.T, size int) []process {
	t.Helper()
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	id := root.ID()
	ps := make([]process, size)
	for r := range ps {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childID+"="+id.Text(), fmt.Sprint(childRank, "=", r), fmt.Sprint(childSize, "=", size))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ps[r] = process{cmd, bufio.NewScanner(out)}
		t.Cleanup(func() {
			cmd.Process.Kill()
			io.Copy(io.Discard, out)
			cmd.Wait()
		})
	}
	for r, p := range ps {
		if !p.out.Scan() || p.out.Text() != "ready" {
			t.Fatalf("rank %d: %q", r, p.out.Text())
		}
	}
	return ps
}

// One process is killed or stopped: all others give the same error, which names
// it, in the time that each takes.
func TestProcesses(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		rank   int
		within time.Duration
	}{
		{"member killed", syscall.SIGKILL, 2, time.Second},
		{"coordinator killed", syscall.SIGKILL, 0, time.Second},
		{"member stopped", syscall.SIGSTOP, 1, 3 * time.Second},
		{"coordinator stopped", syscall.SIGSTOP, 0, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			ps := startProcesses(t, 4)
			began := time.Now()
			if err := ps[c.rank].cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			verdicts := make([]string, len(ps))
			var wg sync.WaitGroup
			read := func(r int) {
				if ps[r].out.Scan() {
					verdicts[r] = ps[r].out.Text()
				}
			}
			for r := range ps {
				if r != c.rank {
					wg.Go(func() { read(r) })
				}
			}
			wg.Wait()
			t.Logf("known to all after %v", time.Since(began))
			if took := time.Since(began); took > c.within+2*time.Second { // a hang, not a slow machine
				t.Errorf("took %v", took)
			}
			if c.signal == syscall.SIGSTOP { // it wakes up, and agrees
				ps[c.rank].cmd.Process.Signal(syscall.SIGCONT)
				read(c.rank)
			}
			for r, v := range verdicts {
				if r == c.rank && c.signal == syscall.SIGKILL {
					continue
				}
				if v != verdicts[3] || !strings.HasPrefix(v, fmt.Sprintf("verdict: rank %d: peer lost: ", c.rank)) {
					t.Errorf("rank %d: %q, rank 3: %q", r, v, verdicts[3])
				}
			}
		})
	}
}
