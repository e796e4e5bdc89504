package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/route"
	"github.com/monel-dev/monel/transport/shm"
	"github.com/monel-dev/monel/transport/tcp"
)

// infoShm, as the first byte of what a rank tells the others, says that it can
// share memory.
const infoShm = 1

// info is what this rank tells the others about its means.
func (cfg *Config) info() []byte {
	if cfg.Transport == "tcp" {
		return nil
	}
	if err := shm.Available(); err != nil {
		cfg.Logger.Info("ranks of this host talk over TCP", "rank", cfg.Rank, "reason", err)
		return nil
	}
	return []byte{infoShm}
}

// wires makes the mesh of this rank: shared memory to ranks of its host,
// sockets to the others, or only what Config.Transport allows.
func (c *Comm) wires(ctx context.Context, session *bootstrap.Session) (transport.Mesh, error) {
	table := session.Table()
	// Nothing between ranks of one host limits a flow: more connections only make
	// a stream slower there, by a quarter with four of them.
	beside := shm.Peers(table, c.rank)
	if c.cfg.apart {
		beside = nil
	}
	sockets := tcp.New(tcp.Config{
		Rank: c.rank, Size: c.size, SlotSize: c.cfg.ChunkBytes, Slots: ringDepth,
		Connections: c.cfg.Connections, Near: beside,
		LocalRanks: ranksBeside(table, c.rank),
	}, session)
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
	over := make([]transport.Mesh, c.size)
	for peer := range over {
		switch {
		case peer == c.rank:
		case slices.Contains(reached, peer):
			over[peer] = memory
		case c.cfg.Transport == "shm":
			err = &RankError{Rank: peer, Doing: "init", Err: fmt.Errorf(
				"shared memory is %w between it and rank %d; use transport auto", ErrUnavailable, c.rank)}
			over[peer] = sockets
		default:
			over[peer] = sockets
		}
	}
	mesh := route.New(over, sockets, memory)
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

func canShare(table *bootstrap.Table, rank int) bool {
	info := table.Peers[rank].Info
	return len(info) > 0 && info[0] == infoShm
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
			return nil, nil, errors.Join(err, memory.Close())
		}
	}
	return memory, reached, nil
}
