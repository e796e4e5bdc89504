//go:build cgo && linux

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// alone is a communicator of one rank.
func alone(t *testing.T) *comm {
	t.Helper()
	ranks, err := engine.NewLocal(1, engine.Config{})
	require.NoError(t, err)
	c := newComm(0, 1, onHost, familyOf(ranks[0]))
	c.engine = ranks[0]
	close(c.ready)
	return c
}

// TestSuspendAmidCalls: threads suspend, resume, call, and at last end a communicator in
// any order. Calls begin only while it is not suspended, and all that began before a
// suspension have ended when it returns.
func TestSuspendAmidCalls(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 200 {
		c := alone(t)
		var threads sync.WaitGroup

		for thread := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(round*4+thread)))
			threads.Go(func() {
				for range 50 {
					switch random.IntN(4) {
					case 0:
						_ = c.suspend()
					case 1:
						_ = c.resume()
					default:
						ended, err := c.begin()
						if err != nil {
							continue
						}

						threads.Go(ended)
					}
				}
			})
		}
		switch end := rand.New(rand.NewPCG(seed, uint64(round))).IntN(3); end {
		case 0:
			threads.Go(func() { _ = c.finalize() })
		case 1:
			threads.Go(func() { assert.NoError(t, c.abort()) })
		}
		threads.Wait()
		require.Empty(t, c.onStreams.calls)
		require.NoError(t, c.destroy())
		_, err := c.begin()
		require.Error(t, err)
	}
}

// TestSuspendWaits: a suspension waits for what is on streams, and not for what begins
// after somebody has resumed.
func TestSuspendWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &comm{ready: make(chan struct{})}
		c.life, c.end = context.WithCancel(t.Context())
		close(c.ready)
		first, err := c.begin()
		require.NoError(t, err)
		suspended := make(chan struct{})
		go func() {
			defer close(suspended)
			assert.NoError(t, c.suspend())
		}()
		synctest.Wait()
		_, err = c.begin()
		require.ErrorContains(t, err, "suspended")
		require.ErrorContains(t, c.suspend(), "suspended")
		require.NoError(t, c.resume())
		require.ErrorContains(t, c.resume(), "not suspended")
		second, err := c.begin()
		require.NoError(t, err)
		synctest.Wait()
		select {
		case <-suspended:
			t.Fatal("it did not wait")
		default:
		}
		first()
		<-suspended
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			assert.NoError(t, c.finalize())
		}()
		time.Sleep(time.Second)
		require.ErrorContains(t, c.finalize(), "finalized")
		second()
		<-ended
	})
}
