package regroup

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/transport"
)

// alive is a Gone for ranks that all live.
func alive(context.Context, int) error { return nil }

// three is a meeting of ranks 0 to 2, led by 0, that gives every rank its number.
func three() *Meeting {
	return &Meeting{Topic: "t", Members: []int{0, 1, 2}, Call: "c", Own: []byte{0}, Gone: alive,
		Decide: func(own [][]byte) ([]Answer, error) {
			answers := make([]Answer, len(own))
			for i := range own {
				answers[i].Body = []byte(fmt.Sprint(i, own))
			}
			return answers, nil
		}}
}

func proposal(own byte) Proposal {
	return Proposal{Topic: "t", Call: "c", Members: []int{0, 1, 2}, Own: []byte{own}}
}

// hear waits for a visit's answer.
func hear(v *Visit) Answer {
	defer v.Told()
	return <-v.Answer()
}

func TestLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHall(0)
		early := h.Arrive(2, proposal(2))
		answers := make(chan Answer)
		go func() { answers <- hear(early) }()
		go func() {
			time.Sleep(time.Hour) // leaders have patience
			answers <- hear(h.Arrive(1, proposal(1)))
		}()
		a, err := h.Lead(t.Context(), three())
		require.NoError(t, err)
		want := fmt.Sprint([][]byte{{0}, {1}, {2}})
		require.Equal(t, "0 "+want, string(a.Body))
		got := []string{string((<-answers).Body), string((<-answers).Body)}
		require.ElementsMatch(t, []string{"1 " + want, "2 " + want}, got)
		require.Empty(t, h.topics)
		require.Empty(t, h.visits)
	})
}

// TestLeadFails: everybody who has come gets the leader's error.
func TestLeadFails(t *testing.T) {
	died := &transport.RankError{Rank: 1, Err: transport.ErrPeerLost}
	for name, k := range map[string]struct {
		change func(m *Meeting, h *Hall, cancel context.CancelCauseFunc)
		is     error
		rank   int
	}{
		"the time is up": {func(m *Meeting, _ *Hall, cancel context.CancelCauseFunc) {
			time.AfterFunc(time.Minute, func() { cancel(context.DeadlineExceeded) })
		}, transport.ErrTimeout, 1},
		"the leader gives up": {func(m *Meeting, _ *Hall, cancel context.CancelCauseFunc) { cancel(errors.New("enough")) }, transport.ErrAborted, 0},
		"another rank fails": {func(m *Meeting, _ *Hall, cancel context.CancelCauseFunc) {
			cancel(&transport.RankError{Rank: 2, Err: transport.ErrUnavailable})
		}, transport.ErrUnavailable, 2},
		"one has died": {func(m *Meeting, _ *Hall, _ context.CancelCauseFunc) {
			m.Gone = func(_ context.Context, rank int) error {
				if rank == 1 {
					return died
				}
				return nil
			}
		}, transport.ErrPeerLost, 1},
		"the hall is closed": {func(_ *Meeting, h *Hall, _ context.CancelCauseFunc) { time.AfterFunc(time.Second, h.Close) }, transport.ErrClosed, 0},
		"one comes and leaves": {func(_ *Meeting, h *Hall, _ context.CancelCauseFunc) {
			time.AfterFunc(time.Second, func() { h.Arrive(1, proposal(1)).Leave(nil) })
		}, transport.ErrAborted, 1},
		"one comes and leaves with a reason": {func(_ *Meeting, h *Hall, _ context.CancelCauseFunc) {
			time.AfterFunc(time.Second, func() { h.Arrive(1, proposal(1)).Leave(died) })
		}, transport.ErrPeerLost, 1},
		"nothing can be decided": {func(m *Meeting, h *Hall, _ context.CancelCauseFunc) {
			m.Decide = func([][]byte) ([]Answer, error) { return nil, died }
			v := h.Arrive(1, proposal(1))
			go hear(v)
		}, transport.ErrPeerLost, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				h, m := NewHall(0), three()
				v := h.Arrive(2, proposal(2))
				heard := make(chan error, 1)
				go func() { heard <- hear(v).Err }()
				k.change(m, h, cancel)
				_, err := h.Lead(ctx, m)
				for _, err := range []error{err, <-heard} {
					require.ErrorIs(t, err, k.is)
					var re *transport.RankError
					require.ErrorAs(t, err, &re)
					require.Equal(t, k.rank, re.Rank, "%v", err)
				}
				require.Empty(t, h.visits)
			})
		})
	}
}

// TestLateForMismatch: who comes too late to a disagreement hears of it, once, and not
// in another attempt.
func TestLateForMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHall(0)
		other := proposal(2)
		other.Call = "d"
		v := h.Arrive(2, other)
		go hear(v)
		_, err := h.Lead(t.Context(), three())
		require.ErrorIs(t, err, agree.ErrMismatch)
		v = h.Arrive(1, proposal(1))
		require.ErrorIs(t, hear(v).Err, agree.ErrMismatch)

		again := func(rank int) Proposal {
			p := proposal(byte(rank))
			p.Round = 1
			return p
		}
		for rank := 1; rank <= 2; rank++ {
			v := h.Arrive(rank, again(rank))
			go hear(v)
		}
		m := three()
		m.Round = 1
		_, err = h.Lead(t.Context(), m)
		require.NoError(t, err)
	})
}

// TestDisagreementWithoutALeader: two ranks wait for each other where nobody leads.
func TestDisagreementWithoutALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHall(0)
		a := h.Arrive(1, Proposal{Topic: "t", Call: "a", Members: []int{1, 2}, Notice: true})
		b := h.Arrive(2, Proposal{Topic: "t", Call: "b", Members: []int{0, 1, 2}})
		require.ErrorIs(t, hear(a).Err, agree.ErrMismatch)
		require.ErrorIs(t, hear(b).Err, agree.ErrMismatch)
		// This rank was about to wait for the second one.
		own := Proposal{Topic: "t", Call: "b", Members: []int{0, 1, 2}}
		require.ErrorIs(t, h.Owed(&own), agree.ErrMismatch)
		require.NoError(t, h.Owed(&own), "told once")
		time.Sleep(2 * lateTime)
		require.NoError(t, hearNow(h.Arrive(3, own)), "forgotten")
	})
}

// hearNow is a visit's error so far.
func hearNow(v *Visit) error {
	select {
	case a := <-v.Answer():
		return a.Err
	default:
		return nil
	}
}

// TestTooManyVisits: one rank cannot fill a hall.
func TestTooManyVisits(t *testing.T) {
	h := NewHall(0)
	for i := range maxVisits {
		require.NoError(t, hearNow(h.Arrive(1, Proposal{Topic: fmt.Sprint(i)})))
	}
	require.ErrorIs(t, hearNow(h.Arrive(1, proposal(1))), transport.ErrProtocol)
	require.NoError(t, hearNow(h.Arrive(2, proposal(1))))
	h.Close()
	require.True(t, h.Closed())
	require.ErrorIs(t, hearNow(h.Arrive(2, proposal(1))), transport.ErrClosed)
	_, err := h.Lead(t.Context(), three())
	require.ErrorIs(t, err, transport.ErrClosed)
}
