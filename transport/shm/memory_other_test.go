//go:build !linux

package shm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

func TestUnavailable(t *testing.T) {
	_, err := New(Config{Size: 2}, nil)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorContains(t, err, "Linux")
}
