package engine_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// TestSeveralCommsFromSeveralGoroutines: a process that holds several ranks uses several
// communicators of them, each from a goroutine of its own, which come on as they can: no
// order is kept between communicators, on no wire.
func TestSeveralCommsFromSeveralGoroutines(t *testing.T) {
	const size, comms, rounds = 3, 4, 12
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
			w.must(t, func(rank int, c *engine.Comm) error {
				var wg sync.WaitGroup
				errs := make([]error, comms)
				for n := range comms {
					own, err := c.Split(background, 0, n*rank) // one after the other on all ranks
					if err != nil {
						return err
					}
					wg.Go(func() {
						for round := range rounds {
							if err := oneOfEach(own, n, round); err != nil {
								errs[n] = fmt.Errorf("communicator %d, round %d: %w", n, round, err)
								return
							}
						}
						errs[n] = own.Close()
					})
				}
				wg.Wait()
				return errors.Join(errs...)
			})
		})
	}
}

// oneOfEach makes some calls on a communicator whose values tell it and the round.
func oneOfEach(c *engine.Comm, number, round int) error {
	rank, size := c.Rank(), c.Size()
	value := func(rank, i int) int64 {
		return int64(rank+1)*1000000 + int64(number)*10000 + int64(round)*100 + int64(i%90)
	}
	const elements = 150 // several chunks
	own, all, got := make([]int64, elements), make([]int64, size*elements), make([]int64, elements)
	for i := range own {
		own[i] = value(rank, i)
	}
	if err := c.AllGather(background, strided.Of(all), strided.Of(own)); err != nil {
		return err
	}
	for from := range size {
		for i := range elements {
			if all[from*elements+i] != value(from, i) {
				return fmt.Errorf("all_gather: element %d of rank %d is %d", i, from, all[from*elements+i])
			}
		}
	}
	left := (rank + size - 1) % size
	if err := c.Group(background, func(g *engine.Group) error {
		return errors.Join(g.Send(strided.Of(own), (rank+1)%size), g.Recv(strided.Of(got), left))
	}); err != nil {
		return err
	}
	for i := range elements {
		if got[i] != value(left, i) {
			return fmt.Errorf("recv: element %d is %d", i, got[i])
		}
	}
	work, err := c.StartAllReduce(background, strided.Of(got), strided.Of(own), engine.Sum)
	if err == nil {
		err = work.Wait(background)
	}
	if err != nil {
		return err
	}
	for i := range elements {
		want := int64(0)
		for from := range size {
			want += value(from, i)
		}
		if got[i] != want {
			return fmt.Errorf("all_reduce: element %d is %d, not %d", i, got[i], want)
		}
	}
	return nil
}
