//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"encoding/binary"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

func testStreams(r *rig) {
	s, k := r.stream(), r.add()
	require.NotZero(r, s.Handle())
	require.Equal(r, s, r.ctx.StreamOf(s.Handle()))
	p := r.words(0, 0)
	if r.ctx.HasStreamValues() {
		g := r.gate(s)
		require.NoError(r, k.launch(s, p, p, 1, 2))
		done, err := s.Query()
		require.NoError(r, err)
		require.False(r, done)
		// The default stream does not wait for it, nor it for that.
		require.NoError(r, r.ctx.StreamOf(0).Sync())
		require.NoError(r, r.ctx.StreamOf(cudaffi.StreamLegacy).Sync())
		g.open()
	} else {
		require.NoError(r, k.launch(s, p, p, 1, 2))
	}
	require.NoError(r, s.Sync())
	done, err := s.Query()
	require.NoError(r, err)
	require.True(r, done)
	require.Equal(r, []uint32{1, 1}, r.read(p, 2))
	// The legacy default stream by its two names, and the thread's own.
	require.NoError(r, k.launch(cudaffi.Stream{}, p, p, 1, 2))
	require.NoError(r, k.launch(r.ctx.StreamOf(cudaffi.StreamLegacy), p, p, 1, 2))
	require.NoError(r, r.ctx.Do(func() error {
		own := r.ctx.StreamOf(cudaffi.StreamPerThread)
		require.NoError(r, k.launch(own, p, p, 1, 2))
		return own.Sync()
	}))
	require.Equal(r, []uint32{4, 4}, r.read(p, 2))
}

func testPriorities(r *rig) {
	usual, err := r.stream().Priority()
	require.NoError(r, err)
	require.Zero(r, usual)
	high, err := r.ctx.NewStream(cudaffi.PriorityHighest)
	require.NoError(r, err)
	r.finally(high.Destroy)
	priority, err := high.Priority()
	require.NoError(r, err)
	require.Negative(r, priority)
}

func testEvents(r *rig) {
	a, b, k, e := r.stream(), r.stream(), r.add(), r.event()
	done, err := e.Query()
	require.NoError(r, err)
	require.True(r, done, "never recorded")
	p := r.words(1)
	var open func()
	if r.ctx.HasStreamValues() {
		open = r.gate(a).open
	}
	require.NoError(r, k.launch(a, p, p, 1, 1))
	require.NoError(r, e.Record(a))
	require.NoError(r, b.Wait(e))
	require.NoError(r, k.launch(b, p, p, 5, 1))
	if open != nil {
		for _, query := range []func() (bool, error){e.Query, b.Query} {
			done, err := query()
			require.NoError(r, err)
			require.False(r, done)
		}
		open()
	}
	require.NoError(r, e.Sync())
	done, err = e.Query()
	require.NoError(r, err)
	require.True(r, done)
	require.NoError(r, b.Sync())
	require.Equal(r, []uint32{7}, r.read(p, 1))
}

func testTimers(r *rig) {
	s, nap := r.stream(), r.kernel("nap")
	var marks [2]cudaffi.Event
	for i := range marks {
		var err error
		marks[i], err = r.ctx.NewTimer()
		require.NoError(r, err)
		r.finally(marks[i].Destroy)
	}
	us := uint64(3000)
	require.NoError(r, marks[0].Record(s))
	require.NoError(r, nap.Launch(s, [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, 0, pointer(&us)))
	require.NoError(r, marks[1].Record(s))
	require.NoError(r, s.Sync())
	took, err := cudaffi.Elapsed(marks[0], marks[1])
	require.NoError(r, err)
	require.GreaterOrEqual(r, took, 2900*time.Microsecond)
	require.Less(r, took, time.Minute)
	_, err = cudaffi.Elapsed(marks[0], r.event())
	require.ErrorIs(r, err, cudaffi.ErrInvalidHandle, "an event that keeps no time")
}

// Values order streams with each other and with the host, and may wrap around.
func testValues(r *rig) {
	a, b, k := r.stream(), r.stream(), r.add()
	flags := r.pinned(4096)
	here, there := flags.Device(), flags.Device()+4
	if !r.ctx.HasStreamValues() {
		for _, err := range []error{a.Write32(here, 1), a.Wait32(here, 1)} {
			require.ErrorIs(r, err, cudaffi.ErrUnsupported)
		}
		return
	}
	const start = 0xffff_fffe
	p := r.words(0)
	binary.NativeEndian.PutUint32(flags.Bytes(), start)
	binary.NativeEndian.PutUint32(flags.Bytes()[4:], start)
	for i := range uint32(5) {
		require.NoError(r, a.Wait32(here, start+i))
		require.NoError(r, k.launch(a, p, p, 1, 1))
		require.NoError(r, a.Write32(there, start+i+1))
		require.NoError(r, b.Wait32(there, start+i+1))
		require.NoError(r, k.launch(b, p, p, 1, 1))
		require.NoError(r, b.Write32(here, start+i+1))
	}
	require.NoError(r, a.Sync())
	require.NoError(r, b.Sync())
	require.Equal(r, []uint32{10}, r.read(p, 1))
	require.Equal(r, uint32(3), binary.NativeEndian.Uint32(flags.Bytes()))
	require.Equal(r, uint32(3), binary.NativeEndian.Uint32(flags.Bytes()[4:]))
}
