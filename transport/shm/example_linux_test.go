package shm_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/shm"
)

// Two ranks, here goroutines but usually processes, meet, find that they are on
// the same host, and share memory.
func Example() {
	ctx := context.Background()
	root, err := bootstrap.NewRoot(ctx, bootstrap.RootConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()

	rank := func(rank int) error {
		session, control, err := bootstrap.Connect(ctx, bootstrap.Config{Rank: rank, Size: 2, ID: root.ID()})
		if err != nil {
			return err
		}
		defer session.Close()
		defer control.Close()
		mesh, err := shm.New(shm.Config{Rank: rank, Size: 2, Peers: shm.Peers(session.Table(), rank)}, shm.OverSession(session))
		if err != nil {
			return err
		}
		defer mesh.Close()
		if err := mesh.Reach(ctx, 1-rank); err != nil {
			return err // use another transport for this peer
		}
		defer control.Leave(ctx) // together

		if rank == 0 {
			s, err := mesh.Sender(ctx, 1, 0)
			if err != nil {
				return err
			}
			slot, err := s.Acquire(ctx)
			if err != nil {
				return err
			}
			return s.Commit(&transport.Header{}, copy(slot, "hello, neighbour"))
		}
		r, err := mesh.Receiver(ctx, 0, 0)
		if err != nil {
			return err
		}
		_, payload, err := r.Next(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", payload)
		r.Release()
		return nil
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			if err := rank(i); err != nil {
				fmt.Println(err)
			}
		})
	}
	wg.Wait()
	// Output: hello, neighbour
}
