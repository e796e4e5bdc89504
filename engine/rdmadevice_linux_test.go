//go:build (amd64 || arm64) && !nocuda

package engine_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/transport/rdma"
)

// besideGPUs makes tensors lie on simulated devices whose memory the machine's adapter
// can read, by a simulation of what it lacks for that (scripts/rdma/dmabuf.c).
func besideGPUs(t *testing.T, options ...cudasim.Option) (*onDevice, engine.Config) {
	t.Helper()
	library := os.Getenv("MONEL_TEST_RDMA_GPU")
	if library == "" {
		t.Skip("needs an RDMA device beside simulated GPUs: make test-rdma runs this")
	}
	ibv.Use(library)
	d := simulated(t, options...)
	cfg := d.config()
	cfg.Algorithm = "ring"
	cfg.RDMA = rdma.Settings{DirectWithin: rdma.SYS}
	return d, cfg
}

// lentBy is how many chunks the ranks have had read from the memory of devices.
func lentBy(w world) (all []int64) {
	for _, c := range w {
		all = append(all, engine.LentFromDevices(c))
	}
	return all
}

// TestRDMAFromDevices: what lies in one piece is sent from where it lies, everything
// else through pinned memory, and all arrives. Allocations come and go at the same
// addresses, so what was registered for one would be sent for the next.
func TestRDMAFromDevices(t *testing.T) {
	for _, ranks := range []int{2, 3} {
		t.Run(fmt.Sprintf("np=%d", ranks), func(t *testing.T) {
			d, cfg := besideGPUs(t, cudasim.Reuse())
			cfg.ChunkBytes = 64 << 10
			w := rdmaWorld(d, ranks, cfg)
			grew := func(want bool, run func(), what string, who ...int) {
				t.Helper()
				before := lentBy(w)
				run()
				after := lentBy(w)
				for _, rank := range who {
					require.Equal(t, want, after[rank] > before[rank], "%s: rank %d lent %d chunks", what, rank, after[rank]-before[rank])
				}
			}
			everybody := []int{0, 1, 2}[:ranks]
			shapes := [][]int64{{301, 199}, {30, 2000}}[:4-ranks] // the machine is slow
			for _, shape := range shapes {
				for _, l := range []struct {
					name string
					lent bool
				}{{"contiguous", true}, {"transpose", true}, {"steps", false}} {
					in, dt := []string{l.name}, dtype.Float32
					grew(l.lent, func() { allReduceCase{dt: dt, op: engine.Sum, shape: shape, in: in}.run(d, w) }, "all_reduce in place, "+l.name, everybody...)
					if ranks > 2 {
						grew(l.lent, func() { broadcastCase{dt, shape, in, ranks - 1, true}.run(d, w) }, "broadcast, "+l.name, ranks-1)
						break
					}
					grew(l.lent, func() { allReduceCase{dt: dt, op: engine.Avg, shape: shape, in: in, out: in}.run(d, w) }, "all_reduce, "+l.name, everybody...)
					grew(l.lent, func() { broadcastCase{dt, shape, in, ranks - 1, true}.run(d, w) }, "broadcast, "+l.name, ranks-1)
				}
			}
			grew(false, func() {
				allReduceCase{dt: dtype.Int8, op: engine.Max, shape: []int64{60000}, in: []string{"contiguous"}}.run(d, w)
			}, "a short one", everybody...)
		})
	}
}

// TestRDMAPeerMemory has the adapter know the devices' memory by its addresses, if the
// kernel has a module for that, and not at all.
func TestRDMAPeerMemory(t *testing.T) {
	d, cfg := besideGPUs(t, cudasim.WithoutDMABuf())
	k := allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: []int64{1 << 15}, in: []string{"contiguous"}}
	for name, c := range map[string]struct {
		set  rdma.Settings
		lent bool
	}{
		"near":    {rdma.Settings{DirectWithin: rdma.SYS}, os.Getenv("MONEL_TEST_PEER_MEMORY") != ""},
		"too far": {rdma.Settings{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.RDMA = c.set
			w := rdmaWorld(d, 2, cfg)
			k.run(d, w)
			for rank, n := range lentBy(w) {
				require.Equal(t, c.lent, n > 0, "rank %d lent %d chunks", rank, n)
			}
		})
	}
}

// TestRDMAStreams: what is sent is what the stream's earlier work has written, and its
// later work may write over it at once.
func TestRDMAStreams(t *testing.T) {
	d, cfg := besideGPUs(t)
	const elements, rounds = 1 << 15, 4
	w := rdmaWorld(d, 2, cfg)
	users := d.use(w, elements, 3*rounds+1)
	w.must(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		x := strided.FromDevice(dtype.Int32, uint64(u.at), u.bytes)
		u.close()
		var checks []func(want, gap int32) error
		for i := range int32(rounds) {
			u.write(100*i + int32(rank))
			var err error
			if i%2 == 0 {
				_, err = c.StartBroadcast(background, x, x, int(i/2)%2, engine.OnStream(u.stream))
			} else {
				_, err = c.StartAllReduce(background, x, x, engine.Sum, engine.OnStream(u.stream))
			}
			if err != nil {
				return err
			}
			checks = append(checks, u.read())
			u.write(-1)
		}
		u.open()
		if err := u.stream.Sync(); err != nil {
			return err
		}
		for i, check := range checks {
			want := 200*int32(i) + 1
			if i%2 == 0 {
				want = 100*int32(i) + int32(i/2)%2
			}
			if err := check(want, want); err != nil {
				return fmt.Errorf("round %d: %w", i, err)
			}
		}
		return nil
	})
	for rank, n := range lentBy(w) {
		require.Positive(t, n, "rank %d", rank)
	}
}

// TestRDMADeviceMessages sends messages from devices, alone and in groups.
func TestRDMADeviceMessages(t *testing.T) {
	d, cfg := besideGPUs(t, cudasim.Reuse())
	const elements, rounds = 1 << 15, 2
	w := rdmaWorld(d, 2, cfg)
	for round := range int32(rounds) {
		users := d.use(w, elements/2, 4)
		others := d.use(w, elements/2, 4)
		w.must(t, func(rank int, c *engine.Comm) error {
			u, v, peer := users[rank], others[rank], 1-rank
			x, y := strided.FromDevice(dtype.Int32, uint64(u.at), u.bytes), strided.FromDevice(dtype.Int32, uint64(v.at), v.bytes)
			u.write(10*round + int32(rank))
			if err := u.stream.Sync(); err != nil {
				return err
			}
			err := engine.RunGroup(background, func(on func(*engine.Comm) *engine.Group) error {
				g := on(c)
				if err := g.Recv(y, peer); err != nil {
					return err
				}
				return g.Send(x, peer)
			})
			if err != nil {
				return err
			}
			got := v.read()
			if err := v.stream.Sync(); err != nil {
				return err
			}
			return got(10*round+int32(peer), 10*round+int32(peer))
		})
		for rank, n := range lentBy(w) {
			require.GreaterOrEqual(t, n, int64(round)+1, "rank %d", rank)
		}
	}
}
