package engine_test

import (
	"testing"
	"time"

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

// TestDriverKeepsOthersWaiting: while what a communicator needs of a device is being made
// and the driver does not return, the communicator answers and is closed, and others go
// on. What has been made in the end is freed.
func TestDriverKeepsOthersWaiting(t *testing.T) {
	defer engine.SetSettleWait(50 * time.Millisecond)()
	d := simulated(t) // a GPU's driver may not wait here
	w := localWorld(d, 2, d.config())
	other := localWorld(d, 2, d.config())
	u := d.newUser(0, 1, 1)
	u.close() // the driver waits for the stream before it pins memory
	used := make(chan error, 2)
	for range 2 {
		go func() { used <- w[0].UseDevice(0) }()
	}
	time.Sleep(20 * time.Millisecond)
	require.Equal(t, -1, w[0].Query().Device)
	require.NoError(t, other[1].UseDevice(1))
	require.Equal(t, 1, other[1].Query().Device)
	require.Empty(t, used)
	require.ErrorContains(t, w[0].Close(), "what was being made of device 0")
	require.Error(t, <-used, "who has waited for it")
	require.Empty(t, used)
	u.open()
	require.ErrorIs(t, <-used, engine.ErrClosed)
	require.NoError(t, other[0].UseDevice(0))
}
