package agree

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
)

// A rank that exchanges messages is between the operations of the sequence: it says so
// when it is asked, its number does not change, and a failure ends the exchange.
func TestApart(t *testing.T) {
	n := newNetwork(t, 2)
	m := n.members[0]
	stop, err := m.BeginApart(&Call{Kind: Send})
	require.NoError(t, err)
	_, ok := m.Apart()
	require.True(t, ok)
	_, _, ok = m.Elapsed()
	require.False(t, ok, "no operation is in progress")

	// The other rank, in an operation, asks about slowness: nothing is wrong.
	op := begin(t, n.members[1], call(4), strided.Logical)
	n.members[1].Slow(op.Seq)
	n.deliver()
	require.NoError(t, op.Stop.Err())
	require.NoError(t, stop.Err())
	m.EndApart(nil)
	_, ok = m.Apart()
	require.False(t, ok)

	require.EqualValues(t, 0, begin(t, m, call(4), strided.Logical).Seq)
	require.NoError(t, m.End(nil))
	stop, err = m.BeginApart(&Call{Kind: Send})
	require.NoError(t, err)
	cause := errors.New("cause")
	m.Fail(cause)
	require.Equal(t, cause, stop.Err())
	m.EndApart(nil)
	_, err = m.BeginApart(&Call{Kind: Send})
	require.Equal(t, cause, err)
}

// Messages may be beside an operation: each has its own Stop and entry in the record, a
// disagreement about the operation is none about them, and their patience begins when
// operations have ended.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 2)
		m := n.members[0]
		messages := NewMessages([]Convoy{{Rank: 1, Messages: 1, Bytes: 4}})
		stop, err := m.BeginApart(&messages)
		require.NoError(t, err)
		op := begin(t, m, call(4), strided.Logical)
		time.Sleep(time.Hour)
		lasted, ok := m.Apart()
		require.True(t, ok)
		require.Zero(t, lasted, "the operation beside it is the one to look at")
		_, lasted, ok = m.Elapsed()
		require.True(t, ok)
		require.Equal(t, time.Hour, lasted)
		m.Inspect(func(now []InProgress) {
			require.Len(t, now, 2)
			require.Equal(t, [2]Collective{Messages, AllReduce}, [2]Collective{now[0].Call.Kind, now[1].Call.Kind})
		})

		begin(t, n.members[1], call(5), strided.Logical)
		n.members[1].Dispute(n.members[1].Restarted())
		n.deliver()
		require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
		require.NoError(t, stop.Err())
		require.Error(t, m.End(op.Stop.Err()))
		time.Sleep(time.Minute)
		lasted, _ = m.Apart()
		require.Equal(t, time.Minute, lasted)

		// Whether somebody is silent is asked about a number that may be gone by the time of
		// the answer.
		m.LateApart()
		n.deliverUp()
		op = begin(t, m, call(4), strided.Logical)
		n.deliver()
		require.True(t, m.Answered())
		cause := errors.New("cause")
		m.Fail(cause)
		require.Equal(t, cause, stop.Err())
		require.Equal(t, cause, op.Stop.Err())
	})
}
