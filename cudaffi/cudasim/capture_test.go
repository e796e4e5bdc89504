//go:build linux

package cudasim_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

const (
	captureGlobal, captureThreadLocal, captureRelaxed = 0, 1, 2

	unsupported, invalidated, unmatched, unjoined, isolation, implicit, capturedEvent = 900, 901, 903, 904, 905, 906, 907
)

func (b *bed) begin(s cudaffi.Stream, mode uintptr) {
	b.Helper()
	require.Zero(b, b.raw("cuStreamBeginCapture_v2", s.Handle(), mode))
}

func (b *bed) end(s cudaffi.Stream) int {
	var graph uintptr
	r := b.raw("cuStreamEndCapture", s.Handle(), uintptr(unsafe.Pointer(&graph)))
	if graph != 0 {
		require.Zero(b, b.raw("cuGraphDestroy", graph))
	}
	return r
}

func capturing(t *testing.T, s cudaffi.Stream) bool {
	t.Helper()
	is, err := s.Capturing()
	require.NoError(t, err)
	return is
}

// What is put on a captured stream is not carried out.
func TestCapture(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	add := b.kernel("monel_sim_add")
	p := b.alloc(4)
	require.NoError(t, b.sim.Write(uint64(p), []byte{0, 0, 0, 0}))
	require.False(t, capturing(t, s))
	b.begin(s, captureRelaxed)
	require.True(t, capturing(t, s))
	require.NoError(t, b.add(add, s, p, p, 1, 1))
	require.Zero(t, b.end(s))
	require.False(t, capturing(t, s))
	require.NoError(t, s.Sync())
	require.Equal(t, []uint32{0}, b.words(p, 1))
	require.NoError(t, b.add(add, s, p, p, 1, 1))
	require.NoError(t, s.Sync())
	require.Equal(t, []uint32{1}, b.words(p, 1))
}

func TestCallsThatBreakACapture(t *testing.T) {
	for _, test := range []struct {
		name string
		mode uintptr
		call func(b *bed, s cudaffi.Stream) error
		is   error
		ends int
	}{
		{"synchronize", captureRelaxed, func(_ *bed, s cudaffi.Stream) error { return s.Sync() }, cudaffi.ErrCapture, invalidated},
		{"query", captureRelaxed, func(_ *bed, s cudaffi.Stream) error { _, err := s.Query(); return err }, cudaffi.ErrCapture, invalidated},
		{"allocate", captureGlobal, func(b *bed, _ cudaffi.Stream) error { _, err := b.ctx.Alloc(1); return err }, cudaffi.ErrCapture, invalidated},
		{"allocate in a relaxed one", captureRelaxed, func(b *bed, _ cudaffi.Stream) error { _, err := b.ctx.Alloc(1); return err }, nil, 0},
		{"allocate in Do", captureGlobal, func(b *bed, _ cudaffi.Stream) error {
			return b.ctx.Do(func() error { _, err := b.ctx.Alloc(1); return err })
		}, nil, 0},
		{"wait for what is not captured", captureRelaxed, func(b *bed, s cudaffi.Stream) error {
			e, err := b.ctx.NewEvent()
			require.NoError(b, err)
			require.NoError(b, e.Record(b.stream()))
			return s.Wait(e)
		}, cudaffi.ErrCapture, invalidated},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			s := b.stream()
			b.begin(s, test.mode)
			err := test.call(b, s)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, test.ends, b.end(s))
			require.NoError(t, s.Sync())
		})
	}
}

// The default stream would have to wait for a blocking stream that is captured.
func TestDefaultStreamDuringACapture(t *testing.T) {
	b := newBed(t)
	s := b.blocking()
	p := b.alloc(4)
	b.begin(s, captureRelaxed)
	_, err := b.null().Capturing()
	require.ErrorIs(t, err, cudaffi.ErrCapture)
	require.True(t, capturing(t, s))
	require.ErrorIs(t, b.null().Write32(p, 1), cudaffi.ErrCapture)
	require.Equal(t, invalidated, b.end(s))

	other := b.stream()
	b.begin(other, captureRelaxed)
	require.NoError(t, b.null().Write32(p, 1))
	require.Zero(t, b.end(other))
	require.NoError(t, b.null().Sync())
}

// A stream that waits for an event of a captured stream is captured, too, and
// has to be joined.
func TestCaptureSpreads(t *testing.T) {
	b := newBed(t)
	x, y := b.stream(), b.stream()
	e, err := b.ctx.NewEvent()
	require.NoError(t, err)
	b.begin(x, captureRelaxed)
	require.NoError(t, e.Record(x))
	_, err = e.Query()
	require.ErrorIs(t, err, cudaffi.ErrCapture)
	require.NoError(t, y.Wait(e))
	require.True(t, capturing(t, y))
	require.Equal(t, unmatched, b.end(y))
	require.Equal(t, invalidated, b.end(x))

	for _, joined := range []bool{false, true} {
		b.begin(x, captureRelaxed)
		require.NoError(t, e.Record(x))
		require.NoError(t, y.Wait(e))
		require.NoError(t, e.Record(y))
		want := unjoined
		if joined {
			require.NoError(t, x.Wait(e))
			want = 0
		}
		require.Equal(t, want, b.end(x))
		require.False(t, capturing(t, y))
	}
}
