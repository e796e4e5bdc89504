package engine_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/internal/faulty"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/transport"
)

// faultyCollectives are what TestWireFaults runs: all_reduce by the ring and by doubling,
// broadcast, and all others.
func faultyCollectives() []collective {
	all := []collective{
		{
			name: "all_reduce", reduces: true, reads: everyRank, writes: everyRank,
			call: func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, _ int) error {
				return c.AllReduce(background, dst, src, op)
			},
			value: func(k *collectiveCase, n, _, i int) scalar { return reduce(k.dt, k.op, n, i) },
		},
		{
			name: "broadcast", rooted: true, reads: onlyRoot, writes: everyRank,
			call: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, root int) error {
				return c.Broadcast(background, dst, src, root)
			},
			value: func(k *collectiveCase, _, _, i int) scalar { return k.input(k.root, i) },
		},
	}
	return append(all, collectives...)
}

// TestWireFaults has each kind of fault happen at each of the first chunks of a link, in
// every collective. Time is simulated. Whatever happens, every call returns within the
// timeout; a call that succeeds has the right result, where chunks are protected or not
// altered; a failure is the same one on all ranks that have it.
func TestWireFaults(t *testing.T) {
	kinds := []faulty.Kind{faulty.Delay, faulty.Flip, faulty.FlipHead, faulty.Truncate, faulty.Lose,
		faulty.Duplicate, faulty.Stall, faulty.Cut, faulty.Kill}
	for _, of := range faultyCollectives() {
		for _, kind := range kinds {
			for _, checksums := range []bool{false, true} {
				for _, elements := range []int64{10, 1000, direct} {
					if elements == direct && (kind == faulty.Delay || kind >= faulty.Stall) {
						continue // nothing of it depends on how chunks get to their place
					}
					name := fmt.Sprintf("%s/%v/checksums=%v/%d", of.name, kind, checksums, elements)
					t.Run(name, func(t *testing.T) {
						happened, chunks := 0, 4
						if elements == direct {
							chunks = 2
						}
						for at := range chunks {
							for link := range 6 {
								from := link / 2
								f := faulty.Fault{Kind: kind, From: from, To: (from + 1 + link%2) % 3, At: at, Bit: 8*at + 5, For: 3 * time.Second}
								if kind == faulty.FlipHead { // the sequence, the signature, the walk, the attempt in turns
									f.Bit = 64*((2*at+link)%4) + 5
								}
								synctest.Test(t, func(t *testing.T) {
									happened += wireFault(t, of, f, checksums, elements)
								})
							}
						}
						require.Positive(t, happened, "no fault has happened")
					})
				}
			}
		}
	}
}

// direct is a number of elements that makes long chunks of long pieces, which links bring
// to their place themselves.
const direct = 20_000

// wireFault runs a collective twice on three ranks, with a fault, and reports how often
// that has happened.
func wireFault(t *testing.T, of collective, f faulty.Fault, checksums bool, elements int64) int {
	const ranks = 3
	what := fmt.Sprintf("%v at chunk %d from %d to %d", f.Kind, f.At, f.From, f.To)
	chunk, in, out := 512, []string{"contiguous", "transpose"}, "transpose"
	if elements == direct {
		chunk, in, out = 32<<10, in[:1], "contiguous"
	}
	plan := &faulty.Plan{Faults: []faulty.Fault{f}}
	wires := make([]interface{ Kill() }, ranks)
	plan.Kill = func(rank int) { wires[rank].Kill() }
	comms, err := engine.NewLocal(ranks, engine.Between(engine.Config{
		ChunkBytes: chunk, Checksums: checksums, Timeout: time.Minute,
	}, func(rank int, mesh transport.Mesh) transport.Mesh {
		wires[rank] = mesh.(interface{ Kill() })
		return faulty.Wrap(mesh, rank, plan)
	}))
	require.NoError(t, err)
	failures := make([]error, ranks) // of calls
	wrong := make([]error, ranks)    // of results
	noting := of
	noting.call = func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, root int) error {
		failures[c.Rank()] = of.call(c, dst, src, op, root)
		return failures[c.Rank()]
	}
	k := &collectiveCase{of: &noting, dt: dtype.Int32, op: engine.Sum, block: []int64{elements / 5, 5}, big: "stacked",
		in: in, out: []string{out}, root: 1}
	defer func() {
		var closing sync.WaitGroup
		for _, c := range comms {
			closing.Go(func() { c.Close() })
		}
		closing.Wait()
	}()
	began := time.Now()
	done := make(chan int, ranks)
	for rank, c := range comms {
		go func() {
			defer func() { done <- rank }()
			for range 2 {
				err := k.runRank(forRank(t, rank), c, ranks)
				if failures[rank] == nil {
					wrong[rank] = err
				}
				if err != nil {
					return
				}
			}
		}()
	}
	for range ranks {
		<-done
	}
	took := time.Since(began)
	require.LessOrEqual(t, took, 3*time.Minute, what)
	altered := f.Kind == faulty.Flip || f.Kind == faulty.FlipHead || f.Kind == faulty.Truncate
	for rank, err := range wrong {
		if altered && !checksums {
			continue // nobody could have known
		}
		require.NoError(t, err, "%s: rank %d has accepted a wrong result", what, rank)
	}
	var seen error
	for rank, err := range failures {
		if f.Kind == faulty.Kill && rank == f.To {
			continue // it is dead; its peers hear of that from their links, if they need it
		}
		if err != nil && seen == nil {
			seen = err
		}
	}
	switch hit := plan.Happened() > 0; {
	case !hit || f.Kind == faulty.Delay:
		require.NoError(t, seen, what)
	case checksums && altered, checksums && f.Kind == faulty.Duplicate && seen != nil:
		require.ErrorIs(t, seen, engine.ErrCorrupt, what)
	case f.Kind == faulty.Kill && seen == nil:
	case f.Kind == faulty.Cut, f.Kind == faulty.Kill:
		require.ErrorIs(t, seen, engine.ErrPeerLost, what)
	}
	blamed := map[int]bool{}
	for rank, err := range failures {
		if err != nil {
			require.NotErrorIs(t, err, engine.ErrClosed, "%s: rank %d", what, rank)
		}
		var about *engine.RankError
		if errors.As(err, &about) {
			blamed[about.Rank] = true
		}
	}
	require.LessOrEqual(t, len(blamed), 1, "%s: ranks blame different ones: %v", what, failures)
	return plan.Happened()
}
