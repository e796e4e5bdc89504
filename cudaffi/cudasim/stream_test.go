//go:build linux

package cudasim_test

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// held is a stream that waits for a value, and what releases it. Nothing may be
// allocated meanwhile.
func (b *bed) held(s cudaffi.Stream) (release func()) {
	b.Helper()
	if b.flags == nil {
		b.flags = b.pinned(4096)
		clear(b.flags.Bytes())
	}
	at := b.flags.Device() + cudaffi.DevicePtr(4*b.flag)
	b.flag++
	require.NoError(b, s.Wait32(at, 1))
	return func() { require.NoError(b, b.sim.Write(uint64(at), []byte{1, 0, 0, 0})) }
}

func done(t testing.TB, s cudaffi.Stream) bool {
	t.Helper()
	ok, err := s.Query()
	require.NoError(t, err)
	return ok
}

func TestCallsReturnBeforeTheWorkIsDone(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	add := b.kernel("monel_sim_add")
	p := b.alloc(40)
	require.NoError(t, b.ctx.Memset(p, 0, 40, s))
	require.NoError(t, s.Sync())
	release := b.held(s)
	require.NoError(t, b.add(add, s, p, p, 5, 10))
	e, err := b.ctx.NewEvent()
	require.NoError(t, err)
	require.NoError(t, e.Record(s))
	time.Sleep(5 * time.Millisecond)
	require.False(t, done(t, s))
	ok, err := e.Query()
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, make([]uint32, 10), b.words(p, 10))
	release()
	require.NoError(t, e.Sync())
	require.True(t, done(t, s))
	require.Equal(t, []uint32{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, b.words(p, 10))
}

// Parameters are those of the launch, whatever becomes of the variables.
func TestParametersAreReadByTheLaunch(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	echo := b.kernel("monel_sim_echo")
	p := b.alloc(72)
	release := b.held(s)
	block, out := new([72]byte), p
	for i := range block {
		block[i] = byte(i + 1)
	}
	want := append([]byte(nil), block[:]...)
	require.NoError(t, echo.Launch(s, one, one, 0, unsafe.Pointer(&out), unsafe.Pointer(block)))
	clear(block[:])
	out = 0
	release()
	require.NoError(t, s.Sync())
	got, err := b.sim.Read(uint64(p), 72)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLegacyDefaultStream(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second func(b *bed) cudaffi.Stream
		ordered       bool
	}{
		{"blocking before default", (*bed).blocking, (*bed).legacy, true},
		{"default before blocking", (*bed).legacy, (*bed).blocking, true},
		{"handle 0 before blocking", (*bed).null, (*bed).blocking, true},
		{"non-blocking before default", (*bed).stream, (*bed).legacy, false},
		{"default before non-blocking", (*bed).legacy, (*bed).stream, false},
		{"blocking before blocking", (*bed).blocking, (*bed).blocking, false},
		{"blocking before non-blocking", (*bed).blocking, (*bed).stream, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			add := b.kernel("monel_sim_add")
			p := b.alloc(4)
			require.NoError(t, b.sim.Write(uint64(p), []byte{0, 0, 0, 0}))
			first, second := test.first(b), test.second(b)
			release := b.held(first)
			require.NoError(t, b.add(add, second, p, p, 1, 1))
			if test.ordered {
				time.Sleep(5 * time.Millisecond)
				require.False(t, done(t, second))
				require.Equal(t, []uint32{0}, b.words(p, 1))
				release()
			} else {
				require.Eventually(t, func() bool { return b.words(p, 1)[0] == 1 }, 10*time.Second, time.Millisecond)
				require.False(t, done(t, first))
				release()
			}
			require.NoError(t, first.Sync())
			require.NoError(t, second.Sync())
			require.Equal(t, []uint32{1}, b.words(p, 1))
		})
	}
}

func (b *bed) legacy() cudaffi.Stream { return b.ctx.StreamOf(cudaffi.StreamLegacy) }
func (b *bed) null() cudaffi.Stream   { return b.ctx.StreamOf(0) }

// The per-thread default stream is another one for each thread, and blocks with
// the legacy one.
func TestPerThreadDefaultStream(t *testing.T) {
	b := newBed(t)
	add := b.kernel("monel_sim_add")
	p := b.alloc(4)
	require.NoError(t, b.sim.Write(uint64(p), []byte{0, 0, 0, 0}))
	require.NoError(t, b.ctx.Do(func() error {
		s := b.ctx.StreamOf(cudaffi.StreamPerThread)
		release := b.held(s)
		require.NoError(t, b.add(add, b.legacy(), p, p, 1, 1))
		require.False(t, done(t, b.legacy()))
		other := make(chan bool)
		go func() {
			other <- b.ctx.Do(func() error { return b.ctx.StreamOf(cudaffi.StreamPerThread).Sync() }) == nil
		}()
		require.True(t, <-other)
		release()
		return s.Sync()
	}))
	require.NoError(t, b.legacy().Sync())
	require.Equal(t, []uint32{1}, b.words(p, 1))
}

// A stream waits for what the event recorded when it was told to, not for what
// the event records later.
func TestWaitingForAnEvent(t *testing.T) {
	b := newBed(t)
	x, y, z := b.stream(), b.stream(), b.stream()
	e, err := b.ctx.NewEvent()
	require.NoError(t, err)
	require.NoError(t, y.Wait(e)) // never recorded
	require.NoError(t, y.Sync())

	first := b.held(x)
	require.NoError(t, e.Record(x))
	require.NoError(t, y.Wait(e))
	second := b.held(z)
	require.NoError(t, e.Record(z))
	time.Sleep(2 * time.Millisecond)
	require.False(t, done(t, y))
	first()
	require.NoError(t, y.Sync())
	ok, err := e.Query()
	require.NoError(t, err)
	require.False(t, ok, "it was recorded again")
	second()
	require.NoError(t, e.Sync())
}

func TestEventsKeepTime(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	nap := b.kernel("monel_sim_nap")
	start, err := b.ctx.NewTimer()
	require.NoError(t, err)
	end, err := b.ctx.NewTimer()
	require.NoError(t, err)
	us := uint64(3000)
	require.NoError(t, start.Record(s))
	require.NoError(t, nap.Launch(s, one, one, 0, unsafe.Pointer(&us)))
	require.NoError(t, end.Record(s))
	require.NoError(t, end.Sync())
	d, err := cudaffi.Elapsed(start, end)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d, 3*time.Millisecond)

	silent, err := b.ctx.NewEvent()
	require.NoError(t, err)
	require.NoError(t, silent.Record(s))
	require.NoError(t, silent.Sync())
	_, err = cudaffi.Elapsed(start, silent)
	require.ErrorIs(t, err, cudaffi.ErrInvalidHandle)
}

func TestValuesWrapAround(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	for _, test := range []struct {
		memory, wait uint32
		passes       bool
	}{
		{5, 5, true},
		{6, 5, true},
		{4, 5, false},
		{0, 0xffffffff, true},
		{0xffffffff, 0, false},
		{0x7fffffff, 0, true},
		{0x80000000, 0, false},
	} {
		p := b.alloc(4)
		require.NoError(t, s.Write32(p, test.memory))
		require.NoError(t, s.Wait32(p, test.wait))
		if test.passes {
			require.NoError(t, s.Sync())
			continue
		}
		time.Sleep(2 * time.Millisecond)
		require.False(t, done(t, s), "%+v", test)
		other := b.stream()
		require.NoError(t, other.Write32(p, test.wait))
		require.NoError(t, s.Sync())
	}
}

func TestWithoutStreamValues(t *testing.T) {
	b := newBed(t, cudasim.WithoutStreamValues())
	require.False(t, b.ctx.HasStreamValues())
	p := b.alloc(4)
	require.Equal(t, 801, b.raw("cuStreamWriteValue32_v2", 0, uintptr(p), 1, 0))
}

// Streams that share a hardware channel hold each other up, whatever their
// priorities; those of another one do not.
func TestSharedChannels(t *testing.T) {
	b := newBed(t, cudasim.Channels(2))
	x, other := b.stream(), b.stream()
	y, err := b.ctx.NewStream(cudaffi.PriorityHighest)
	require.NoError(t, err)
	p := b.alloc(12)
	release := b.held(x)
	require.NoError(t, y.Write32(p, 1))
	require.NoError(t, other.Write32(p+4, 2))
	require.NoError(t, other.Sync())
	time.Sleep(2 * time.Millisecond)
	require.False(t, done(t, y))
	release()
	require.NoError(t, y.Sync())
	require.Equal(t, []uint32{1, 2}, b.words(p, 2))
}

// A call that puts work on a full stream waits for room.
func TestFullStreams(t *testing.T) {
	b := newBed(t, cudasim.Depth(10))
	s := b.stream()
	p := b.alloc(4)
	release := b.held(s) // which is one operation
	for range 9 {
		require.NoError(t, s.Write32(p, 1))
	}
	e, err := b.ctx.NewEvent()
	require.NoError(t, err)
	back := make(chan error)
	go func() { back <- e.Record(s) }()
	select {
	case <-back:
		require.Fail(t, "the stream had room")
	case <-time.After(5 * time.Millisecond):
	}
	other := b.stream()
	require.NoError(t, other.Write32(p, 2))
	require.NoError(t, other.Sync())
	release()
	require.NoError(t, <-back)
	require.NoError(t, e.Sync())

	require.NoError(t, b.sim.Set(cudasim.Patience(50*time.Millisecond)))
	b.held(s)
	for range 9 {
		require.NoError(t, s.Write32(p, 1))
	}
	require.ErrorContains(t, s.Write32(p, 1), "CUDA_ERROR_LAUNCH_TIMEOUT")
	b.expectFault("no room", "it would hang")
}

// What is on a destroyed stream is still done, and other streams know of it.
func TestDestroyedStreamsFinish(t *testing.T) {
	b := newBed(t)
	x, y := b.blocking(), b.stream()
	add := b.kernel("monel_sim_add")
	p := b.alloc(4)
	require.NoError(t, b.sim.Write(uint64(p), []byte{0, 0, 0, 0}))
	e, err := b.ctx.NewEvent()
	require.NoError(t, err)
	release := b.held(x)
	require.NoError(t, b.add(add, x, p, p, 1, 1))
	require.NoError(t, e.Record(x))
	require.NoError(t, x.Destroy())
	require.NoError(t, y.Wait(e))
	require.NoError(t, b.add(add, y, p, p, 2, 1))
	require.False(t, done(t, y))
	require.False(t, done(t, b.legacy()))
	release()
	require.NoError(t, y.Sync())
	require.NoError(t, b.legacy().Sync())
	require.Equal(t, []uint32{3}, b.words(p, 1))
	require.Error(t, x.Sync())
	b.expectFault("stream that has been destroyed")
}

// With random delays streams get ahead of each other where nothing orders them.
func TestDelays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	b := newBed(t, cudasim.Delays(seed, time.Millisecond))
	x, y := b.stream(), b.stream()
	p := b.alloc(4)
	last := map[uint32]bool{}
	for range 200 {
		require.NoError(t, x.Write32(p, 1))
		require.NoError(t, y.Write32(p, 2))
		require.NoError(t, x.Sync())
		require.NoError(t, y.Sync())
		last[b.words(p, 1)[0]] = true
	}
	require.Len(t, last, 2)
}
