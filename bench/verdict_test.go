package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongValuesAreAnError(t *testing.T) {
	require.NoError(t, verdictOn(0))
	require.ErrorIs(t, verdictOn(3), errWrong)
	require.EqualError(t, verdictOn(3), "wrong values: 3")
}
