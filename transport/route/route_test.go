package route_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/inproc"
	"github.com/monel-dev/monel/transport/route"
)

// Peers whose number differs by an odd amount are reached over one world, the
// others over another, as hosts would divide them.
func world(_ *testing.T, ranks int) *conformance.World {
	near, far := inproc.NewWorld(ranks, inproc.Options{}), inproc.NewWorld(ranks, inproc.Options{Slots: 6})
	w := &conformance.World{MaxInFlight: 6 * inproc.DefaultSlotSize, Kill: func(rank int) {
		near[rank].Kill()
		far[rank].Kill()
	}}
	for rank := range ranks {
		over := make([]transport.Mesh, ranks)
		for peer := range over {
			switch {
			case peer == rank:
			case (peer-rank)%2 == 0:
				over[peer] = near[rank]
			default:
				over[peer] = far[rank]
			}
		}
		w.Meshes = append(w.Meshes, route.New(over, near[rank], far[rank]))
	}
	return w
}

func TestConformance(t *testing.T) { conformance.Run(t, world) }

func TestAttributes(t *testing.T) {
	m := world(t, 3).Meshes[0]
	require.Equal(t, 4, m.Slots())
	require.Equal(t, inproc.DefaultSlotSize, m.SlotSize())
	require.Equal(t, "inproc", m.Name())
}
