package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// machines are what tests of streams run on: devices for every rank and as many
// hardware channels as streams, or one device for all, with as many channels as the
// driver is asked for. On real GPUs they are all what the machine has.
var machines = map[string][]cudasim.Option{
	"devices":     nil,
	"one device":  {cudasim.Devices(1)},
	"32 channels": {cudasim.Devices(1), cudasim.Channels(32)},
}

// TestStreamOrder puts collectives between other work on streams, many before the
// first can begin: each sees what was before it, and is seen by what is behind it.
func TestStreamOrder(t *testing.T) {
	for machine, options := range machines {
		for name, newWorld := range worlds {
			for _, size := range []int{1, 2, 3} {
				for _, elements := range []int{5, 3000} {
					t.Run(fmt.Sprintf("%s/%s/np=%d/%d", machine, name, size, elements), func(t *testing.T) {
						testStreamOrder(t, newWorld, size, elements, options)
					})
				}
			}
		}
	}
}

func testStreamOrder(t *testing.T, newWorld func(testing.TB, int, engine.Config) world, size, elements int, options []cudasim.Option) {
	const rounds = 12
	d := onDevices(t, options...)
	cfg := d.config()
	cfg.ChunkBytes = 1024
	w := newWorld(d, size, cfg)
	users := d.use(w, elements, 4*rounds)
	w.must(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		type result struct {
			check     func(want, gap int32) error
			want, gap int32
		}
		var results []result
		var works []*engine.Work
		for n := range int32(rounds) {
			own := n*100 + int32(rank)
			u.write(own)
			work, err := c.StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream))
			if err != nil {
				return err
			}
			works = append(works, work)
			results = append(results, result{u.read(), n*100 + int32(size) - 1, own})
			own = -own
			u.write(own)
			root := int(n) % size
			if work, err = c.StartBroadcast(background, u.x, u.x, root, engine.OnStream(u.stream)); err != nil {
				return err
			}
			works = append(works, work)
			results = append(results, result{u.read(), -n*100 - int32(root), own})
		}
		if err := u.stream.Sync(); err != nil {
			return err
		}
		for i, r := range results {
			if err := r.check(r.want, r.gap); err != nil {
				return fmt.Errorf("collective %d: %w", i, err)
			}
		}
		for _, work := range works {
			if err := work.Wait(background); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestLegacyStream: without OnStream it is the legacy default stream, on which the
// test's own synchronous copies are, too; and a blocking call follows it.
func TestLegacyStream(t *testing.T) {
	d := onDevices(t)
	d.apart()
	w := localWorld(d, 2, d.config())
	w.must(t, func(rank int, c *engine.Comm) error {
		t := forRank(d, rank)
		p := layoutNamed("column").place(t, dtype.Int64, []int64{50})
		p.fill(func(i int) scalar { return input(dtype.Int64, engine.Sum, rank, i) })
		work, err := c.StartAllReduce(background, p.tensor, p.tensor, engine.Sum)
		if err != nil {
			return err
		}
		if err := p.check(func(i int) scalar { return reduce(dtype.Int64, engine.Sum, 2, i) }); err != nil {
			return err
		}
		return work.Wait(background)
	})
}

// TestCallReturnsAfterEnqueue: nobody has to answer for Start to return, and the
// stream stands still until somebody has.
func TestCallReturnsAfterEnqueue(t *testing.T) {
	d := onDevices(t)
	w := localWorld(d, 2, d.config())
	users := d.use(w, 10, 4)
	u, v := users[0], users[1]
	u.write(1)
	work, err := w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
	require.NoError(t, err)
	result := u.read()
	time.Sleep(20 * time.Millisecond)
	done, err := u.stream.Query()
	require.NoError(t, err)
	require.False(t, done, "the stream waits")
	require.NoError(t, work.Err())
	v.write(2)
	require.NoError(t, v.stream.Sync()) // AllReduce follows the legacy stream, not this one
	require.NoError(t, w[1].AllReduce(background, v.x, v.x, engine.Sum))
	require.NoError(t, u.stream.Sync())
	require.NoError(t, result(3, 1))
	require.NoError(t, work.Wait(background))
}

// TestSeveralStreamsAndComms: communicators and streams do not wait for each other
// where the program does not make them.
func TestSeveralStreamsAndComms(t *testing.T) {
	d := onDevices(t)
	const comms = 3
	const rounds = 8
	var ws [comms]world
	var all [comms][]*user
	for i := range ws {
		ws[i] = localWorld(d, 2, d.config())
		all[i] = d.use(ws[i], 2000, 2*rounds)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ws[0].must(t, func(rank int, _ *engine.Comm) error {
		random := rand.New(rand.NewPCG(seed, uint64(rank)))
		var users [comms]*user
		for i := range users {
			users[i] = all[i][rank]
		}
		var checks [comms][]func(want, gap int32) error
		for n := range int32(rounds) {
			// Each rank goes through the communicators in an order of its own.
			for _, i := range random.Perm(comms) {
				u := users[i]
				u.write(10*n + int32(rank))
				if _, err := ws[i][rank].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream)); err != nil {
					return err
				}
				checks[i] = append(checks[i], u.read())
			}
		}
		for i, u := range users {
			if err := u.stream.Sync(); err != nil {
				return err
			}
			for n, check := range checks[i] {
				if err := check(int32(20*n+1), int32(10*n+rank)); err != nil {
					return fmt.Errorf("communicator %d, round %d: %w", i, n, err)
				}
			}
		}
		return nil
	})
}

// TestOneCommOnSeveralStreams: the calls of a communicator run in their order,
// whatever stream each is on.
func TestOneCommOnSeveralStreams(t *testing.T) {
	d := onDevices(t)
	const rounds = 9
	w := localWorld(d, 2, d.config())
	var all [3][]*user
	for i := range all {
		all[i] = d.use(w, 100, 2*rounds)
	}
	w.must(t, func(rank int, c *engine.Comm) error {
		users := []*user{all[0][rank], all[1][rank], all[2][rank]}
		var checks []func() error
		for n := range rounds {
			u := users[n%len(users)]
			u.write(int32(n + rank))
			if _, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream)); err != nil {
				return err
			}
			check := u.read()
			checks = append(checks, func() error { return check(int32(2*n+1), int32(n+rank)) })
		}
		var errs []error
		for _, u := range users {
			errs = append(errs, u.stream.Sync())
		}
		for _, check := range checks {
			errs = append(errs, check())
		}
		return errors.Join(errs...)
	})
}
