package engine_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// initAll initialises the given ranks at once and returns their errors; ranks
// that succeed are closed.
func initAll(t *testing.T, cfgs ...engine.Config) []error {
	t.Helper()
	errs := make([]error, len(cfgs))
	var wg sync.WaitGroup
	start := time.Now()
	for i, cfg := range cfgs {
		wg.Go(func() {
			c, err := engine.Init(background, cfg)
			if errs[i] = err; err == nil {
				errs[i] = c.Close()
			}
		})
	}
	wg.Wait()
	require.Less(t, time.Since(start), 30*time.Second, "bounded, though far from exact")
	return errs
}

func TestInitErrors(t *testing.T) {
	secret := []byte("of this job")
	rank := func(addr string, rank, size int) engine.Config {
		return engine.Config{Rank: rank, Size: size, Root: addr, Secret: secret, InitTimeout: 3 * time.Second}
	}

	t.Run("two processes with the same rank", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		for _, err := range initAll(t, rank(addr, 0, 3), rank(addr, 1, 3), rank(addr, 1, 3)) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.DuplicateRank, world.Reason)
			require.Equal(t, []int{1}, world.Ranks)
		}
	})
	t.Run("world sizes differ", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		for _, err := range initAll(t, rank(addr, 0, 3), rank(addr, 1, 2)) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.SizeMismatch, world.Reason)
		}
	})
	t.Run("settings differ", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		other := rank(addr, 1, 2)
		other.ChunkBytes = 4096
		for _, err := range initAll(t, rank(addr, 0, 2), other) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
			require.ErrorContains(t, err, "chunk 4096 bytes")
		}
	})
	t.Run("costs of a hop differ", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		other := rank(addr, 1, 2)
		other.HopBytes = 4096
		for _, err := range initAll(t, rank(addr, 0, 2), other) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
			require.ErrorContains(t, err, "hop 4096 bytes")
		}
	})
	t.Run("numbers of connections differ", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		other := rank(addr, 1, 2)
		other.Connections = 4
		for _, err := range initAll(t, rank(addr, 0, 2), other) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
			require.ErrorContains(t, err, "connections 4")
		}
	})
	t.Run("too many connections", func(t *testing.T) {
		t.Parallel()
		for _, n := range []int{-1, engine.MaxConnections + 1} {
			cfg := rank("127.0.0.1:1", 0, 2)
			cfg.Connections = n
			_, err := engine.Init(background, cfg)
			var argument *engine.ArgumentError
			require.ErrorAs(t, err, &argument)
			require.Equal(t, "Connections", argument.Argument)
		}
	})
	t.Run("a rank is missing", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		for _, err := range initAll(t, rank(addr, 0, 3), rank(addr, 2, 3)) {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.MissingRanks, world.Reason)
			require.Equal(t, []int{1}, world.Ranks)
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		stranger := rank(addr, 1, 2)
		stranger.Secret = []byte("of another job")
		stranger.InitTimeout = 2 * time.Second
		errs := initAll(t, rank(addr, 0, 2), stranger)
		require.ErrorIs(t, errs[1], engine.ErrUnauthenticated)
		require.ErrorContains(t, errs[0], "1", "the rank that is missing")
	})
	t.Run("wrong secret, and the root gives up first", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		root, stranger := rank(addr, 0, 2), rank(addr, 1, 2)
		root.InitTimeout = time.Second
		stranger.Secret = []byte("of another job")
		stranger.InitTimeout = 2500 * time.Millisecond
		require.ErrorIs(t, initAll(t, root, stranger)[1], engine.ErrUnauthenticated)
	})
	t.Run("port in use", func(t *testing.T) {
		t.Parallel()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		errs := initAll(t, rank(ln.Addr().String(), 0, 2))
		require.ErrorIs(t, errs[0], bootstrap.ErrAddress)
		require.ErrorContains(t, errs[0], ln.Addr().String())
	})
	t.Run("a rank's own port in use", func(t *testing.T) {
		t.Parallel()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		first := rank(freeAddr(t), 0, 2)
		second := first
		second.Rank, second.Listen = 1, ln.Addr().String()
		var re *engine.RankError
		require.ErrorAs(t, initAll(t, first, second)[1], &re)
		require.Equal(t, 1, re.Rank)
	})
	t.Run("unresolvable address", func(t *testing.T) {
		t.Parallel()
		for _, err := range initAll(t, rank("no-such-host.invalid:29400", 0, 2), rank("no-such-host.invalid:29400", 1, 2)) {
			require.ErrorContains(t, err, "no-such-host.invalid")
		}
	})
	t.Run("a peer that says nothing", func(t *testing.T) {
		t.Parallel()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		errs := initAll(t, rank(ln.Addr().String(), 1, 2))
		var re *engine.RankError
		require.ErrorAs(t, errs[0], &re)
		require.True(t, errors.Is(errs[0], engine.ErrTimeout) || errors.Is(errs[0], engine.ErrUnauthenticated), "%v", errs[0])
	})
}
