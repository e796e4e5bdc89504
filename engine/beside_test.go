package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// TestConnectionsBeside: ranks of a host have as many connections as its processors can
// serve, and the same number on each.
func TestConnectionsBeside(t *testing.T) {
	here, there := bootstrap.Host{BootID: "here"}, bootstrap.Host{BootID: "there"}
	on := func(h bootstrap.Host, processors ...int) (peers []bootstrap.Peer) {
		for _, n := range processors {
			peers = append(peers, bootstrap.Peer{Host: h, Info: []byte{infoShm, byte(n)}})
		}
		return peers
	}
	for name, c := range map[string]struct {
		peers []bootstrap.Peer
		asked int
		want  int
	}{
		"few processors":           {on(here, 2, 2), 0, 1},
		"one short of two":         {on(here, 15, 16), 0, 1},
		"two":                      {on(here, 16, 16), 0, 2},
		"the least counts":         {on(here, 16, 32, 64), 0, 1},
		"as many as pay":           {on(here, 32, 32), 0, 4},
		"no more":                  {on(here, 255, 255), 0, 4},
		"eight ranks":              {on(here, 64, 64, 64, 64, 64, 64, 64, 64), 0, 2},
		"others elsewhere":         {append(on(here, 32, 32), on(there, 1, 1, 1)...), 0, 4},
		"asked for":                {on(here, 2, 2), 7, 7},
		"one that says nothing":    {append(on(here, 32), bootstrap.Peer{Host: here, Info: []byte{infoShm}}), 0, 1},
		"one that has none to say": {append(on(here, 32), bootstrap.Peer{Host: here}), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for rank := range c.peers {
				c.peers[rank].Rank = rank
			}
			cfg := Config{Connections: c.asked}
			table := &bootstrap.Table{Peers: c.peers}
			for rank, p := range c.peers {
				if p.Host == here {
					require.Equal(t, c.want, cfg.connectionsBeside(table, rank))
				}
			}
		})
	}
}
