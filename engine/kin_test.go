package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestKin: ranks of one communicator are equal in it, and of others differ, their parents
// included.
func TestKin(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			children := make(world, 3)
			w.must(t, func(rank int, c *engine.Comm) (err error) {
				children[rank], err = c.Split(background, 0, rank)
				return err
			})
			keep(t, children)
			for rank := range 3 {
				if kin := w[rank].Kin(); kin != nil { // where the ranks have met at a root's address
					require.Equal(t, w[0].Kin(), kin)
				}
				require.NotNil(t, children[rank].Kin())
				require.Equal(t, children[0].Kin(), children[rank].Kin())
				require.NotEqual(t, w[rank].Kin(), children[rank].Kin())
			}
		})
	}
}
