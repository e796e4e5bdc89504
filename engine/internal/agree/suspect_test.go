package agree

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// Who is named first of those about whom a verdict lists something.
func TestSuspect(t *testing.T) {
	in := func(status status, ranks ...int) Group { return Group{Ranks: ranks, status: status} }
	for name, c := range map[string]struct {
		groups []Group
		err    error
		want   int
	}{
		"one is silent":                       {[]Group{in(statusSilent, 2), in(statusInOp, 0, 1, 3)}, transport.ErrTimeout, 2},
		"silent goes before not called":       {[]Group{in(statusNotYet, 1), in(statusSilent, 2), in(statusInOp, 0, 3)}, transport.ErrTimeout, 2},
		"not called":                          {[]Group{in(statusNotYet, 1), in(statusInOp, 0, 2, 3)}, transport.ErrTimeout, 1},
		"all but rank 0 are silent":           {[]Group{in(statusInOp, 0), in(statusSilent, 1, 2, 3)}, transport.ErrTimeout, 0},
		"of two, nobody can tell":             {[]Group{in(statusInOp, 0), in(statusSilent, 1)}, transport.ErrTimeout, 1},
		"all came, and it took long":          {[]Group{in(statusInOp, 0, 1)}, transport.ErrTimeout, -1},
		"the odd one out":                     {[]Group{in(statusInOp, 1), in(statusInOp, 0, 2)}, ErrMismatch, 1},
		"halves":                              {[]Group{in(statusInOp, 1, 3), in(statusInOp, 0, 2)}, ErrMismatch, -1},
		"refused arguments before everything": {[]Group{in(statusSilent, 3), {Ranks: []int{1}, Invalid: "dst"}, in(statusInOp, 0, 2)}, ErrMismatch, 1},
	} {
		e := &MismatchError{Groups: c.groups, Err: c.err}
		require.Equal(t, c.want, e.suspect(), name)
	}
}

// A message that takes too long has the ranks polled: one that does not answer is named
// to all; if all do, nothing is said, and the communicator lives.
func TestLateApart(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 3)
			stop, err := n.members[1].BeginApart(&Call{Kind: Recv})
			require.NoError(t, err)
			op := begin(t, n.members[0], call(4), strided.Logical)
			deliver := func() {
				for n.deliverUp() || n.deliverDown(func(rank int) bool { return !silent || rank != 2 }) {
				}
			}
			n.members[1].LateApart()
			deliver()
			time.Sleep(2 * timeoutGrace)
			deliver()
			if !silent {
				require.NoError(t, stop.Err())
				require.NoError(t, op.Stop.Err())
				require.NoError(t, n.members[1].Broken())
				return
			}
			for _, s := range []*Stop{stop, op.Stop} {
				var re *transport.RankError
				require.ErrorAs(t, s.Err(), &re)
				require.Equal(t, 2, re.Rank)
				require.ErrorIs(t, s.Err(), transport.ErrTimeout)
			}
		})
	}
}

// A question about an operation that is settled, or about to be, is answered, too: that
// nothing is said would be taken for the coordinator's silence.
func TestLateApartAmidSettled(t *testing.T) {
	for _, settled := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 3)
			_, err := n.members[1].BeginApart(&Call{Kind: Recv})
			require.NoError(t, err)
			op := begin(t, n.members[0], call(4), strided.Logical)
			begin(t, n.members[2], call(5), strided.Logical)
			n.members[0].Dispute(op)
			n.deliver()
			if settled {
				time.Sleep(2 * mismatchGrace)
				n.deliver()
				require.ErrorIs(t, op.Stop.Err(), ErrMismatch)
			}
			n.members[1].LateApart()
			n.deliver()
			require.True(t, n.members[1].Answered())
		})
	}
}
