package faulty_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/faulty"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/inproc"
)

// TestConformance: without faults there is nothing to be noticed.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(_ *testing.T, ranks int) *conformance.World {
		meshes := inproc.NewWorld(ranks, inproc.Options{SlotSize: 5000})
		w := &conformance.World{Direct: true, Kill: func(rank int) { meshes[rank].Kill() }}
		plan := &faulty.Plan{}
		for rank, m := range meshes {
			w.Meshes = append(w.Meshes, faulty.Wrap(m, rank, plan))
		}
		return w
	})
}

// TestFaults sends four chunks, the second of which meets with a fault.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault faulty.Fault
		want  []string
		takes time.Duration
		err   error // of the receiver's last Next
	}{
		{faulty.Fault{Kind: faulty.Delay, For: time.Minute}, []string{"a", "bb", "ccc", "dddd"}, time.Minute, nil},
		{faulty.Fault{Kind: faulty.Flip, Bit: 8}, []string{"a", "bc", "ccc", "dddd"}, 0, nil},
		{faulty.Fault{Kind: faulty.FlipHead, Bit: 3}, []string{"a", "bb", "ccc", "dddd"}, 0, nil},
		{faulty.Fault{Kind: faulty.Truncate, Bit: 1}, []string{"a", "b", "ccc", "dddd"}, 0, nil},
		{faulty.Fault{Kind: faulty.Lose}, []string{"a", "ccc", "dddd"}, 0, nil},
		{faulty.Fault{Kind: faulty.Duplicate}, []string{"a", "bb", "bb", "ccc", "dddd"}, 0, nil},
		{faulty.Fault{Kind: faulty.Stall}, []string{"a"}, time.Hour, context.DeadlineExceeded},
		{faulty.Fault{Kind: faulty.Cut}, []string{"a"}, 0, transport.ErrPeerLost},
		{faulty.Fault{Kind: faulty.Kill}, []string{"a"}, time.Hour, context.DeadlineExceeded},
	} {
		t.Run(c.fault.Kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := inproc.NewWorld(2, inproc.Options{SlotSize: 64})
				c.fault.To, c.fault.At = 1, 1
				plan := &faulty.Plan{Faults: []faulty.Fault{c.fault}}
				from, to := faulty.Wrap(wire[0], 0, plan), faulty.Wrap(wire[1], 1, plan)
				defer from.Close()
				defer to.Close()
				plan.Kill = func(rank int) { require.Equal(t, 1, rank) }
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				s, err := from.Sender(ctx, 1, 5)
				require.NoError(t, err)
				for i, text := range []string{"a", "bb", "ccc", "dddd"} {
					slot, err := s.Acquire(ctx)
					require.NoError(t, err)
					require.NoError(t, s.Commit(&transport.Header{byte(i)}, copy(slot, text)))
				}
				r, err := to.Receiver(ctx, 0, 5)
				require.NoError(t, err)
				began := time.Now()
				for _, want := range c.want {
					h, payload, err := r.Next(ctx)
					require.NoError(t, err)
					require.Equal(t, want, string(payload))
					if c.fault.Kind == faulty.FlipHead && want == "bb" {
						require.Equal(t, byte(1^8), h[0])
					}
					r.Release()
				}
				if c.err != nil {
					_, _, err = r.Next(ctx)
					require.ErrorIs(t, err, c.err)
				}
				require.Equal(t, c.takes, time.Since(began))
				require.Equal(t, 1, plan.Happened())
				_, err = s.Acquire(ctx)
				if c.fault.Kind == faulty.Cut {
					require.ErrorIs(t, err, transport.ErrPeerLost, "both ends lose the peer")
				}
			})
		})
	}
}
