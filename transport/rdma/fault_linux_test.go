//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// failWithin is how long survivors may take to say that something failed.
const failWithin = 5 * time.Second

// resources is what is in use of the machine's adapters, as the kernel counts it:
// protection domains, queues, queue pairs, registrations, contexts.
func resources(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("rdma", "resource", "show").CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// resourcesAsBefore makes the end of the test compare.
func resourcesAsBefore(t *testing.T) {
	t.Helper()
	before := resources(t)
	t.Cleanup(func() { require.Equal(t, before, resources(t), "resources before and after") })
}

// exchange has two meshes send to each other until both fail, and returns how.
// Began is called once both have sent something.
func exchange(t *testing.T, all []*Mesh, began func()) [2][2]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	var errs [2][2]error
	var ends, warm sync.WaitGroup
	for rank := range 2 {
		s, err := all[rank].Sender(ctx, 1-rank, 0)
		require.NoError(t, err)
		v, err := all[rank].Receiver(ctx, 1-rank, 0)
		require.NoError(t, err)
		warm.Add(2)
		loop := func(out *error, once func() error) {
			ends.Go(func() {
				for i := 0; ; i++ {
					if i == 20 {
						warm.Done()
					}
					if *out = once(); *out != nil {
						return
					}
				}
			})
		}
		loop(&errs[rank][0], func() error {
			if _, err := s.Acquire(ctx); err != nil {
				return err
			}
			return s.Commit(&transport.Header{}, 10000)
		})
		loop(&errs[rank][1], func() error {
			if _, _, err := v.Next(ctx); err != nil {
				return err
			}
			v.Release()
			return nil
		})
	}
	warm.Wait()
	begin := time.Now()
	began()
	ends.Wait()
	t.Logf("all ends failed within %v", time.Since(begin))
	require.Less(t, time.Since(begin), failWithin)
	return errs
}

// card runs ip on the network device of the adapter.
func card(t *testing.T, args ...string) {
	t.Helper()
	name := os.Getenv("MONEL_TEST_RDMA_CARD")
	require.NotEmpty(t, name, "MONEL_TEST_RDMA_CARD")
	out, err := exec.Command("ip", append([]string{"link", "set", name}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestLinkDown takes the network from under links in use.
func TestLinkDown(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{SlotSize: 10000})
	closeAfter(t, all)
	defer wires.CloseLeft()
	port := all[0].Ports()[0]
	errs := exchange(t, all, func() { card(t, "down") })
	card(t, "up")
	for rank := range errs {
		for _, err := range errs[rank] {
			require.ErrorIs(t, err, transport.ErrPeerLost, "rank %d", rank)
			var re *transport.RankError
			require.ErrorAs(t, err, &re)
			require.Contains(t, err.Error(), port)
		}
	}
	require.Eventually(t, func() bool { _, err := Find(Settings{}); return err == nil }, 10*time.Second, 10*time.Millisecond, "the port comes back")
	// Nothing is wrong with meshes that are made now.
	again, wires := meshes(t, 2, Config{})
	closeAfter(t, again)
	defer wires.CloseLeft()
	roundTrip(t, again)
}

// TestShortInterruption has the network go for a moment: the adapters repeat what
// was lost.
func TestShortInterruption(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{})
	closeAfter(t, all)
	defer wires.CloseLeft()
	roundTrip(t, all)
	card(t, "down")
	card(t, "up")
	require.Eventually(t, func() bool { _, err := Find(Settings{}); return err == nil }, 10*time.Second, 10*time.Millisecond)
	roundTrip(t, all)
}

func roundTrip(t *testing.T, all []*Mesh) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for rank := range 2 {
		s, err := all[rank].Sender(ctx, 1-rank, 0)
		require.NoError(t, err)
		v, err := all[1-rank].Receiver(ctx, rank, 0)
		require.NoError(t, err)
		slot, err := s.Acquire(ctx)
		require.NoError(t, err)
		n := copy(slot, "the same again")
		require.NoError(t, s.Commit(&transport.Header{9}, n))
		h, p, err := v.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, &transport.Header{9}, h)
		require.Equal(t, "the same again", string(p))
		v.Release()
	}
}

// TestFailedQueuePair has a queue pair go to its error state, as it does after an
// error of the adapter: requests come back flushed, on the side that it happened.
// The peer's are repeated in vain, until the adapter gives up.
func TestFailedQueuePair(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{SlotSize: 10000, Settings: Settings{Timeout: 12, Retries: 2}})
	closeAfter(t, all)
	defer wires.CloseLeft()
	errs := exchange(t, all, func() {
		for _, m := range all {
			for _, e := range m.ends {
				if e.total != nil { // the ends that send
					require.NoError(t, e.lanes[0].qp.Fail())
				}
			}
		}
		time.AfterFunc(failWithin/2, func() {
			for _, m := range all { // an engine would, on the first error
				m.kill()
			}
		})
	})
	for rank := range errs {
		var ce *CompletionError
		require.ErrorAs(t, errs[rank][0], &ce, "rank %d, sending", rank)
		require.Equal(t, ibv.FlushError, ce.Status)
		require.ErrorIs(t, errs[rank][0], transport.ErrPeerLost)
		require.Error(t, errs[rank][1], "rank %d, receiving", rank)
	}
}

// TestRefusedAccess has the peer's registration end under a sender.
func TestRefusedAccess(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{})
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), failWithin)
	defer cancel()
	s, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	s.(*sender).lanes[0].rkey ^= 0xffff00 // a key that nobody has been given
	for err == nil {
		if _, err = s.Acquire(ctx); err == nil {
			err = s.Commit(&transport.Header{}, 100)
		}
	}
	var ce *CompletionError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, ibv.RemoteAccessError, ce.Status)
	require.ErrorIs(t, err, transport.ErrProtocol)
}

// TestLockedMemory has a process that may lock little memory: whatever does not fit
// is an error that says what to do.
func TestLockedMemory(t *testing.T) {
	needDevice(t)
	if os.Getenv("MONEL_TEST_MEMLOCK") == "1" {
		limit := unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit))
		_, err := Probe(Settings{}, 1<<20)
		require.ErrorIs(t, err, transport.ErrUnavailable)
		require.ErrorIs(t, err, syscall.ENOMEM)
		require.Contains(t, err.Error(), "raise ulimit -l")
		all, _ := meshes(t, 2, Config{})
		closeAfter(t, all)
		_, err = all[0].Sender(context.Background(), 1, 0)
		var re *transport.RankError
		require.ErrorAs(t, err, &re)
		require.Equal(t, 0, re.Rank, "the rank that lacks it")
		require.ErrorIs(t, err, transport.ErrUnavailable)
		require.Contains(t, err.Error(), "raise ulimit -l")
		return
	}
	resourcesAsBefore(t)
	child := exec.Command(os.Args[0], "-test.run", "^TestLockedMemory$")
	child.Env = append(os.Environ(), "MONEL_TEST_MEMLOCK=1")
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "PASS")
}

// TestSettingsReachTheDevice uses a GID by its number, and one that is not there.
func TestSettingsReachTheDevice(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	found, err := Find(Settings{})
	require.NoError(t, err)
	require.True(t, found[0].GID.Address.Is4In6(), "%v", found[0].GID)
	require.True(t, strings.HasSuffix(found[0].GID.Type, "v2"), "%v", found[0].GID)
	for _, gid := range found[0].GIDs {
		t.Run(fmt.Sprintf("GID %d, %v", gid.Index, gid.Address), func(t *testing.T) {
			all, wires := meshes(t, 2, Config{Settings: Settings{GIDIndex: &gid.Index, TrafficClass: 106, ServiceLevel: 3}})
			closeAfter(t, all)
			defer wires.CloseLeft()
			require.Equal(t, gid, all[0].nics[0].GID)
			roundTrip(t, all)
		})
	}
	none := 200
	_, err = New(Config{Size: 1, Settings: Settings{GIDIndex: &none}}, nil)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorContains(t, err, "change or unset NCCL_IB_GID_INDEX")
	_, err = New(Config{Size: 1, Settings: Settings{HCA: "mlx5"}}, nil)
	require.ErrorContains(t, err, "is not selected by NCCL_IB_HCA=mlx5")
	require.True(t, errors.Is(err, transport.ErrUnavailable))
}
