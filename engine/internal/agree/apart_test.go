package agree

import (
	"errors"
	"testing"

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
