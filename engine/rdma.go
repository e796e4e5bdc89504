package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/rdma"
)

// rdmaPeers are the ranks of other hosts that this one talks to over RDMA. Both
// ranks of a pair come to the same answer.
func (c *Comm) rdmaPeers(table *bootstrap.Table, beside []int) []int {
	mine := rdmaKind(table, c.rank)
	if mine == 0 || c.cfg.Transport == "shm" {
		return nil
	}
	var far []int
	for peer := range c.size {
		if peer != c.rank && !slices.Contains(beside, peer) && rdmaKind(table, peer) == mine {
			far = append(far, peer)
		}
	}
	return far
}

// openRDMA makes the mesh of this rank over RDMA.
func (c *Comm) openRDMA(session *bootstrap.Session, peers []int) (*rdma.Mesh, error) {
	table := session.Table()
	local := 0
	for _, p := range table.Peers[:c.rank] {
		if p.Host.SameMachine(table.Peers[c.rank].Host) {
			local++
		}
	}
	log := logging.Of(c.cfg.Logger, logging.Net)
	mesh, err := rdma.New(rdma.Config{
		Logger: log,
		Rank:   c.rank, Size: c.size, Peers: peers, SlotSize: c.cfg.ChunkBytes, Slots: ringDepth,
		LocalRank: local, LocalRanks: ranksBeside(table, c.rank), Settings: c.cfg.RDMA,
	}, rdma.OverSession(session))
	if err != nil {
		return nil, &RankError{Rank: c.rank, Doing: "init", Err: err}
	}
	log.Debug("RDMA", "rank", c.rank, "ports", mesh.Ports())
	return mesh, nil
}

// mostTried is the size of worlds up to which every pair of ranks is tried when they
// meet. In larger ones, pairs whose ports do not reach each other find out in their first
// operation, which fails.
const mostTried = 64

// reachRDMA makes the mesh of this rank over RDMA and finds out which of the peers can
// be reached over it; the others are left to TCP. Both ranks of a pair come to the same
// answer.
func (c *Comm) reachRDMA(ctx context.Context, session *bootstrap.Session, far []int) (transport.Mesh, []int, error) {
	mesh, err := c.openRDMA(session, far)
	if err != nil {
		return nil, nil, err
	}
	var reached []int
	for i, err := range c.tryRDMA(ctx, mesh, far) {
		switch {
		case err == nil:
			reached = append(reached, far[i])
		case errors.Is(err, ErrUnavailable):
			logging.Of(c.cfg.Logger, logging.Net).Info("two hosts talk over TCP", "rank", c.rank, "peer", far[i], "reason", err)
		default:
			return nil, nil, errors.Join(err, mesh.Close())
		}
	}
	return c.cfg.checked(c.rank, mesh), reached, nil
}

// tryRDMA tries all peers side by side, and returns what came of it, by peer.
func (c *Comm) tryRDMA(ctx context.Context, mesh *rdma.Mesh, peers []int) []error {
	errs := make([]error, len(peers))
	if c.size > mostTried {
		return errs
	}
	var wg sync.WaitGroup
	for i, peer := range peers {
		wg.Go(func() { errs[i] = mesh.Reach(ctx, peer) })
	}
	wg.Wait()
	return errs
}

// onlyRDMA makes the mesh if nothing but RDMA is allowed. If it cannot be, the
// error names the rank that lacks it, and there says what is missing.
func (c *Comm) onlyRDMA(ctx context.Context, session *bootstrap.Session) (transport.Mesh, error) {
	table := session.Table()
	mine := rdmaKind(table, c.rank)
	if mine == 0 {
		_, err := rdma.Probe(c.cfg.RDMA, 2*rdma.LinkBytes(c.cfg.ChunkBytes, ringDepth))
		if err == nil {
			err = fmt.Errorf("RDMA was %w a moment ago", ErrUnavailable)
		}
		return nil, &RankError{Rank: c.rank, Doing: "init", Err: err}
	}
	var peers []int
	for peer := range c.size {
		switch kind := rdmaKind(table, peer); {
		case peer == c.rank:
		case kind == 0:
			return nil, &RankError{Rank: peer, Doing: "init", Err: fmt.Errorf("RDMA is %w there; it says what is missing", ErrUnavailable)}
		case kind != mine:
			return nil, &RankError{Rank: peer, Doing: "init", Err: fmt.Errorf(
				"RDMA is %w between it and rank %d: one is on InfiniBand, the other on Ethernet; choose ports with NCCL_IB_HCA", ErrUnavailable, c.rank)}
		default:
			peers = append(peers, peer)
		}
	}
	mesh, err := c.openRDMA(session, peers)
	if err != nil {
		return nil, err
	}
	for _, err := range c.tryRDMA(ctx, mesh, peers) {
		if err != nil {
			return nil, errors.Join(err, mesh.Close())
		}
	}
	return c.cfg.checked(c.rank, mesh), nil
}
