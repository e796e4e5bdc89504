package engine_test

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// scalable initialises one rank for each list of ids.
func scalable(lists ...[]engine.UniqueID) (world, []error) {
	w, errs := make(world, len(lists)), make([]error, len(lists))
	var wg sync.WaitGroup
	for rank, ids := range lists {
		wg.Go(func() {
			w[rank], errs[rank] = engine.InitScalable(background, engine.Config{Rank: rank, Size: len(lists), InitTimeout: 10 * time.Second}, ids)
		})
	}
	wg.Wait()
	return w, errs
}

func newIDs(t *testing.T, n int) []engine.UniqueID {
	t.Helper()
	ids := make([]engine.UniqueID, n)
	for i := range ids {
		var err error
		ids[i], err = engine.NewLocalUniqueID()
		require.NoError(t, err)
	}
	return ids
}

func TestInitScalable(t *testing.T) {
	for n := 1; n <= 3; n++ {
		ids := newIDs(t, n)
		w, errs := scalable(ids, ids, ids)
		require.NoError(t, errors.Join(errs...))
		keep(t, w)
		w.must(t, func(rank int, c *engine.Comm) error {
			if err := sum(c, rank, ranksTo(3)); err != nil {
				return err
			}
			child, err := c.Split(background, 0, 0)
			if err != nil {
				return err
			}
			return child.Close()
		})
		for i := range ids[1:] {
			// Nobody listens any more for those that were not needed.
			_, err := net.Dial("tcp", ids[1+i].Roots()[0].String())
			require.Error(t, err)
		}
	}

	ids := newIDs(t, 2)
	swapped := slices.Clone(ids)
	swapped[1] = newIDs(t, 1)[0]
	_, errs := scalable(ids, swapped)
	for _, err := range errs {
		var world *bootstrap.WorldError
		require.ErrorAs(t, err, &world)
		require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
	}
	for _, bad := range [][]engine.UniqueID{nil, newIDs(t, 3), {{}}} {
		_, err := engine.InitScalable(background, engine.Config{Size: 2}, bad)
		var argument *engine.ArgumentError
		require.ErrorAs(t, err, &argument)
		require.Equal(t, "ids", argument.Argument)
	}
}
