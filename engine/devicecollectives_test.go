package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestDeviceCollectives draws cells of the matrix of collectives, and ones with parts that
// differ in size, for tensors of devices, and for worlds of which some ranks' are.
func TestDeviceCollectives(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				cells := map[string]int{"inproc": 300, "tcp": 60, "shm": 60}[name] / size
				if raceDetector {
					cells /= 5
				}
				d := onDevices(t)
				cfg := d.config()
				cfg.ChunkBytes = smallChunk
				w := newWorld(d, size, cfg)
				for n := range cells {
					d.mixed = n%3 == 0
					k := randomCase(t, rng, size, smallChunk)
					// Ranks that share a device cannot wait for each other on its only
					// default stream.
					k.started = k.started && len(d.ctx) >= size
					k.run(d, w)
					if n%10 == 0 {
						v := randomVariable(rng, size)
						w.must(t, func(rank int, c *engine.Comm) error { return v.run(forRank(d, rank), c) })
					}
				}
			})
		}
	}
}

// TestDeviceMessages: messages between tensors of devices, by themselves, in groups and
// on streams, between earlier and later work.
func TestDeviceMessages(t *testing.T) {
	for name, newWorld := range worlds {
		for _, elements := range []int{1, 100, 5000} {
			t.Run(fmt.Sprintf("%s/%d", name, elements), func(t *testing.T) {
				d := onDevices(t)
				cfg := d.config()
				cfg.ChunkBytes = smallChunk
				w := newWorld(d, 2, cfg)
				users, others := d.use(w, elements, 8), d.use(w, elements, 8)
				w.must(t, func(rank int, c *engine.Comm) error {
					u, v, peer := users[rank], others[rank], int32(1-rank)
					u.write(int32(10 + rank))
					v.write(int32(20 + rank))
					if rank == 0 {
						if _, err := c.StartSend(background, u.x, 1, engine.OnStream(u.stream)); err != nil {
							return err
						}
					} else if _, err := c.StartRecv(background, u.x, 0, engine.OnStream(u.stream)); err != nil {
						return err
					}
					got := u.read()
					if err := u.stream.Sync(); err != nil {
						return err
					}
					if err := got(10, int32(10+rank)); err != nil {
						return fmt.Errorf("alone: %w", err)
					}
					u.write(int32(30 + rank))
					if err := u.stream.Sync(); err != nil {
						return err
					}
					works, err := engine.StartGroup(background, func(on func(*engine.Comm) *engine.Group) error {
						g := on(c)
						g.Use(engine.OnStream(v.stream))
						if err := g.Recv(v.x, int(peer)); err != nil {
							return err
						}
						if err := g.Send(u.x, int(peer)); err != nil {
							return err
						}
						return g.AllReduce(u.x, u.x, engine.Max)
					})
					if err != nil {
						return err
					}
					got = v.read()
					if err := v.stream.Sync(); err != nil {
						return err
					}
					for _, work := range works {
						if err := work.Wait(background); err != nil {
							return err
						}
					}
					if err := got(31, int32(20+rank)); err != nil { // the messages follow the collective
						return fmt.Errorf("in a group: %w", err)
					}
					got = u.read()
					if err := u.stream.Sync(); err != nil {
						return err
					}
					return got(31, int32(30+rank))
				})
			})
		}
	}
}

// TestDeviceFactors: operators that multiply by a factor work on devices, too.
func TestDeviceFactors(t *testing.T) {
	for _, elements := range []int{10, 5000} {
		t.Run(fmt.Sprint(elements), func(t *testing.T) {
			d := onDevices(t)
			cfg := d.config()
			cfg.ChunkBytes = smallChunk
			w := localWorld(d, 2, cfg)
			users := d.use(w, elements, 2)
			w.must(t, func(rank int, c *engine.Comm) error {
				u := users[rank]
				u.write(int32(1 + rank))
				if err := u.stream.Sync(); err != nil {
					return err
				}
				op, err := c.NewPreMulSum(dtype.Int32, strided.Of([]int32{int32(3 + rank)}))
				if err != nil {
					return err
				}
				if err := c.AllReduce(background, u.x, u.x, op); err != nil {
					return err
				}
				got := u.read()
				if err := u.stream.Sync(); err != nil {
					return err
				}
				return got(1*3+2*4, int32(1+rank))
			})
		})
	}
}

// TestForeignMessage: an address that is no device's is refused, and nobody else hears of it.
func TestForeignMessage(t *testing.T) {
	d := simulated(t)
	w := localWorld(d, 2, d.config())
	_, err := w[0].StartSend(background, strided.FromDevice(dtype.Int32, 64, 400), 1)
	require.ErrorIs(t, err, engine.ErrInvalidArgument, "that is no device's memory")
	var argument *engine.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "src", argument.Argument)
	require.NoError(t, w[0].Err())
}

// TestDeviceReadAhead: of large tensors, whatever is said to be packed ahead is fetched,
// and hardly anything is packed only when it is asked for.
func TestDeviceReadAhead(t *testing.T) {
	const size, chunks = 3, 7
	block := []int64{chunks*smallChunk/4 - 5}
	d := simulated(t)
	cfg := d.config()
	cfg.ChunkBytes = smallChunk
	w := localWorld(d, size, cfg)
	for _, k := range []struct {
		of      string
		inPlace bool
		// By all ranks together: chunks that travel, and those that are not said ahead.
		sent, asked int64
	}{
		{"all_gather", true, size * chunks, 0},
		{"all_gather", false, size * chunks, size * chunks}, // to keep each rank's own
		{"reduce_scatter", true, size * size * chunks, 0},
		{"reduce_scatter", false, size * size * chunks, 0},
		{"alltoall", true, size * (size - 1) * chunks, size * (size - 1)}, // the first for each peer
		{"reduce", false, size * chunks, size},
		{"gather", false, (size - 1) * chunks, size - 1 + chunks},
		{"scatter", false, (size - 1) * chunks, chunks + chunks},
	} {
		t.Run(fmt.Sprintf("%s/in place %v", k.of, k.inPlace), func(t *testing.T) {
			c := collectiveCase{dt: dtype.Int32, op: engine.Sum, block: block, big: "stacked", in: []string{"steps"}, out: []string{"steps"}, inPlace: k.inPlace}
			for i := range collectives {
				if collectives[i].name == k.of {
					c.of = &collectives[i]
				}
			}
			over := engine.Reached()
			c.run(d, w)
			told, early, asked, landed := over()
			t.Logf("told %d, early %d, asked %d, landed %d", told, early, asked, landed)
			require.Equal(t, told, early, "said ahead, and fetched")
			require.Equal(t, k.asked, asked)
			require.GreaterOrEqual(t, told+asked, k.sent)
			require.Positive(t, landed)
		})
	}
	t.Run("send", func(t *testing.T) {
		from, to := d.use(w, int(block[0]), 1), d.use(w, int(block[0]), 1)
		over := engine.Reached()
		w.must(t, func(rank int, c *engine.Comm) error {
			return c.Group(background, func(g *engine.Group) error {
				return errors.Join(g.Send(from[rank].x, (rank+1)%size), g.Recv(to[rank].x, (rank+size-1)%size))
			})
		})
		told, early, asked, landed := over()
		require.Equal(t, []int64{size * (chunks - 1), size * (chunks - 1), size, size * chunks}, []int64{told, early, asked, landed})
	})
}
