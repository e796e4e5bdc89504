package engine_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
)

// TestStreamsAreLetGo: whatever ends a collective, its stream goes on, and the
// tensor is as it was before, since no rank's elements have arrived.
func TestStreamsAreLetGo(t *testing.T) {
	for name, end := range map[string]struct {
		do func(w world, cancel func())
		is error
	}{
		"context": {func(_ world, cancel func()) { cancel() }, engine.ErrAborted},
		"close":   {func(w world, _ func()) { _ = w[0].Close() }, engine.ErrClosed},
		"peer":    {func(w world, _ func()) { _ = w[1].Close() }, engine.ErrPeerLost},
		"timeout": {func(world, func()) {}, engine.ErrTimeout},
	} {
		for wire, newWorld := range worlds {
			for _, inputs := range []string{"ready", "not ready"} {
				if name == "peer" && (inputs == "not ready" || wire != "inproc") {
					// Who needs nothing of a peer does not hear that it is gone; and elsewhere
					// Close waits for the other ranks.
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", name, wire, inputs), func(t *testing.T) {
					d := onDevices(t)
					cfg := d.config()
					if name == "timeout" {
						cfg.Timeout = 100 * time.Millisecond
					}
					cfg.ChunkBytes = 1024
					w := newWorld(d, 2, cfg)
					require.NoError(t, w[0].UseDevice(d.ctx[0].Device().Ordinal))
					u := d.newUser(0, 2000, 4)
					u.write(7)
					require.NoError(t, u.stream.Sync())
					if inputs == "not ready" {
						u.close()
					}
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					var works []*engine.Work
					for _, start := range []func() (*engine.Work, error){
						func() (*engine.Work, error) {
							return w[0].StartAllReduce(ctx, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
						},
						func() (*engine.Work, error) {
							return w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
						},
						func() (*engine.Work, error) {
							return w[0].StartBroadcast(background, u.x, u.x, 1, engine.OnStream(u.stream))
						},
					} {
						work, err := start()
						require.NoError(t, err)
						works = append(works, work)
					}
					result := u.read()
					time.Sleep(10 * time.Millisecond)
					var opener sync.WaitGroup
					over := make(chan struct{})
					opener.Go(func() { // Close waits for what has still to pass
						select {
						case <-time.After(time.Second):
							u.open()
						case <-over:
						}
					})
					end.do(w, cancel)
					for _, work := range works {
						select {
						case <-work.Done():
							require.ErrorIs(t, work.Err(), end.is)
						case <-time.After(time.Minute):
							close(over)
							t.Fatal("a collective hangs")
						}
					}
					close(over)
					opener.Wait()
					u.open()
					require.NoError(t, u.stream.Sync())
					require.NoError(t, result(7, 7))
					_, err := w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
					require.Error(t, err)
					done, err := u.stream.Query()
					require.NoError(t, err)
					require.True(t, done, "a failed communicator puts nothing on a stream")
				})
			}
		}
	}
}

// TestCloseBesideAWaitingStream: to free what a communicator holds of a device may
// wait for a stream that another communicator holds up. That one goes on meanwhile.
func TestCloseBesideAWaitingStream(t *testing.T) {
	d := onDevices(t)
	d.apart()
	a, b := localWorld(d, 2, d.config()), localWorld(d, 2, d.config())
	users := d.use(a, 100, 2)
	d.use(b, 1, 1)
	u := users[0]
	u.write(5)
	work, err := a[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
	require.NoError(t, err)
	var closing sync.WaitGroup
	closing.Go(func() {
		if err := b[0].Close(); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(20 * time.Millisecond)
	v := users[1]
	v.write(6)
	require.NoError(t, v.stream.Sync())
	require.NoError(t, a[1].AllReduce(background, v.x, v.x, engine.Sum))
	require.NoError(t, work.Wait(background))
	closing.Wait()
}

// TestCloseLeavesWhatIsInUse: memory that a stream may still read is not freed, and
// Close says so.
func TestCloseLeavesWhatIsInUse(t *testing.T) {
	if os.Getenv(envGPU) == "1" {
		t.Skip("this leaves memory behind")
	}
	defer engine.SetSettleWait(50 * time.Millisecond)()
	sim := cudasim.Load(t)
	driver, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	ctx, err := driver.Primary(0)
	require.NoError(t, err)
	d := &onDevice{TB: t, driver: driver, sim: sim, ctx: []*cudaffi.Context{ctx}}
	w := localWorld(t, 2, d.config())
	users := d.use(w, 10, 3)
	u := users[0]
	u.write(3)
	u.close()
	work, err := w[0].StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream))
	require.NoError(t, err)
	result := u.read()
	err = w[0].Close()
	require.ErrorContains(t, err, "stays allocated")
	require.ErrorIs(t, work.Err(), engine.ErrClosed)
	require.NotEmpty(t, sim.Leaks())
	u.open()
	require.NoError(t, u.stream.Sync(), "the agent has ended")
	require.NoError(t, result(3, 3))
}

// TestFullStreams: streams that wait fill up with work, so that the program has to
// wait to put more on them. The collectives that they wait for go on all the same.
func TestFullStreams(t *testing.T) {
	d := onDevices(t, cudasim.Depth(100))
	d.apart()
	w := localWorld(d, 2, d.config())
	const calls, commands = 300, 5000
	users := d.use(w, 3000, 2)
	w.must(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		u.write(int32(rank))
		if rank == 1 {
			time.Sleep(200 * time.Millisecond) // until the other's stream is full
		}
		var last *engine.Work
		for range calls {
			var err error
			if last, err = c.StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream)); err != nil {
				return err
			}
			if rank == 1 {
				continue
			}
			for range commands / calls {
				u.must(func() error { return u.ctx.Memset(u.at+4, 0, 4, u.stream) })
			}
		}
		for range commands {
			u.must(func() error { return u.ctx.Memset(u.at+4, 0, 4, u.stream) })
		}
		if err := u.stream.Sync(); err != nil {
			return err
		}
		return last.Wait(background)
	})
}

// TestStartWithinContext: a call that would have to wait for room on a stream gives
// up with its context, and has started nothing.
func TestStartWithinContext(t *testing.T) {
	d := onDevices(t)
	w := localWorld(d, 2, d.config())
	users := d.use(w, 10, 1)
	u := users[0]
	for range 128 {
		_, err := w[0].StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream))
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	_, err := w[0].StartAllReduce(ctx, u.x, u.x, engine.Max, engine.OnStream(u.stream))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "not started")
	require.NoError(t, w[0].Err())
	require.NoError(t, w[0].Close(), "which lets the stream go")
}

// TestCloseWhileAStreamIsFull: a call that waits in the driver for room on a stream
// does not keep Close from ending what the stream waits for.
func TestCloseWhileAStreamIsFull(t *testing.T) {
	d := simulated(t, cudasim.Depth(50))
	w := localWorld(d, 2, d.config())
	u := d.use(w, 10, 1)[0]
	started := make(chan error)
	go func() {
		for {
			if _, err := w[0].StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream)); err != nil {
				started <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, w[0].Close())
	require.ErrorIs(t, <-started, engine.ErrClosed)
}

// TestOneChannel: nothing of a collective is on a stream but the agent, so streams
// may share all they can.
func TestOneChannel(t *testing.T) {
	d := simulated(t, cudasim.Channels(1))
	w := localWorld(d, 2, d.config())
	users := d.use(w, 100, 24)
	w.must(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		for n := range int32(4) {
			u.write(n + int32(rank))
			if _, err := c.StartAllReduce(background, u.x, u.x, engine.Max, engine.OnStream(u.stream)); err != nil {
				return err
			}
			result := u.read()
			if err := u.stream.Sync(); err != nil {
				return err
			}
			if err := result(n+1, n+int32(rank)); err != nil {
				return err
			}
		}
		return nil
	})
}
