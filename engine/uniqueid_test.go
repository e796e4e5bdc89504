package engine_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// freeAddress is an address of loopback on which nobody listens.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// TestUniqueIDFromEnv: where NewUniqueID listens follows NCCL's variables.
func TestUniqueIDFromEnv(t *testing.T) {
	t.Setenv("NCCL_CONF_FILE", "/dev/null")
	t.Run("interface and family", func(t *testing.T) {
		t.Setenv("NCCL_SOCKET_IFNAME", "lo")
		t.Setenv("NCCL_SOCKET_FAMILY", "AF_INET")
		id, err := engine.NewUniqueID()
		require.NoError(t, err)
		require.NotEmpty(t, id.Roots())
		for _, at := range id.Roots() {
			require.True(t, at.Addr().IsLoopback() && at.Addr().Is4(), "%v", at)
		}
		meetAt(t, id)
	})
	t.Run("no such interface", func(t *testing.T) {
		t.Setenv("NCCL_SOCKET_IFNAME", "=nosuch0")
		_, err := engine.NewUniqueID()
		require.ErrorIs(t, err, bootstrap.ErrAddress)
		_, err = engine.NewUniqueIDWith(engine.Config{}) // does not ask the environment
		require.NoError(t, err)
	})
	t.Run("address", func(t *testing.T) {
		at := freeAddress(t, "127.0.0.1")
		t.Setenv("NCCL_COMM_ID", at)
		t.Setenv("NCCL_SOCKET_IFNAME", "=nosuch0") // the address goes before it
		id, err := engine.NewUniqueID()
		require.NoError(t, err)
		require.Equal(t, "["+at+"]", fmt.Sprint(id.Roots()))
		_, err = engine.NewUniqueID()
		require.ErrorIs(t, err, bootstrap.ErrAddress)
		require.ErrorContains(t, err, "in use")
		t.Setenv("NCCL_SOCKET_IFNAME", "")
		meetAt(t, id)
	})
	t.Run("address of something in front", func(t *testing.T) {
		_, port, err := net.SplitHostPort(freeAddress(t, "127.0.0.1"))
		require.NoError(t, err)
		id, err := engine.NewUniqueIDWith(engine.Config{Root: net.JoinHostPort("198.51.100.7", port)})
		require.NoError(t, err)
		require.Equal(t, net.JoinHostPort("198.51.100.7", port), id.Roots()[0].String())
	})
	t.Run("nonsense", func(t *testing.T) {
		t.Setenv("NCCL_COMM_ID", "no port")
		_, err := engine.NewUniqueID()
		require.ErrorIs(t, err, bootstrap.ErrAddress)
	})
}

// meetAt has two ranks meet with an id.
func meetAt(t *testing.T, id engine.UniqueID) {
	t.Helper()
	comms, errs := make(world, 2), make([]error, 2)
	var wg sync.WaitGroup
	for rank := range comms {
		wg.Go(func() {
			comms[rank], errs[rank] = engine.Init(background, engine.Config{ID: id, Rank: rank, Size: 2})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	keep(t, comms).must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
}
