package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// InitScalable is Init with several unique ids, as ncclCommInitRankScalable has them:
// from one up to as many as there are ranks, the same in the same order on every rank. A
// difference is an error on all ranks that have found each other; those whose lists have
// not even the id in common at which ranks meet do not, and Init's timeout ends that.
// cfg.ID and cfg.Root are ignored.
//
// NCCL spreads its ranks over all ids to start large jobs faster. Here all ranks meet at
// one, the least by its bytes, whose root serves them at once, and the others are given
// up: those that this process has made listen no longer when InitScalable returns.
func InitScalable(ctx context.Context, cfg Config, ids []UniqueID) (*Comm, error) {
	var meeting UniqueID
	if len(ids) > 0 {
		meeting = slices.MinFunc(ids, func(a, b UniqueID) int { return bytes.Compare(a[:], b[:]) }) // whatever their order
	}
	defer func() {
		for _, id := range ids {
			if id != meeting {
				roots.giveUp(id)
			}
		}
	}()
	bad := func(format string, args ...any) (*Comm, error) {
		return nil, &ArgumentError{Rank: cfg.Rank, Call: "init", Argument: "ids", Err: fmt.Errorf(format, args...)}
	}
	if len(ids) < 1 || len(ids) > max(1, cfg.Size) {
		return bad("%d ids; give from 1 to %d, the number of ranks", len(ids), max(1, cfg.Size))
	}
	digest := sha256.New()
	for i := range ids {
		if err := ids[i].Validate(); err != nil {
			return bad("number %d: %w", i, err)
		}
		digest.Write(ids[i][:])
	}
	cfg.ID, cfg.Root, cfg.Secret, cfg.launched = meeting, "", nil, nil
	if len(ids) > 1 {
		cfg.ids = fmt.Sprintf("%d ids %x", len(ids), digest.Sum(nil)[:8])
	}
	return Init(ctx, cfg)
}

// madeRoots are the roots of ids that this process has made and that still listen.
type madeRoots struct {
	mu sync.Mutex
	by map[UniqueID]*bootstrap.Root
}

var roots = madeRoots{by: map[UniqueID]*bootstrap.Root{}}

func (m *madeRoots) add(root *bootstrap.Root) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by[root.ID()] = root
}

func (m *madeRoots) remove(id UniqueID) *bootstrap.Root {
	m.mu.Lock()
	defer m.mu.Unlock()
	root := m.by[id]
	delete(m.by, id)
	return root
}

// giveUp ends the root of an id that this process has made, if it has.
func (m *madeRoots) giveUp(id UniqueID) {
	if root := m.remove(id); root != nil {
		_ = root.Close()
	}
}
