package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
)

// TestQueryDevice: the device that a communicator uses, and that those made of it do
// not, before they meet it themselves.
func TestQueryDevice(t *testing.T) {
	d := simulated(t, cudasim.Devices(2), cudasim.Delays(1, 0))
	w := localWorld(d, 2, d.config())
	w.must(t, func(rank int, c *engine.Comm) error {
		require.Equal(t, -1, c.Query().Device)
		if err := c.UseDevice(1 - rank); err != nil {
			return err
		}
		require.Equal(t, 1-rank, c.Query().Device)
		child, err := c.Split(background, 0, 0)
		if err != nil {
			return err
		}
		defer child.Close()
		require.Equal(t, -1, child.Query().Device)
		return child.UseDevice(rank)
	})
}
