package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// matrix is 3x4 in rows, or in columns, which are walked in another order.
func matrix(inColumns bool) strided.Tensor {
	x := strided.Of(make([]float32, 12))
	if inColumns {
		return x.Reshape(4, 3).Permute(1, 0)
	}
	return x.Reshape(3, 4)
}

// quarrel has all ranks but the last one make a call in which they differ, so that the
// coordinator asks everybody, and returns when the last one owes the answer.
func quarrel(t *testing.T, w world, call func(rank int, c *engine.Comm) error) <-chan error {
	t.Helper()
	errs := make(chan error, len(w)-1)
	for rank, c := range w[:len(w)-1] {
		go func() { errs <- call(rank, c) }()
	}
	require.Eventually(t, func() bool { return engine.Owes(w[len(w)-1]) }, 20*time.Second, time.Millisecond)
	return errs
}

func reduceMatrix(rank int, c *engine.Comm) error {
	x := matrix(rank == 0)
	return c.AllReduce(background, x, x, engine.Sum)
}

// TestCloseInsteadOfAnswer: ranks of one process that are asked about a call, and close the
// communicator instead of making it, leave nobody waiting for the timeout.
func TestCloseInsteadOfAnswer(t *testing.T) {
	for name, call := range map[string]func(rank int, c *engine.Comm) error{
		"walks differ": reduceMatrix,
		"calls differ": func(rank int, c *engine.Comm) error {
			x := strided.Of(make([]float32, 12+rank))
			return c.AllReduce(background, x, x, engine.Sum)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := localWorld(t, 3, engine.Config{Timeout: 20 * time.Second})
			errs := quarrel(t, w, call)
			require.NoError(t, w[2].Close())
			for range 2 {
				err := next(t, errs)
				var lost *engine.RankError
				require.ErrorAs(t, err, &lost)
				require.ErrorIs(t, err, engine.ErrClosed)
				require.Equal(t, 2, lost.Rank)
			}
		})
	}
}

// TestRevokedRankDoesNotDisagree: a rank that has ended its call by Revoke or Abort is asked
// about that call before the others have heard of it. They get the cause, and not that the
// ranks disagree, who all called the same.
func TestRevokedRankDoesNotDisagree(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(c *engine.Comm) error
		cause error
	}{
		"revoke": {(*engine.Comm).Revoke, engine.ErrRevoked},
		"abort":  {(*engine.Comm).Abort, engine.ErrAborted},
	} {
		t.Run(name, func(t *testing.T) {
			w := localWorld(t, 3, engine.Config{})
			release := engine.HoldFailures(w[2])
			defer release()
			x := matrix(false)
			work, err := w[2].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return engine.Running(w[2]) }, 20*time.Second, time.Millisecond)
			ended := make(chan error, 1)
			go func() { ended <- c.end(w[2]) }()
			require.ErrorIs(t, work.Wait(background), c.cause)
			errs := quarrel(t, w, reduceMatrix)
			select {
			case err := <-errs:
				t.Errorf("a verdict has come before the cause: %v", err)
			default:
			}
			release()
			require.NoError(t, <-ended)
			for range 2 {
				require.ErrorIs(t, next(t, errs), c.cause)
			}
			for rank, c := range w[:2] {
				require.Equal(t, w[2].State() == engine.Revoked, c.State() == engine.Revoked, "rank %d", rank)
			}
		})
	}
}
