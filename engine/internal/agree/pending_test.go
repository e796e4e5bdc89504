package agree

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
)

// TestFailureIsNoDisagreement: a rank whose communicator has failed under its call says
// nothing about that call. What made it fail is on its way to all, and no verdict comes
// before it.
func TestFailureIsNoDisagreement(t *testing.T) {
	disputes := map[string]func(m *Member, o Op){
		"misfit":  func(m *Member, o Op) { m.Dispute(o) },
		"slow":    func(m *Member, o Op) { m.Slow(o.Seq) },
		"message": func(m *Member, o Op) { m.send((&disputeMsg{key: key{seq: o.Seq}, reason: reasonApart}).encode()) },
	}
	for what, dispute := range disputes {
		for failed := range 3 {
			t.Run(fmt.Sprint(what, failed), func(t *testing.T) {
				n := newNetwork(t, 3)
				var ops []Op
				for rank, m := range n.members {
					ops = append(ops, begin(t, m, call(4, 4), []strided.Walk{otherWalk, strided.Logical, otherWalk}[rank]))
				}
				m, other := n.members[failed], (failed+1)%3
				revoked := errors.New("revoked")
				m.Fail(revoked)
				require.ErrorIs(t, m.End(ops[failed].Stop.Err()), revoked)
				require.False(t, m.Owes())
				dispute(n.members[other], ops[other])
				n.deliver()
				for rank, m := range n.members {
					if rank != failed {
						require.NoError(t, ops[rank].Stop.Err(), "rank %d", rank)
						require.NoError(t, m.Broken(), "rank %d", rank)
						require.False(t, m.Owes(), "rank %d", rank)
					}
				}
				require.True(t, m.Owes(), "if it closes, it has to tell the others")
			})
		}
	}
}

// TestOwesUntilCalled: a rank that is asked about a call before it has made it owes the
// answer until it makes it.
func TestOwesUntilCalled(t *testing.T) {
	n := newNetwork(t, 2)
	op := begin(t, n.members[0], call(3), strided.Logical)
	n.members[0].Dispute(op)
	n.deliver()
	require.True(t, n.members[1].Owes())
	require.NoError(t, op.Stop.Err())
	begin(t, n.members[1], call(4), strided.Logical)
	require.False(t, n.members[1].Owes())
	n.deliver()
	require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
}

// TestOwesNothingAfterVerdict: once the others have their verdict, be it on this call
// without the rank or on the whole communicator, nobody waits for its answer.
func TestOwesNothingAfterVerdict(t *testing.T) {
	for _, broken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 3)
			op := begin(t, n.members[0], call(3), strided.Logical)
			begin(t, n.members[1], call(4), strided.Logical)
			n.members[0].Dispute(op)
			n.deliver()
			require.True(t, n.members[2].Owes())
			if broken {
				n.members[0].TimedOut(op.Seq)
				n.deliver()
			}
			time.Sleep(mismatchGrace + time.Millisecond)
			synctest.Wait()
			n.deliver()
			require.Error(t, op.Stop.Err())
			require.Equal(t, broken, n.members[2].Broken() != nil)
			require.False(t, n.members[2].Owes())
		})
	}
}

// TestOwesOthersAfterVerdict: a verdict settles no other question than its own, unless it is
// the last one.
func TestOwesOthersAfterVerdict(t *testing.T) {
	m := NewMember(func([]byte) {})
	for seq := range uint64(3) {
		require.NoError(t, m.Handle((&pollMsg{key: key{seq: seq}}).encode()))
	}
	require.NoError(t, m.Handle((&verdictMsg{key: key{seq: 0}, outcome: outcomeMismatch}).encode()))
	require.True(t, m.Owes())
	require.NoError(t, m.Handle((&verdictMsg{key: key{seq: 1}, outcome: outcomeMismatch}).encode()))
	require.True(t, m.Owes())
	require.NoError(t, m.Handle((&verdictMsg{key: key{seq: 1}, outcome: outcomeMismatch, broken: true}).encode()))
	require.False(t, m.Owes())
}

// TestRankAheadOfVerdictShowsIt: a broadcast's root has said that it has not called, and is
// done and in its next call when it hears that the broadcast has failed on all others. The
// communicator has failed for that rank alone, and its answers are how the others come to
// know.
func TestRankAheadOfVerdictShowsIt(t *testing.T) {
	n := newNetwork(t, 3)
	op := begin(t, n.members[0], cast(2, 8), strided.Logical)
	begin(t, n.members[1], cast(2, 9), strided.Logical)
	n.members[0].Slow(op.Seq)
	n.deliverUp()
	n.deliverDown(everybody)
	n.deliverUp() // all have answered, and the verdict is on its way
	begin(t, n.members[2], cast(2, 8), strided.Logical)
	require.NoError(t, n.members[2].End(nil))
	ahead := begin(t, n.members[2], call(3), strided.Logical)
	n.deliver()
	require.ErrorIs(t, ahead.Stop.Err(), ErrMismatch)
	require.Error(t, n.members[2].End(ahead.Stop.Err()))

	var last []Op
	for _, m := range n.members[:2] {
		require.Error(t, m.End(m.Restarted().Stop.Err()))
		require.NoError(t, m.Broken())
		last = append(last, begin(t, m, call(3), strided.Logical))
	}
	n.members[0].Slow(last[0].Seq)
	n.deliver()
	for rank, m := range n.members[:2] {
		require.ErrorIs(t, last[rank].Stop.Err(), ErrMismatch)
		require.ErrorIs(t, m.Broken(), ErrMismatch)
	}
}
