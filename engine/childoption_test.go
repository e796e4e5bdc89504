package engine_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestNamedChildren: whatever makes a communicator of another one can name it, and what
// it is called without that is a number.
func TestNamedChildren(t *testing.T) {
	for transport, newWorld := range worlds {
		t.Run(transport, func(t *testing.T) {
			w := newWorld(t, 4, engine.Config{Name: "parent"})
			pending := func(p *engine.PendingComm, err error) (*engine.Comm, error) {
				if err != nil {
					return nil, err
				}
				return p.Wait(background)
			}
			half := []string{"even", "odd"}
			for name, c := range map[string]struct {
				make func(rank int, c *engine.Comm) (*engine.Comm, error)
				want func(rank int) string // "": a number
			}{
				"split": {func(rank int, c *engine.Comm) (*engine.Comm, error) {
					return c.Split(background, rank%2, 0, engine.Named(half[rank%2]))
				}, func(rank int) string { return half[rank%2] }},
				"start split": {func(rank int, c *engine.Comm) (*engine.Comm, error) {
					return pending(c.StartSplit(background, rank%2, 0, engine.Named(half[rank%2])))
				}, func(rank int) string { return half[rank%2] }},
				"split, no name": {func(rank int, c *engine.Comm) (*engine.Comm, error) { return c.Split(background, 0, 0) }, func(int) string { return "" }},
				"shrink": {func(rank int, c *engine.Comm) (*engine.Comm, error) {
					if rank == 1 {
						return nil, nil
					}
					return c.Shrink(background, []int{1}, engine.ShrinkDefault, engine.Named("rest"))
				}, func(int) string { return "rest" }},
				"start shrink": {func(rank int, c *engine.Comm) (*engine.Comm, error) {
					if rank == 1 {
						return nil, nil
					}
					return pending(c.StartShrink(background, []int{1}, engine.ShrinkDefault, engine.Named("rest")))
				}, func(int) string { return "rest" }},
			} {
				w.must(t, func(rank int, comm *engine.Comm) error {
					child, err := c.make(rank, comm)
					if child == nil {
						return err
					}
					got := child.Stats().Communicator
					if want := c.want(rank); want == "" && (got == "" || got == "parent") || want != "" && got != want {
						err = errors.New(name + ": it is called " + got)
					}
					return errors.Join(err, child.Close())
				})
			}
		})
	}
}

// TestNamedGrowth: so does Grow, and new ranks name theirs by Config.
func TestNamedGrowth(t *testing.T) {
	w := localWorld(t, 1, engine.Config{})
	for _, start := range []bool{false, true} {
		id, err := w[0].GrowID()
		require.NoError(t, err)
		came := make(chan error)
		go func() {
			c, err := engine.Init(background, engine.Config{ID: id, Rank: 1, Size: 2, Name: "grown"})
			if err == nil {
				err = c.Close()
			}
			came <- err
		}()
		var next *engine.Comm
		if start {
			var p *engine.PendingComm
			if p, err = w[0].StartGrow(background, 2, id, engine.Named("grown")); err == nil {
				next, err = p.Wait(background)
			}
		} else {
			next, err = w[0].Grow(background, 2, id, engine.Named("grown"))
		}
		require.NoError(t, err)
		require.Equal(t, "grown", next.Stats().Communicator)
		require.NoError(t, next.Close())
		require.NoError(t, <-came)
	}
}
