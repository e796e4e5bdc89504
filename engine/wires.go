package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/rdma"
	"github.com/monel-dev/monel/transport/route"
	"github.com/monel-dev/monel/transport/shm"
	"github.com/monel-dev/monel/transport/tcp"
)

// What a rank tells the others about its means is two bytes: infoShm, if it can share
// memory, and infoRDMA times the kind of network that its RDMA port is on; and the
// number of processors that it may use, 255 if there are more.
const (
	infoShm  = 1
	infoRDMA = 2
)

// info is what this rank tells the others about its means.
func (cfg *Config) info() []byte {
	var means byte
	if cfg.Transport == "auto" && !cfg.NoSharedMemory || cfg.Transport == "shm" {
		if err := shm.Available(); err == nil {
			means |= infoShm
		} else {
			cfg.Logger.Info("ranks of this host talk over TCP", "rank", cfg.Rank, "reason", err)
		}
	}
	if (cfg.Transport == "auto" || cfg.Transport == "rdma") && !cfg.Encrypt {
		kind, err := rdma.Probe(cfg.RDMA, 2*rdma.LinkBytes(cfg.ChunkBytes, ringDepth))
		means |= infoRDMA * byte(kind)
		if err != nil && cfg.Transport == "auto" && !cfg.RDMA.Disabled && len(rdma.Ports()) > 0 {
			logging.Of(cfg.Logger, logging.Net).Info("there is an RDMA device that cannot be used; hosts talk over TCP", "rank", cfg.Rank, "reason", err)
		}
	}
	return []byte{means, byte(min(runtime.GOMAXPROCS(0), 255))}
}

// means is what a rank has said about itself.
func means(table *bootstrap.Table, rank int) byte {
	if info := table.Peers[rank].Info; len(info) > 0 {
		return info[0]
	}
	return 0
}

func canShare(table *bootstrap.Table, rank int) bool { return means(table, rank)&infoShm != 0 }

// rdmaKind is the kind of network of a rank's RDMA port, 0 if it has none.
func rdmaKind(table *bootstrap.Table, rank int) byte { return means(table, rank) / infoRDMA }

// wires makes the mesh of this rank: shared memory to ranks of its host, RDMA to
// those of others that have a port on the same kind of network, sockets to the
// rest; or only what Config.Transport allows.
func (c *Comm) wires(ctx context.Context, session *bootstrap.Session) (transport.Mesh, error) {
	table := session.Table()
	if c.cfg.Transport == "rdma" {
		return c.onlyRDMA(ctx, session)
	}
	beside := shm.Peers(table, c.rank)
	if c.cfg.apart {
		beside = nil
	}
	sockets := c.cfg.protected(c.rank, tcp.New(tcp.Config{
		Rank: c.rank, Size: c.size, SlotSize: c.cfg.socketSlotBytes(), Slots: ringDepth,
		Connections: c.cfg.Connections, Near: beside, NearConnections: c.cfg.connectionsBeside(table, c.rank),
		LocalRanks: ranksBeside(table, c.rank),
	}, session), session)
	if c.cfg.Transport == "tcp" {
		return sockets, nil
	}
	near := slices.DeleteFunc(slices.Clone(beside), func(peer int) bool {
		return !canShare(table, c.rank) || !canShare(table, peer)
	})
	memory, reached, err := c.shareMemory(ctx, session, near)
	if err != nil {
		return nil, errors.Join(err, sockets.Close())
	}
	far := c.rdmaPeers(table, beside)
	var verbs transport.Mesh
	if len(far) > 0 {
		if verbs, far, err = c.reachRDMA(ctx, session, far); err != nil {
			return nil, errors.Join(err, route.New(make([]transport.Mesh, c.size), sockets, memory).Close())
		}
	}
	shared := memory
	if memory != nil {
		shared = c.cfg.checked(c.rank, memory)
	}
	over := make([]transport.Mesh, c.size)
	for peer := range over {
		switch {
		case peer == c.rank:
		case slices.Contains(reached, peer):
			over[peer] = shared
		case c.cfg.Transport == "shm":
			err = &RankError{Rank: peer, Doing: "init", Err: fmt.Errorf(
				"shared memory is %w between it and rank %d; use transport auto", ErrUnavailable, c.rank)}
			over[peer] = sockets
		case slices.Contains(far, peer):
			over[peer] = verbs
		default:
			over[peer] = sockets
		}
	}
	mesh := route.New(over, sockets, shared, verbs)
	if err != nil {
		return nil, errors.Join(err, mesh.Close())
	}
	return mesh, nil
}

// allShare reports whether all ranks are on one host and can share memory, as far
// as the table tells, so that all ranks give the same answer. Two that find out that
// they cannot share after all are slower, and nothing else.
func allShare(table *bootstrap.Table) bool {
	for rank := range table.Peers {
		if !canShare(table, rank) {
			return false
		}
	}
	return len(shm.Peers(table, 0)) == len(table.Peers)-1
}

// shareMemory makes the shared-memory mesh, nil where there can be none, and
// finds out which of the ranks near this one can be reached over it. Both ranks
// of a pair come to the same answer.
func (c *Comm) shareMemory(ctx context.Context, session *bootstrap.Session, near []int) (transport.Mesh, []int, error) {
	memory, err := shm.New(shm.Config{
		Rank: c.rank, Size: c.size, Peers: near, SlotSize: c.cfg.ChunkBytes, Slots: ringDepth,
	}, shm.OverSession(session))
	if errors.Is(err, ErrUnavailable) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	errs := make([]error, len(near))
	var wg sync.WaitGroup
	for i, peer := range near {
		wg.Go(func() { errs[i] = memory.Reach(ctx, peer) })
	}
	wg.Wait()
	var reached []int
	for i, peer := range near {
		switch err := errs[i]; {
		case err == nil:
			reached = append(reached, peer)
		case errors.Is(err, ErrUnavailable):
			c.cfg.Logger.Info("two ranks of one host talk over TCP", "rank", c.rank, "peer", peer, "reason", err)
		default:
			return nil, nil, errors.Join(notReached(peer, err), memory.Close())
		}
	}
	return memory, reached, nil
}
