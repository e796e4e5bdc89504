package pairwise_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/pairwise"
)

// In every round partners have each other, and over all rounds everybody meets
// everybody once.
func TestPartner(t *testing.T) {
	for size := 1; size <= 65; size++ {
		met := make([]map[int]bool, size)
		for rank := range met {
			met[rank] = map[int]bool{}
		}
		for round := range size {
			for rank := range size {
				partner := pairwise.Partner(size, rank, round)
				require.Equal(t, rank, pairwise.Partner(size, partner, round))
				met[rank][partner] = true
			}
		}
		for rank := range met {
			require.Len(t, met[rank], size)
		}
	}
	require.Panics(t, func() { pairwise.Partner(2, 2, 0) })
	require.Panics(t, func() { pairwise.Partner(2, 0, -1) })
}
