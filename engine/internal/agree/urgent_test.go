package agree

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/awake"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// Whoever asks because its time is up does not wait until it is settled whether an operation
// is merely slow, be it the same one or another.
func TestTimeoutGoesFirst(t *testing.T) {
	for _, another := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 3)
			hears := func(rank int) bool { return rank != 2 } // and answers
			deliver := func() {
				for n.deliverUp() || n.deliverDown(hears) {
				}
			}
			late := uint64(0)
			if another {
				begin(t, n.members[1], call(4), strided.Logical)
				require.NoError(t, n.members[1].End(nil))
				late = 1
			}
			op := begin(t, n.members[0], call(4), strided.Logical)
			begin(t, n.members[1], call(4), strided.Logical)
			n.members[0].Slow(0)
			deliver()
			time.Sleep(timeoutGrace * 3 / 4)
			n.members[1].TimedOut(late)
			deliver()
			time.Sleep(timeoutGrace + timeoutGrace/8)
			deliver()
			var re *transport.RankError
			require.ErrorAs(t, op.Stop.Err(), &re)
			require.Equal(t, 2, re.Rank)
			require.ErrorIs(t, re, transport.ErrTimeout)
		})
	}
}

// A coordinator that has slept, however long, reads what has come meanwhile before it
// decides: nobody is named because it slept itself.
func TestDecidesNothingAsleep(t *testing.T) {
	// It wakes up after the answers were due. A shorter sleep leaves time to read them.
	for asleep := timeoutGrace + timeoutGrace/8; asleep < 4*timeoutGrace; asleep += timeoutGrace / 8 {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 2)
			op := begin(t, n.members[0], call(4), strided.Logical)
			begin(t, n.members[1], call(4), strided.Logical)
			n.members[0].TimedOut(0)
			n.deliverUp()
			n.deliverDown(everybody) // the answers are under way
			open := func() *settlement {
				n.coord.mu.Lock()
				defer n.coord.mu.Unlock()
				return n.coord.current
			}
			// Its timers ring when it wakes up, and nothing is read until a little later.
			s := open()
			s.timer.Stop()
			time.Sleep(asleep)
			s.timer.Reset(0)
			time.Sleep(awake.Step / 2)
			synctest.Wait()
			require.NotNil(t, open(), "asleep for %v", asleep)
			n.deliver()
			require.Nil(t, open())
			var re *transport.RankError
			require.ErrorIs(t, op.Stop.Err(), transport.ErrTimeout)
			require.NotErrorAs(t, op.Stop.Err(), &re, "asleep for %v", asleep)
		})
	}
}
