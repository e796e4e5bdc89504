package agree

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// otherWalk is any walk that is not logical; members compare walks only.
const otherWalk = strided.Walk(2<<60 | 1)

func begin(t *testing.T, m *Member, c *Call, w strided.Walk) Op {
	t.Helper()
	op, err := m.Begin(c, w, "")
	require.NoError(t, err)
	return op
}

func TestWalkingOrderDiffers(t *testing.T) {
	n := newNetwork(t, 3)
	ops := []Op{
		begin(t, n.members[0], call(4, 4), otherWalk),
		begin(t, n.members[1], call(4, 4), strided.Logical),
	}
	n.members[1].Dispute(n.members[1].Restarted())
	n.deliver()
	require.NoError(t, ops[0].Stop.Err(), "rank 2 has not called yet, and it may agree")

	ops = append(ops, begin(t, n.members[2], call(4, 4), otherWalk))
	n.deliver()
	for rank, m := range n.members {
		require.ErrorIs(t, ops[rank].Stop.Err(), ErrRestart)
		again := m.Restarted()
		require.Equal(t, strided.Logical, again.Walk)
		require.EqualValues(t, 1, again.Attempt())
		require.NoError(t, again.Stop.Err())
		require.NoError(t, m.End(nil))
	}
	for _, m := range n.members {
		require.Equal(t, strided.Logical, begin(t, m, call(4, 4), otherWalk).Walk, "remembered for the signature")
		require.NoError(t, m.End(nil))
		require.Equal(t, otherWalk, begin(t, m, call(4, 5), otherWalk).Walk, "but not for others")
	}
}

// A dispute that the verdict has overtaken is not one about the new attempt.
func TestLateDispute(t *testing.T) {
	n := newNetwork(t, 2)
	ops := []Op{
		begin(t, n.members[0], call(4, 4), otherWalk),
		begin(t, n.members[1], call(4, 4), strided.Logical),
	}
	n.members[0].Dispute(ops[0])
	n.deliver()
	require.ErrorIs(t, ops[1].Stop.Err(), ErrRestart)
	n.members[1].Dispute(ops[1])
	n.deliver()
	for _, m := range n.members {
		require.NoError(t, m.Restarted().Stop.Err())
	}
}

func TestCallsDiffer(t *testing.T) {
	n := newNetwork(t, 4)
	ops := make([]Op, 4)
	for rank, m := range n.members {
		c := call(4, 4)
		if rank == 2 {
			c = call(16)
		}
		ops[rank] = begin(t, m, c, strided.Logical)
	}
	n.members[2].Dispute(n.members[2].Restarted())
	n.members[3].Dispute(n.members[3].Restarted())
	n.deliver()
	for rank, m := range n.members {
		err := m.End(ops[rank].Stop.Err())
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch)
		require.ErrorIs(t, err, ErrMismatch)
		require.False(t, mismatch.Broken)
		require.Equal(t, []int{2}, mismatch.Groups[0].Ranks)
		require.Equal(t, []int{0, 1, 3}, mismatch.Groups[1].Ranks)
		require.EqualError(t, mismatch, "operation 0: ranks disagree: rank 2 called all_reduce float sum shape [16]; "+
			"ranks 0-1, 3 called all_reduce float sum shape [4 4] (the communicator stays usable)")
		var re *transport.RankError
		require.ErrorAs(t, err, &re)
		require.Equal(t, 2, re.Rank)
		require.NoError(t, m.Broken())
		op := begin(t, m, call(1), strided.Logical)
		require.EqualValues(t, 1, op.Seq, "all ranks are in step")
	}
}

// A rank that has finished a broadcast before the dispute cannot be called
// back: the communicator is broken, and that rank errs in its next call.
func TestFinishedRankBreaksTheCommunicator(t *testing.T) {
	n := newNetwork(t, 2)
	begin(t, n.members[0], cast(0, 8), strided.Logical)
	require.NoError(t, n.members[0].End(nil))
	op := begin(t, n.members[1], cast(0, 9), strided.Logical)
	n.members[1].Dispute(n.members[1].Restarted())
	n.deliver()

	err := n.members[1].End(op.Stop.Err())
	var mismatch *MismatchError
	require.ErrorAs(t, err, &mismatch)
	require.True(t, mismatch.Broken)
	_, err = n.members[0].Begin(cast(0, 8), strided.Logical, "")
	require.ErrorIs(t, err, ErrMismatch)
}

// A rank that has answered a poll stays in the operation until the verdict,
// even if it could finish.
func TestAnsweredPollHoldsTheRank(t *testing.T) {
	n := newNetwork(t, 3)
	op := begin(t, n.members[0], cast(1, 8), strided.Logical)
	begin(t, n.members[1], cast(1, 9), strided.Logical)
	n.members[0].Dispute(n.members[0].Restarted())
	n.deliver() // ranks 0 and 1 answer; rank 2 has not called

	ended := make(chan error)
	go func() { ended <- n.members[1].End(nil) }()
	select {
	case err := <-ended:
		t.Fatalf("finished with %v before the verdict", err)
	case <-time.After(10 * time.Millisecond):
	}
	begin(t, n.members[2], cast(1, 8), strided.Logical)
	n.deliver()
	require.ErrorIs(t, <-ended, ErrMismatch)
	require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
	require.NoError(t, n.members[1].Broken())
}

func TestInvalidArgumentsReachTheOthers(t *testing.T) {
	n := newNetwork(t, 2)
	_, err := n.members[1].Begin(call(3), strided.Logical, "dst: elements overlap")
	require.NoError(t, err)
	op := begin(t, n.members[0], call(3), strided.Logical)
	n.deliver()
	err = n.members[0].End(op.Stop.Err())
	require.ErrorIs(t, err, ErrMismatch)
	require.ErrorContains(t, err, "rank 1 passed invalid arguments (dst: elements overlap)")
	for _, m := range n.members {
		require.EqualValues(t, 1, begin(t, m, call(1), strided.Logical).Seq)
	}
}

func TestMissingCallAfterMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 3)
		op := begin(t, n.members[0], call(3), strided.Logical)
		begin(t, n.members[1], call(4), strided.Logical)
		n.members[1].Dispute(n.members[1].Restarted())
		n.deliver()
		require.NoError(t, op.Stop.Err())
		time.Sleep(mismatchGrace + time.Millisecond)
		synctest.Wait()
		n.deliver()
		require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
		require.ErrorContains(t, op.Stop.Err(), "rank 2 did not answer")
		_, err := n.members[2].Begin(call(3), strided.Logical, "")
		require.ErrorIs(t, err, ErrMismatch, "the verdict waits for the late rank")
		require.EqualValues(t, 1, begin(t, n.members[2], call(3), strided.Logical).Seq)
	})
}

// Two ranks think that they are the root of a broadcast: neither waits for
// anything, both finish, and the next operation finds out.
func TestDisagreementThatNobodyMet(t *testing.T) {
	n := newNetwork(t, 2)
	for rank, m := range n.members {
		begin(t, m, call(5), strided.Logical)
		require.NoError(t, m.End(nil))
		begin(t, m, cast(rank, 8), strided.Logical)
		require.NoError(t, m.End(nil))
	}
	a := begin(t, n.members[0], call(5), strided.Logical)
	b := begin(t, n.members[1], call(5), strided.Logical)
	require.NotEqual(t, a.Sig, b.Sig)
	n.members[0].Dispute(a)
	n.deliver()
	for rank, m := range n.members {
		var mismatch *MismatchError
		require.ErrorAs(t, m.End([]Op{a, b}[rank].Stop.Err()), &mismatch)
		require.EqualValues(t, 1, mismatch.Seq)
		require.True(t, mismatch.Broken)
		require.Len(t, mismatch.Groups, 2)
		require.Contains(t, mismatch.Error(), "broadcast float root 1")
	}
}

// A rank waits for a chunk that nobody will send, since it has the tree of
// another root; the others have finished.
func TestSlowFindsRanksInDifferentCalls(t *testing.T) {
	n := newNetwork(t, 3)
	for _, rank := range []int{0, 1} {
		begin(t, n.members[rank], cast(0, 8), strided.Logical)
		require.NoError(t, n.members[rank].End(nil))
	}
	op := begin(t, n.members[2], cast(1, 8), strided.Logical)
	n.members[2].Slow(0)
	n.deliver()
	require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
	require.ErrorIs(t, n.members[0].Broken(), ErrMismatch)
}

// The same when those that have finished ask first, about their own operation.
func TestSlowInSeveralOperations(t *testing.T) {
	n := newNetwork(t, 3)
	for _, rank := range []int{0, 1} {
		begin(t, n.members[rank], cast(0, 8), strided.Logical)
		require.NoError(t, n.members[rank].End(nil))
		begin(t, n.members[rank], call(5), strided.Logical)
	}
	op := begin(t, n.members[2], cast(1, 8), strided.Logical)
	for _, m := range n.members {
		m.Slow(m.Restarted().Seq)
	}
	n.deliver()
	require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
	for _, m := range n.members {
		require.ErrorIs(t, m.Broken(), ErrMismatch)
	}
}

// Operations that failed are settled: they are not evidence in later ones.
func TestFailedOperationsAreForgotten(t *testing.T) {
	n := newNetwork(t, 2)
	for range 3 {
		_, err := n.members[1].Begin(call(3), strided.Logical, "op: no such operator")
		require.NoError(t, err)
		op := begin(t, n.members[0], call(4), strided.Logical)
		n.deliver()
		require.ErrorContains(t, n.members[0].End(op.Stop.Err()), "invalid arguments")
		require.NoError(t, n.members[0].Broken())
	}
}

// A dispute about a later operation waits for a rank that hangs in an earlier
// one: the earlier one is settled first.
func TestEarlierDisputeFirst(t *testing.T) {
	n := newNetwork(t, 3)
	for _, rank := range []int{0, 1} {
		begin(t, n.members[rank], cast(0, 8), strided.Logical)
		require.NoError(t, n.members[rank].End(nil))
	}
	late := begin(t, n.members[2], cast(0, 9), strided.Logical)
	begin(t, n.members[0], call(5, 5), strided.Logical)
	later := begin(t, n.members[1], call(5, 5), otherWalk)
	n.members[1].Dispute(later)
	n.deliver()
	require.NoError(t, later.Stop.Err())
	n.members[2].Dispute(late)
	n.deliver()
	for _, op := range []Op{late, later} {
		var mismatch *MismatchError
		require.ErrorAs(t, op.Stop.Err(), &mismatch)
		require.EqualValues(t, 0, mismatch.Seq)
		require.Equal(t, []int{2}, mismatch.Groups[0].Ranks)
		require.Len(t, mismatch.Groups, 2, "who has finished a call made it, too")
	}
}

// The rank whose arguments were refused is the one to look at.
func TestInvalidArgumentsAreBlamed(t *testing.T) {
	n := newNetwork(t, 3)
	begin(t, n.members[0], cast(0, 8), strided.Logical)
	require.NoError(t, n.members[0].End(nil))
	op := begin(t, n.members[1], cast(0, 8), strided.Logical)
	_, err := n.members[2].Begin(cast(0, 8), strided.Logical, "dst: no memory")
	require.NoError(t, err)
	n.deliver()
	var re *transport.RankError
	require.ErrorAs(t, op.Stop.Err(), &re)
	require.Equal(t, 2, re.Rank)
}

// Being slow is no fault: everybody goes on, and a rank that was held by the
// poll is let go.
func TestSlowButRight(t *testing.T) {
	n := newNetwork(t, 3)
	op := begin(t, n.members[0], call(8), strided.Logical)
	begin(t, n.members[1], call(8), strided.Logical)
	n.members[0].Slow(0)
	n.deliverUp()
	n.deliverDown(everybody)
	ended := make(chan error)
	go func() { ended <- n.members[1].End(nil) }()
	n.deliver()
	require.NoError(t, <-ended)
	require.NoError(t, op.Stop.Err())
	require.NoError(t, n.members[0].End(nil))
	third := begin(t, n.members[2], call(8), strided.Logical)
	require.EqualValues(t, 0, third.Seq)
	require.NoError(t, n.members[2].End(nil))

	// And the same operation can still be disputed.
	m := begin(t, n.members[0], call(8), strided.Logical)
	begin(t, n.members[1], call(9), strided.Logical)
	begin(t, n.members[2], call(8), strided.Logical)
	n.members[0].Slow(1)
	n.members[1].Dispute(n.members[1].Restarted())
	n.deliver()
	require.ErrorIs(t, m.Stop.Err(), ErrMismatch)
}

// A rank so far ahead in one-way collectives that it has forgotten the operation in
// question is no sign of a disagreement: the others go on.
func TestSlowButForgotten(t *testing.T) {
	n := newNetwork(t, 3)
	for range len(n.members[0].past.ring) + 5 {
		begin(t, n.members[0], call(8), strided.Logical)
		require.NoError(t, n.members[0].End(nil))
	}
	op := begin(t, n.members[2], call(8), strided.Logical)
	n.members[2].Slow(0)
	n.deliver()
	begin(t, n.members[1], call(8), strided.Logical)
	n.deliver()
	require.NoError(t, op.Stop.Err())
	require.NoError(t, n.members[1].End(nil))
	require.NoError(t, n.members[2].End(nil))

	// What the others differ in shows all the same.
	op = begin(t, n.members[2], call(8), strided.Logical)
	begin(t, n.members[1], call(9), strided.Logical)
	n.members[2].Slow(1)
	n.deliver()
	require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
}

func TestTimeoutNamesWhoHasNotCalled(t *testing.T) {
	n := newNetwork(t, 3)
	op := begin(t, n.members[0], call(3), strided.Logical)
	begin(t, n.members[2], call(3), strided.Logical)
	n.members[0].TimedOut(0)
	n.deliver()
	err := op.Stop.Err()
	require.ErrorIs(t, err, transport.ErrTimeout)
	require.ErrorContains(t, err, "rank 1 had not called it, being at operation 0")
	var re *transport.RankError
	require.ErrorAs(t, err, &re)
	require.Equal(t, 1, re.Rank)
	for _, m := range n.members {
		require.ErrorIs(t, m.Broken(), transport.ErrTimeout)
	}
}

func TestTimeoutWithSilentRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 2)
		op := begin(t, n.members[0], call(3), strided.Logical)
		n.members[0].TimedOut(0)
		rank1IsDeaf := func(rank int) bool { return rank == 0 }
		for n.deliverUp() || n.deliverDown(rank1IsDeaf) {
		}
		time.Sleep(timeoutGrace + time.Millisecond)
		synctest.Wait()
		n.deliver()
		require.ErrorIs(t, op.Stop.Err(), transport.ErrTimeout)
		require.ErrorContains(t, op.Stop.Err(), "rank 1 did not answer")
	})
}

// A timeout while the coordinator waits for a late rank ends that wait.
func TestTimeoutOvertakesDispute(t *testing.T) {
	n := newNetwork(t, 3)
	op := begin(t, n.members[0], call(3), otherWalk)
	begin(t, n.members[1], call(3), strided.Logical)
	n.members[0].Dispute(n.members[0].Restarted())
	n.deliver()
	n.members[1].TimedOut(0)
	n.deliver()
	require.ErrorIs(t, op.Stop.Err(), transport.ErrTimeout)
	require.ErrorContains(t, op.Stop.Err(), "rank 2 had not called it")
}

func TestFailureEndsTheOperationAndTheNext(t *testing.T) {
	n := newNetwork(t, 2)
	op := begin(t, n.members[0], call(3), strided.Logical)
	cause := errors.New("cause")
	n.members[0].Fail(cause)
	n.members[0].Fail(errors.New("another"))
	require.Equal(t, cause, n.members[0].End(op.Stop.Err()))
	_, err := n.members[0].Begin(call(3), strided.Logical, "")
	require.Equal(t, cause, err)
}

func TestStopIsReusedOnlyUnfired(t *testing.T) {
	n := newNetwork(t, 1)
	m := n.members[0]
	first := begin(t, m, call(1), 0)
	require.NoError(t, m.End(nil))
	second := begin(t, m, call(1), 0)
	require.Same(t, first.Stop, second.Stop)
	require.NoError(t, m.End(nil))
	allocs := testing.AllocsPerRun(100, func() {
		c := NewCall(AllReduce, 7, 0, 0, []int64{4})
		if _, err := m.Begin(&c, 0, ""); err != nil {
			t.Fatal(err)
		}
		_ = m.End(nil)
	})
	require.Zero(t, allocs)
}

func TestSignatureTellsCallsApart(t *testing.T) {
	seen := map[uint64]string{}
	add := func(c Call) {
		if other, ok := seen[c.Sig]; ok {
			t.Errorf("%v and %v have the same signature", other, c.String())
		}
		seen[c.Sig] = c.String()
	}
	for a := range int64(40) {
		for b := range int64(40) {
			add(NewCall(AllReduce, 7, 0, 0, []int64{a, b}))
		}
		add(NewCall(AllReduce, 7, 0, 0, []int64{a}))
		add(NewCall(Broadcast, 7, 0, int(a), []int64{8}))
	}
	for dt := range 12 {
		for op := range 5 {
			add(NewCall(AllReduce, dtypeOf(dt), opOf(op), 0, []int64{3, 3, 3}))
		}
	}
	long := make([]int64, maxDescribedDims+2)
	add(NewCall(AllReduce, 7, 0, 0, long))
	long[maxDescribedDims+1] = 1
	add(NewCall(AllReduce, 7, 0, 0, long))
}

func TestRankList(t *testing.T) {
	require.Equal(t, "rank 3", RankList([]int{3}))
	require.Equal(t, "ranks 0-2, 5, 7-8", RankList([]int{8, 0, 2, 1, 5, 7}))
}
