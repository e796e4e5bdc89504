package record

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

func call(kind agree.Collective, elements int64) *agree.Call {
	c := agree.NewCall(kind, dtype.Float32, dtype.Sum, 0, []int64{elements})
	return &c
}

// runner is a member that makes calls.
type runner struct {
	t *testing.T
	m *agree.Member
	r *Recorder
}

func newRunner(t *testing.T, history int, observe func(*Operation)) runner {
	r := runner{t, agree.NewMember(func([]byte) {}), New(history, observe)}
	r.r.Attach(r.m)
	return r
}

func (r runner) run(c *agree.Call, lasts time.Duration, err error) {
	_, failed := r.m.Begin(c, strided.Logical, "")
	require.NoError(r.t, failed)
	time.Sleep(lasts)
	require.ErrorIs(r.t, r.m.End(err), err)
}

func (r runner) totals() map[agree.Collective]Totals {
	all := map[agree.Collective]Totals{}
	r.m.Inspect(func([]agree.InProgress) {
		r.r.Totals(func(k agree.Collective, t Totals) { all[k] = t })
	})
	return all
}

func (r runner) operations() (ops []Operation) {
	r.m.Inspect(func([]agree.InProgress) { ops = r.r.Operations() })
	return ops
}

func TestTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, 4, nil)
		failure := errors.New("failure")
		large := call(agree.AllReduce, 1024)
		for range 3 {
			r.run(large, 100*time.Microsecond, nil)
		}
		r.run(large, time.Second, failure)
		r.run(call(agree.Broadcast, 1), 5*time.Microsecond, nil)
		all := r.totals()
		require.Len(t, all, 2)
		sum := all[agree.AllReduce]
		require.Equal(t, uint64(4), sum.Calls)
		require.Equal(t, uint64(1), sum.Failures)
		require.Equal(t, uint64(3*4096), sum.Bytes, "what failed is not counted")
		require.Equal(t, 300*time.Microsecond, sum.Time)
		require.Equal(t, uint64(3), sum.Latency[bucketOf(100*time.Microsecond)])
		require.Equal(t, uint64(1), all[agree.Broadcast].Calls)

		ops := r.operations()
		require.Len(t, ops, 4, "the oldest is gone")
		require.Equal(t, uint64(1), ops[0].Seq)
		require.Equal(t, failure, ops[2].Err)
		require.Equal(t, time.Second, ops[2].Lasted)
		require.Equal(t, *large, *ops[2].Call)
		require.Equal(t, agree.Broadcast, ops[3].Call.Kind)
	})
}

// TestShortOperationsAreSampled: the times of some stand for all, and those of late
// ones for themselves.
func TestShortOperationsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, 0, nil)
		small := call(agree.AllReduce, 1)
		const calls = sample * 100
		for range calls {
			r.run(small, 3*time.Microsecond, nil)
		}
		sum := r.totals()[agree.AllReduce]
		require.Equal(t, uint64(calls), sum.Calls)
		require.Equal(t, uint64(calls), sum.Timed)
		require.Equal(t, calls*3*time.Microsecond, sum.Time)
		require.Empty(t, r.operations())

		for range sample {
			r.run(small, time.Microsecond, nil) // the last is timed
		}
		seq := uint64(calls + sample)
		_, err := r.m.Begin(small, strided.Logical, "")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		r.m.Slow(seq)
		require.NoError(t, r.m.End(nil))
		after := r.totals()[agree.AllReduce]
		require.Equal(t, sum.Time+time.Minute+sample*time.Microsecond, after.Time)
		require.Equal(t, uint64(1), after.Latency[bucketOf(time.Minute)])
	})
}

func TestOperationsAreKeptInTheirOrder(t *testing.T) {
	for _, history := range []int{1, 2, 7} {
		r := newRunner(t, history, nil)
		for i := range 20 {
			r.run(call(agree.AllReduce, int64(i%3)), 0, nil)
			ops := r.operations()
			require.Len(t, ops, min(i+1, history))
			for j, op := range ops {
				require.Equal(t, uint64(i+1-len(ops)+j), op.Seq)
				require.Equal(t, *call(agree.AllReduce, int64(op.Seq%3)), *op.Call)
			}
		}
	}
}

func TestRefusedOperations(t *testing.T) {
	r := newRunner(t, 4, nil)
	_, err := r.m.Begin(call(agree.AllReduce, 1), strided.Logical, "dst: overlaps")
	require.NoError(t, err)
	require.ErrorContains(t, r.operations()[0].Err, "dst: overlaps")
	require.Equal(t, uint64(1), r.totals()[agree.AllReduce].Failures)
}

func TestObserverHearsOfEverything(t *testing.T) {
	var seen []uint64
	r := newRunner(t, 0, func(op *Operation) {
		require.NotZero(t, op.Lasted)
		seen = append(seen, op.Seq)
	})
	for range 3 * sample {
		r.run(call(agree.AllReduce, 1), time.Microsecond, nil)
	}
	require.Len(t, seen, 3*sample)
}

func TestInProgress(t *testing.T) {
	r := newRunner(t, 4, nil)
	r.run(call(agree.AllReduce, 1), 0, nil)
	r.m.Inspect(func(now []agree.InProgress) { require.Empty(t, now) })
	_, err := r.m.Begin(call(agree.Broadcast, 9), strided.Logical, "")
	require.NoError(t, err)
	r.m.Inspect(func(now []agree.InProgress) {
		require.Len(t, now, 1)
		require.Equal(t, uint64(1), now[0].Seq)
		require.Equal(t, *call(agree.Broadcast, 9), now[0].Call)
	})
}

func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 999, time.Microsecond, 3999, 4 * time.Microsecond, time.Millisecond, time.Second, time.Hour, 1 << 62} {
		b := bucketOf(d)
		if b < Buckets-1 {
			require.Less(t, d, Bound(b), "%v", d)
		}
		if b > 0 {
			require.GreaterOrEqual(t, d, Bound(b-1), "%v", d)
		}
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	r := newRunner(t, 8, nil)
	calls := []*agree.Call{call(agree.AllReduce, 1), call(agree.AllReduce, 4096), call(agree.Broadcast, 1)}
	i := 0
	require.Zero(t, testing.AllocsPerRun(300, func() {
		r.run(calls[i%len(calls)], 0, nil)
		i++
	}))
}

func BenchmarkRecord(b *testing.B) {
	m := agree.NewMember(func([]byte) {})
	c := call(agree.AllReduce, 2)
	for name, attach := range map[string]bool{"off": false, "on": true} {
		b.Run(name, func(b *testing.B) {
			if attach {
				New(256, nil).Attach(m)
			}
			for b.Loop() {
				if _, err := m.Begin(c, strided.Logical, ""); err != nil {
					b.Fatal(err)
				}
				_ = m.End(nil)
			}
		})
	}
}
