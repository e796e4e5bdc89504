package shm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
)

// Without the safety net, a lost wake-up is a hang.
func init() { napTime = time.Hour }

// linkOf returns the ends of the link from rank 0 to rank 1.
func linkOf(t testing.TB, all []*Mesh) (*sender, *receiver) {
	t.Helper()
	s, err := all[0].Sender(context.Background(), 1, 0)
	require.NoError(t, err)
	r, err := all[1].Receiver(context.Background(), 0, 0)
	require.NoError(t, err)
	return s.(*sender), r.(*receiver)
}

// send sends n bytes of value b.
func send(s transport.Sender, b byte, n int) error {
	slot, err := s.Acquire(context.Background())
	if err != nil {
		return err
	}
	for i := range slot[:n] {
		slot[i] = b
	}
	return s.Commit(&transport.Header{b}, n)
}

// receive demands what send has sent.
func receive(r transport.Receiver, b byte, n int) error {
	h, payload, err := r.Next(context.Background())
	if err != nil {
		return err
	}
	defer r.Release()
	if h[0] != b || len(payload) != n {
		return fmt.Errorf("chunk %d of %d bytes, want chunk %d of %d", h[0], len(payload), b, n)
	}
	for i, got := range payload {
		if got != b {
			return fmt.Errorf("byte %d is %d, want %d", i, got, b)
		}
	}
	return nil
}

// TestAlwaysSleeping runs the suite with waits that sleep at once, so that every
// wait is for a wake-up.
func TestAlwaysSleeping(t *testing.T) {
	conformance.Run(t, func(t *testing.T, ranks int) *conformance.World {
		w := conformance.NewWires()
		world := &conformance.World{Short: true, Close: w.CloseLeft}
		var all []*Mesh
		for rank := range ranks {
			m, err := New(Config{Rank: rank, Size: ranks, Slots: 2, SlotSize: 20000}, w.Source(rank))
			require.NoError(t, err)
			m.pace = pacing{}
			all = append(all, m)
			world.Meshes = append(world.Meshes, m)
		}
		world.Kill = func(rank int) { all[rank].kill() }
		return world
	})
}

// TestOneProcessor runs ranks that must let each other run.
func TestOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	pass(t, s, r, 2000)
}

// pass sends count chunks of many sizes.
func pass(t *testing.T, s transport.Sender, r transport.Receiver, count int) {
	t.Helper()
	size := func(i int) int { return i * 7919 % 70 * (i % 13) }
	var wg sync.WaitGroup
	var sent, received error
	wg.Go(func() {
		for i := 0; i < count && sent == nil; i++ {
			sent = send(s, byte(i), size(i))
		}
	})
	wg.Go(func() {
		for i := 0; i < count && received == nil; i++ {
			received = receive(r, byte(i), size(i))
		}
	})
	wg.Wait()
	require.NoError(t, errors.Join(sent, received))
}

// TestNumbersWrap begins a link shortly before its chunk numbers do.
func TestNumbersWrap(t *testing.T) {
	for _, slots := range []int{2, 3, 5, 32} {
		all, _ := meshes(t, 2, Config{SlotSize: 1000, Slots: slots}, nil)
		closeAfter(t, all)
		s, r := linkOf(t, all)
		require.NoError(t, send(s, 1, 10)) // the link stands now
		require.NoError(t, receive(r, 1, 10))
		// Early enough for every cell to have been used by then: chunk 0 looks like
		// a cell that was not.
		const start = 1<<32 - 2*cells
		s.sent, s.released, r.seq = start, start, start
		s.seg.ctl.released.Store(start)
		pass(t, s, r, 300)
		require.Less(t, s.sent, uint32(1000))
	}
}

func TestSlotsAreAligned(t *testing.T) {
	for _, size := range []int{1, 63, 1000, 4096, 100000} {
		all, _ := meshes(t, 2, Config{SlotSize: size, Slots: 3}, nil)
		closeAfter(t, all)
		s, r := linkOf(t, all)
		for range 6 {
			slot, err := s.Acquire(t.Context())
			require.NoError(t, err)
			require.Len(t, slot, size)
			require.Zero(t, uintptr(unsafe.Pointer(&slot[0]))%64)
			require.NoError(t, s.Commit(&transport.Header{}, size))
			_, _, err = r.Next(t.Context())
			require.NoError(t, err)
			r.Release()
		}
	}
}

// TestNoCopy sees the sender's later writes in what the receiver holds.
func TestNoCopy(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	slot, err := s.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Commit(&transport.Header{}, mostNote+1))
	_, payload, err := r.Next(t.Context())
	require.NoError(t, err)
	slot[500] = 99
	require.Equal(t, byte(99), payload[500])
	require.NotSame(t, &slot[0], &payload[0], "two mappings")
}

func TestNoAllocation(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	var h transport.Header
	step := func() {
		_, err := s.Acquire(context.Background())
		if err == nil {
			err = s.Commit(&h, 100)
		}
		if err == nil {
			_, _, err = r.Next(context.Background())
		}
		if err != nil {
			t.Error(err)
			return
		}
		r.Release()
	}
	step()
	require.Zero(t, testing.AllocsPerRun(100, step))
}

// TestNonsense has one side write what no correct peer does.
func TestNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(seg *segment)
		use   func(s *sender, r *receiver) error
	}{
		"length": {
			func(seg *segment) { claim(seg, 1<<31) },
			func(_ *sender, r *receiver) error { _, _, err := r.Next(context.Background()); return err },
		},
		"length of a slot and a byte": {
			func(seg *segment) { claim(seg, DefaultSlotSize+1) },
			func(_ *sender, r *receiver) error { _, _, err := r.Next(context.Background()); return err },
		},
		"released more than sent": {
			func(seg *segment) { seg.ctl.released.Store(cells + 1) },
			func(s *sender, _ *receiver) error { return fill(s) },
		},
		"released less than before": {
			func(seg *segment) { seg.ctl.released.Store(1<<32 - 1) },
			func(s *sender, _ *receiver) error { return fill(s) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := meshes(t, 2, Config{}, nil)
			closeAfter(t, all)
			s, r := linkOf(t, all)
			c.spoil(s.seg)
			for range 2 {
				err := c.use(s, r)
				require.ErrorIs(t, err, transport.ErrProtocol)
				var re *transport.RankError
				require.ErrorAs(t, err, &re)
			}
		})
	}
}

// claim makes a first chunk of n bytes.
func claim(seg *segment, n uint32) {
	seg.cell(0).length = n
	seg.cell(0).seq.Store(1)
}

// fill sends until there is an error, one chunk more than a link holds.
func fill(s *sender) error {
	for range cells + 1 {
		if err := send(s, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// TestChunkOutOfTurn replaces a chunk's number while its receiver waits.
func TestChunkOutOfTurn(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	go func() {
		time.Sleep(20 * time.Millisecond)
		s.seg.cell(0).seq.Store(77)
		wake(s.peerSleeps)
	}()
	_, _, err := r.Next(t.Context())
	require.ErrorIs(t, err, transport.ErrProtocol)
}

// TestScribbling writes at random all over what the two sides share while they
// use it. Nothing may crash, and every call must return in the end.
func TestScribbling(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		all, _ := meshes(t, 2, Config{SlotSize: 100, Slots: 3}, nil)
		s, r := linkOf(t, all)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		var wg sync.WaitGroup
		fails := func(err error) bool {
			if err != nil && !errors.Is(err, transport.ErrProtocol) && !errors.Is(err, context.DeadlineExceeded) &&
				!errors.Is(err, transport.ErrClosed) && !errors.Is(err, transport.ErrPeerLost) {
				t.Errorf("%v", err)
			}
			return err != nil
		}
		wg.Go(func() {
			for {
				if _, err := s.Acquire(ctx); fails(err) {
					return
				}
				if fails(s.Commit(&transport.Header{}, 50)) {
					return
				}
			}
		})
		wg.Go(func() {
			for {
				_, payload, err := r.Next(ctx)
				if fails(err) {
					return
				}
				if len(payload) > 100 {
					t.Errorf("a payload of %d bytes", len(payload))
				}
				r.Release()
			}
		})
		// Whole words, as a process gone mad would write them.
		words := unsafe.Slice((*uint32)(unsafe.Pointer(&s.seg.mem[0])), (controlSize+cells*cellStride)/4)
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
		for ctx.Err() == nil {
			words[rng.IntN(len(words))] = [...]uint32{0, 1, 2, 1 << 31, 1<<32 - 1, rng.Uint32()}[rng.IntN(6)]
			if rng.IntN(100) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		cancel()
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for ended := false; !ended; {
			// What says who sleeps may have been overwritten: that is what
			// napTime is for, which these tests do without.
			select {
			case <-done:
				ended = true
			case <-time.After(10 * time.Millisecond):
				s.nudgeAlways()
				r.nudgeAlways()
			}
		}
		for _, m := range all {
			require.NoError(t, m.Close())
		}
	}
}

// nudgeAlways is nudge, whatever the word says.
func (e *end) nudgeAlways() {
	e.sleeps.Store(0)
	futexWake(e.sleeps)
}
