package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// TestProtectedCollectives: every collective, in one chunk and in many, with checksums
// and with encryption, over each wire.
func TestProtectedCollectives(t *testing.T) {
	for name, newWorld := range worlds {
		for _, cfg := range []engine.Config{{Checksums: true}, {Encrypt: true}, {Checksums: true, Encrypt: true, Connections: 2}} {
			if cfg.Encrypt && name == "rdma" {
				continue // refused: TestBadProtection
			}
			t.Run(fmt.Sprintf("%s/checksums=%v/encrypt=%v", name, cfg.Checksums, cfg.Encrypt), func(t *testing.T) {
				cfg.ChunkBytes = smallChunk
				if name == "tcp" {
					cfg = engine.Apart(cfg) // or links have one connection
				}
				w := newWorld(t, 3, cfg)
				for _, of := range faultyCollectives() {
					for _, elements := range []int64{5, 9000} {
						k := &collectiveCase{of: &of, dt: dtype.Float32, op: engine.Sum, block: []int64{elements / 5, 5}, big: "stacked",
							in: []string{"contiguous", "transpose"}, out: []string{"transpose"}, root: 1}
						k.run(t, w)
					}
				}
			})
		}
	}
}

// TestBadProtection: ranks that protect differently do not come together, and RDMA is
// not encrypted.
func TestBadProtection(t *testing.T) {
	id, err := engine.NewUniqueID()
	require.NoError(t, err)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for rank := range errs {
		wg.Go(func() {
			_, errs[rank] = engine.Init(context.Background(), engine.Config{ID: id, Rank: rank, Size: 2, Encrypt: rank == 1})
		})
	}
	wg.Wait()
	for _, err := range errs {
		var world *bootstrap.WorldError
		require.ErrorAs(t, err, &world)
		require.ErrorContains(t, err, "encryption")
	}
	_, err = engine.Init(context.Background(), engine.Config{Size: 1, Encrypt: true, Transport: "rdma"})
	var argument *engine.ArgumentError
	require.True(t, errors.As(err, &argument) && argument.Argument == "Encrypt", "%v", err)
}
