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

// TestCommID: with NCCL_COMM_ID every process makes the id by itself, nobody listens before
// rank 0's Init does, and one communicator after the other meets there.
func TestCommID(t *testing.T) {
	at := freeAddress(t, "127.0.0.1")
	t.Setenv("NCCL_CONF_FILE", "/dev/null")
	t.Setenv("NCCL_COMM_ID", at)
	t.Setenv("NCCL_SOCKET_IFNAME", "=nosuch0") // the address goes before it
	id, err := engine.NewUniqueID()
	require.NoError(t, err)
	require.Equal(t, "["+at+"]", fmt.Sprint(id.Roots()))
	again, err := engine.NewUniqueID()
	require.NoError(t, err)
	require.Equal(t, id, again)
	_, err = net.Dial("tcp", at)
	require.Error(t, err, "nobody listens")
	t.Setenv("NCCL_SOCKET_IFNAME", "")
	var kin []any
	for range 2 {
		kin = append(kin, meetAt(t, id)[0].Kin())
	}
	require.NotEqual(t, kin[0], kin[1])

	_, err = engine.Init(background, engine.Config{ID: id, Size: 2, Encrypt: true})
	var argument *engine.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "Encrypt", argument.Argument, "the secret can be guessed")

	t.Setenv("MONEL_SECRET", "a secret of some length")
	secret, err := engine.NewUniqueID()
	require.NoError(t, err)
	require.NotEqual(t, id.Secret(), secret.Secret())
	for _, key := range []string{"", "of ncclSetEncryption"} {
		id := secret
		if key != "" {
			id, err = engine.SettingsFromEnv().NewKeyedUniqueID([]byte(key))
			require.NoError(t, err)
			require.Equal(t, secret, id)
			id = id.Keyed([]byte(key))
		}
		meetAt(t, id, func(cfg *engine.Config) { cfg.Encrypt = true })
	}
}

// meetAt has two ranks meet with an id.
func meetAt(t *testing.T, id engine.UniqueID, settings ...func(*engine.Config)) world {
	t.Helper()
	comms, errs := make(world, 2), make([]error, 2)
	var wg sync.WaitGroup
	for rank := range comms {
		wg.Go(func() {
			cfg := engine.Config{ID: id, Rank: rank, Size: 2}
			for _, set := range settings {
				set(&cfg)
			}
			comms[rank], errs[rank] = engine.Init(background, cfg)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	w := keep(t, comms)
	w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
	return w
}
