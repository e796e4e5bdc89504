package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// user is a program's own use of a device: a stream, a tensor of int32 on the device
// and pinned memory to copy from and to.
type user struct {
	t      testing.TB
	ctx    *cudaffi.Context
	stream cudaffi.Stream
	x      strided.Tensor // every other element of at
	at     cudaffi.DevicePtr
	bytes  int64
	pinned *cudaffi.Pinned // one word for a gate, then room for copies
	used   int
}

// newUser is of rank's device. room is how many copies of the tensor there will be.
func (d *onDevice) newUser(rank, elements, room int) *user {
	ctx := d.ctx[rank%len(d.ctx)]
	u := &user{t: d, ctx: ctx, bytes: int64(2*elements) * 4, used: 4096}
	u.must(func() (err error) { u.stream, err = ctx.NewStream(cudaffi.PriorityDefault); return })
	u.must(func() (err error) { u.at, err = ctx.Alloc(u.bytes); return })
	u.must(func() (err error) { u.pinned, err = ctx.AllocPinned(4096 + room*int(u.bytes)); return })
	clear(u.pinned.Bytes())
	d.Cleanup(func() {
		u.must(u.stream.Sync)
		u.must(u.stream.Destroy)
		u.must(func() error { return ctx.Free(u.at) })
		u.must(u.pinned.Free)
	})
	u.x = strided.FromDevice(dtype.Int32, uint64(u.at), u.bytes).Step(0, 2)
	return u
}

func (u *user) must(f func() error) {
	if err := f(); err != nil {
		u.t.Errorf("test's own call of the driver: %v", err)
	}
}

// room is pinned memory for one copy.
func (u *user) room() ([]byte, cudaffi.DevicePtr) {
	at := u.used
	u.used += int(u.bytes)
	return u.pinned.Bytes()[at:u.used], u.pinned.Device() + cudaffi.DevicePtr(at)
}

// write puts on the stream that all elements become v.
func (u *user) write(v int32) {
	b, at := u.room()
	for i := 0; i < len(b); i += 4 {
		binary.LittleEndian.PutUint32(b[i:], uint32(v))
	}
	u.must(func() error { return u.ctx.Copy(u.at, at, u.bytes, u.stream) })
}

// read puts on the stream that the tensor is looked at. What it returns checks that
// the elements were want and those between them gap, once the stream is done.
func (u *user) read() func(want, gap int32) error {
	b, at := u.room()
	u.must(func() error { return u.ctx.Copy(at, u.at, u.bytes, u.stream) })
	return func(want, gap int32) error {
		for i := 0; i < len(b); i += 4 {
			expected := want
			if i%8 == 4 {
				expected = gap
			}
			if got := int32(binary.LittleEndian.Uint32(b[i:])); got != expected {
				return fmt.Errorf("number %d is %d, want %d", i/4, got, expected)
			}
		}
		return nil
	}
}

// close puts a gate on the stream, which stays closed until open.
func (u *user) close() {
	u.must(func() error { return u.stream.Wait32(u.pinned.Device(), 1) })
}

func (u *user) open() {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&u.pinned.Bytes()[0])), 1)
}

// use has all ranks of a world make what they need of their devices, and makes a
// user for each, before anything waits on a stream.
func (d *onDevice) use(w world, elements, room int) []*user {
	users := make([]*user, len(w))
	for rank, c := range w {
		users[rank] = d.newUser(rank, elements, room)
		require.NoError(d, c.UseDevice(users[rank].ctx.Device().Ordinal))
	}
	return users
}

// machines are what tests of streams run on: devices for every rank and as many
// hardware channels as streams, or one of each for all; or devices whose streams
// cannot wait for values. On real GPUs they are all what the machine has.
var machines = map[string][]cudasim.Option{
	"devices":     nil,
	"one device":  {cudasim.Devices(1)},
	"one channel": {cudasim.Channels(1)},
	"no values":   {cudasim.WithoutStreamValues()},
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
	if len(d.ctx) < 2 {
		t.Skip("ranks of one device cannot wait for each other on its only default stream")
	}
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

// TestDeviceArguments: what a rank refuses, the others hear of, and the
// communicator goes on.
func TestDeviceArguments(t *testing.T) {
	d := onDevices(t)
	w := localWorld(d, 2, d.config())
	u := d.newUser(0, 8, 1)
	host := strided.Of(make([]int32, 8))
	pinned := u.pinned
	cases := map[string]struct {
		argument string
		call     func() error
	}{
		"host memory as a device's": {"dst", func() error {
			b := make([]int32, 8)
			x := strided.FromDevice(dtype.Int32, uint64(uintptr(unsafe.Pointer(&b[0]))), 32)
			return w[0].AllReduce(background, x, x, engine.Sum)
		}},
		"pinned memory as a device's": {"src", func() error {
			x := strided.FromDevice(dtype.Int32, uint64(pinned.Device()), 32)
			return w[0].AllReduce(background, u.x, x, engine.Sum)
		}},
		"from host to device": {"dst", func() error { return w[0].AllReduce(background, u.x, host, engine.Sum) }},
		"from device to host": {"dst", func() error { return w[0].AllReduce(background, host, u.x, engine.Sum) }},
		"overlap": {"dst", func() error {
			return w[0].AllReduce(background, u.x.Slice(0, 0, 4), u.x.Slice(0, 1, 5), engine.Sum)
		}},
		"expanded": {"dst", func() error {
			x := u.x.Slice(0, 0, 1).Expand(8)
			return w[0].AllReduce(background, x, x, engine.Sum)
		}},
	}
	if len(d.ctx) > 1 {
		v := d.newUser(1, 8, 1)
		cases["two devices"] = struct {
			argument string
			call     func() error
		}{"src", func() error { return w[0].AllReduce(background, u.x, v.x, engine.Sum) }}
		cases["another device's stream"] = struct {
			argument string
			call     func() error
		}{"stream", func() error {
			_, err := w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(v.stream))
			return err
		}}
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 0 {
					return k.call()
				}
				return c.AllReduce(background, host, host, engine.Sum)
			})
			var argument *engine.ArgumentError
			require.ErrorAs(t, errs[0], &argument)
			require.Equal(t, k.argument, argument.Argument)
			require.ErrorIs(t, errs[0], engine.ErrInvalidArgument)
			require.ErrorIs(t, errs[1], engine.ErrMismatch)
			require.ErrorContains(t, errs[1], "rank 0 passed invalid arguments")
		})
	}
	w.must(t, func(rank int, c *engine.Comm) error {
		return reduceInPlace(c, layoutNamed("steps").place(forRank(d, rank), dtype.Float32, []int64{9, 9}), engine.Sum)
	})
}

// TestEmptyOnDevice: a tensor without elements needs no device, and no stream.
func TestEmptyOnDevice(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		x := strided.FromDevice(dtype.Float32, 0, 0).Reshape(0, 3)
		if err := c.AllReduce(background, x, x, engine.Sum); err != nil {
			return err
		}
		work, err := c.StartBroadcast(background, x, x, 1, engine.OnStream(cudaffi.Stream{}))
		if err != nil {
			return err
		}
		return work.Wait(background)
	})
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
	require.NoError(t, u.stream.Sync(), "it has read the flag")
	require.NoError(t, result(3, 3))
}

// TestFullStreams: streams that wait fill up with work, so that the program has to
// wait to put more on them. The collectives that they wait for go on all the same.
func TestFullStreams(t *testing.T) {
	d := onDevices(t)
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
