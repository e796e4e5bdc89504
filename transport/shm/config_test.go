package shm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/bootstrap"
)

func TestPeers(t *testing.T) {
	host := func(boot, net string) bootstrap.Host { return bootstrap.Host{Name: "h", BootID: boot, NetNS: net} }
	table := &bootstrap.Table{}
	for i, h := range []bootstrap.Host{host("a", "1"), host("b", "1"), host("a", "1"), host("a", "2"), host("", "1"), host("", "1"), host("a", "1")} {
		table.Peers = append(table.Peers, bootstrap.Peer{Rank: i, Host: h})
	}
	for rank, want := range [][]int{{2, 6}, {}, {0, 6}, {}, {}, {}, {0, 2}} {
		require.Equal(t, want, Peers(table, rank), "rank %d", rank)
	}
}
