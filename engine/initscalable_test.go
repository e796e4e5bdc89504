package engine_test

import (
	"bytes"
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
		listening := 0
		for i := range ids {
			// Nobody listens any more for those that were not needed.
			if conn, err := net.Dial("tcp", ids[i].Roots()[0].String()); err == nil {
				listening++
				require.NoError(t, conn.Close())
			}
		}
		require.LessOrEqual(t, listening, 1)
	}

	for _, other := range []func(ids []engine.UniqueID){
		slices.Reverse[[]engine.UniqueID],
		func(ids []engine.UniqueID) { // not the least
			extra := newIDs(t, 1)[0]
			i := 0
			if bytes.Compare(ids[0][:], ids[1][:]) < 0 {
				i = 1
			}
			for bytes.Compare(extra[:], ids[1-i][:]) < 0 {
				extra = newIDs(t, 1)[0]
			}
			ids[i] = extra
		},
	} {
		ids := newIDs(t, 2)
		differ := slices.Clone(ids)
		other(differ)
		_, errs := scalable(ids, differ)
		for _, err := range errs {
			var world *bootstrap.WorldError
			require.ErrorAs(t, err, &world)
			require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
		}
	}
	for _, bad := range [][]engine.UniqueID{nil, newIDs(t, 3), {{}}} {
		_, err := engine.InitScalable(background, engine.Config{Size: 2}, bad)
		var argument *engine.ArgumentError
		require.ErrorAs(t, err, &argument)
		require.Equal(t, "ids", argument.Argument)
	}
}
