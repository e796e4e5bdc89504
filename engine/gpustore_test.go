package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
)

// TestStoreAmidRecv: while a recv is on a stream, whose send comes last, communicators come
// to the device, are used and closed, and none waits for it in the driver, which would be
// for ever. They find in store what was put there when the first came, and again whenever
// one came that took of it.
func TestStoreAmidRecv(t *testing.T) {
	d := simulated(t, cudasim.Delays(1, 0)) // a GPU's driver may not wait here
	cfg := d.config()
	cfg.ChunkBytes = smallChunk
	var early []world // more than are ever in store
	for range 6 {
		w := localWorld(d, 2, cfg)
		d.use(w, 1, 1)
		early = append(early, w)
	}
	w := early[0]
	users := d.use(w, 300, 4)
	users[0].write(1)
	users[1].write(5)
	others := d.use(early[1], 300, 8) // streams of the program's own
	received, err := w[0].StartRecv(background, users[0].x, 1, engine.OnStream(users[0].stream))
	require.NoError(t, err)

	var late []world
	for i := range 4 {
		next := localWorld(d, 2, cfg)
		late = append(late, next)
		for rank, u := range others {
			u.write(int32(10*i + rank + 1))
		}
		next.must(t, func(rank int, c *engine.Comm) error {
			u := others[rank]
			if i%2 == 0 { // otherwise its first tensor comes to the device
				if err := c.UseDevice(u.ctx.Device().Ordinal); err != nil {
					return err
				}
			}
			work, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
			if err != nil {
				return err
			}
			return work.Wait(background)
		})
		for rank, u := range others {
			check := u.read()
			require.NoError(t, u.stream.Sync())
			require.NoError(t, check(int32(20*i+3), int32(10*i+rank+1)))
		}
	}
	for _, c := range late[3] { // and to leave
		require.NoError(t, c.Close())
	}
	require.False(t, done(received))
	require.NoError(t, w[1].Send(background, users[1].x, 0))
	require.NoError(t, received.Wait(background))
	check := users[0].read()
	require.NoError(t, users[0].stream.Sync())
	require.NoError(t, check(5, 1))
}

func done(w *engine.Work) bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

// TestStoreKeepsAgentsAway: while the driver allocates for the store, calls do not come to
// streams, lest it wait for what waits for its caller; they can be given up meanwhile.
func TestStoreKeepsAgentsAway(t *testing.T) {
	d := simulated(t, cudasim.Delays(1, 0))
	w, other := localWorld(d, 1, d.config()), localWorld(d, 1, d.config())
	u, v := d.use(w, 1, 1)[0], d.newUser(0, 1, 1)
	v.close() // the driver waits for the stream before it pins memory
	used := make(chan error, 1)
	go func() { used <- other[0].UseDevice(0) }()
	time.Sleep(20 * time.Millisecond)
	require.Empty(t, used)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	_, err := w[0].StartAllReduce(ctx, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	v.open()
	require.NoError(t, <-used)
	work, err := w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
	require.NoError(t, err)
	require.NoError(t, work.Wait(background))
}

// TestStoreIsFilledLater: UseDevice fills it also for a communicator that has met the device
// before, by a tensor, and again when others have taken of it.
func TestStoreIsFilledLater(t *testing.T) {
	d := simulated(t, cudasim.Delays(1, 0))
	u := d.newUser(0, 1, 1)
	before := d.sim.Live().PinnedBytes
	// How much a communicator has pinned after some calls, with those that take of the store.
	pinned := func(use func(c *engine.Comm)) int64 {
		w := localWorld(d, 1, d.config())
		use(w[0])
		defer func() { require.NoError(t, w[0].Close()) }()
		return int64(d.sim.Live().PinnedBytes - before)
	}
	tensor := func(c *engine.Comm) {
		work, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
		require.NoError(t, err)
		require.NoError(t, work.Wait(background))
		require.NoError(t, u.stream.Sync())
	}
	one := pinned(tensor)
	full := pinned(func(c *engine.Comm) { require.NoError(t, c.UseDevice(0)) })
	require.Equal(t, 5*one, full)
	require.Equal(t, full, pinned(func(c *engine.Comm) {
		tensor(c)
		require.NoError(t, c.UseDevice(0))
	}))
	require.Equal(t, full, pinned(func(c *engine.Comm) {
		require.NoError(t, c.UseDevice(0))
		for range 2 {
			other := localWorld(d, 1, d.config())
			tensor(other[0])
			defer func() { require.NoError(t, other[0].Close()) }()
		}
		require.NoError(t, c.UseDevice(0))
		require.NoError(t, c.UseDevice(0), "it is full")
		require.Equal(t, full+2*one, int64(d.sim.Live().PinnedBytes-before))
	}))
}

// TestStoreIsTrimmed: what communicators give back while a recv is on a stream is kept then,
// however much it is, and freed when the next one is closed after that.
func TestStoreIsTrimmed(t *testing.T) {
	d := simulated(t, cudasim.Delays(1, 0))
	users := []*user{d.newUser(0, 300, 4), d.newUser(1, 300, 4)}
	before := d.sim.Live().PinnedBytes
	left := func(worlds int, amid bool) int64 {
		var all []world
		for range worlds {
			w := localWorld(d, 2, d.config())
			for rank, c := range w {
				require.NoError(t, c.UseDevice(users[rank].ctx.Device().Ordinal))
			}
			all = append(all, w)
		}
		closeWorld := func(w world) {
			for _, c := range w {
				require.NoError(t, c.Close())
			}
		}
		var received *engine.Work
		var err error
		if amid {
			received, err = all[0][0].StartRecv(background, users[0].x, 1, engine.OnStream(users[0].stream))
			require.NoError(t, err)
		}
		for i := 1; i < worlds-1; i++ {
			closeWorld(all[i])
		}
		if amid {
			require.NoError(t, all[0][1].Send(background, users[1].x, 0))
			require.NoError(t, received.Wait(background))
			require.NoError(t, users[0].stream.Sync())
		}
		if worlds > 1 {
			closeWorld(all[worlds-1])
		}
		defer closeWorld(all[0])
		return int64(d.sim.Live().PinnedBytes - before)
	}
	want := left(1, false)
	require.Equal(t, want, left(8, false))
	require.Equal(t, want, left(8, true))
}

// TestStoreFaults has every call of the driver fail once, in turn, while the store is
// filled: the communicator is ready all the same, or an error says why not, and nothing is
// left behind.
func TestStoreFaults(t *testing.T) {
	defer engine.SetInStore(2)()
	d := simulated(t, cudasim.Delays(1, 0))
	before := d.sim.Live()
	for n, failed := 1, true; failed; n += 3 {
		c, err := engine.NewLocal(1, d.config())
		require.NoError(t, err)
		d.sim.FailNth(n, cudasim.OutOfMemory)
		err = c[0].UseDevice(0)
		failed = d.sim.Armed() == 0
		for d.sim.Armed() > 0 { // the test's own calls are not to fail
			_, _ = d.driver.Device(0)
		}
		if err == nil {
			require.Zero(t, c[0].Query().Device)
		}
		require.NoError(t, c[0].Close())
		require.Equal(t, before, d.sim.Live(), "call %d: %v", n, err)
	}
}
