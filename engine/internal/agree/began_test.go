package agree

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// kept is a recorder that keeps the last operation.
type kept struct{ Ended }

func (k *kept) Record(_ *Call, e Ended) { k.Ended = e }

// TestStamp: an operation begins when it is stamped, when it has to wait or when somebody
// asks, and that moment stays.
func TestStamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMember(func([]byte) {})
		last := new(kept)
		m.Watch(last)
		call := NewCall(AllGather, dtype.Float32, 0, 0, []int64{4})
		enter := func() {
			_, err := m.Enter(&call, strided.Logical, "")
			require.NoError(t, err)
		}
		enter()
		time.Sleep(time.Second)
		m.Stamp()
		time.Sleep(2 * time.Second)
		m.Stamp()
		_, lasted, ok := m.Elapsed()
		require.True(t, ok)
		require.Equal(t, 2*time.Second, lasted)
		require.NoError(t, m.End(nil))
		require.Equal(t, time.Second, last.Began)

		enter() // at 3 s
		time.Sleep(time.Second)
		_, lasted, _ = m.Elapsed()
		require.Zero(t, lasted)
		time.Sleep(time.Second)
		_, lasted, _ = m.Elapsed()
		require.Equal(t, time.Second, lasted)
		require.NoError(t, m.End(nil))
		require.Equal(t, 4*time.Second, last.Began)

		enter() // at 5 s
		time.Sleep(time.Second)
		require.NoError(t, m.End(nil))
		require.Equal(t, 6*time.Second, last.Began)

		_, err := m.Enter(&call, strided.Logical, "")
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, m.op.Stop.Err(), "who asks has to wait")
		time.Sleep(time.Second)
		require.NoError(t, m.End(nil))
		require.Equal(t, 7*time.Second, last.Began)

		_, err = m.Begin(&call, strided.Logical, "")
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, m.End(nil))
		require.Equal(t, 8*time.Second, last.Began)
	})
}

// TestStampByAnEarlierStop: who looks late at the Stop of an operation that is over says
// nothing about when the next one began.
func TestStampByAnEarlierStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMember(func([]byte) {})
		last := new(kept)
		m.Watch(last)
		call := NewCall(AllGather, dtype.Float32, 0, 0, []int64{4})
		first, err := m.Enter(&call, strided.Logical, "")
		require.NoError(t, err)
		m.mu.Lock()
		first.Stop.fire(ErrMismatch) // as by a verdict
		m.mu.Unlock()
		require.ErrorIs(t, m.End(first.Stop.Err()), ErrMismatch)
		_, err = m.Enter(&call, strided.Logical, "")
		require.NoError(t, err)
		require.ErrorIs(t, first.Stop.Err(), ErrMismatch)
		<-first.Stop.Done()
		time.Sleep(time.Second)
		m.Stamp()
		require.NoError(t, m.End(nil))
		require.Equal(t, time.Second, last.Began)
	})
}
