//go:build cgo && linux

package main

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestGrowIDs: there is one id at a time, and another one when it has been used, or serves
// nobody any more because ranks could not come together with it.
func TestGrowIDs(t *testing.T) {
	c := alone(t)
	defer func() { require.NoError(t, c.destroy()) }()
	dead, err := c.growID()
	require.NoError(t, err)
	_, err = c.growID()
	require.ErrorContains(t, err, "not been used")
	require.Equal(t, engine.InvalidUsage, resultOf(err))
	var threads sync.WaitGroup
	for rank := range 2 { // they do not agree how many ranks there are
		threads.Go(func() {
			_, err := engine.Init(t.Context(), engine.Config{ID: dead, Rank: 1 + rank, Size: 3 + rank})
			assert.Error(t, err)
		})
	}
	threads.Wait()
	id, err := c.growID()
	require.NoError(t, err)
	require.NotEqual(t, dead, id)

	// While it is being used there is no other, whatever has come of it.
	failure := errors.New("nobody has come")
	_, err = c.grow(id, func() (*engine.Comm, error) {
		_, err := c.growID()
		assert.ErrorContains(t, err, "growing")
		return nil, failure
	})
	require.ErrorIs(t, err, failure)
	require.True(t, c.growth.IsZero())
}
