package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Ranks with even and with odd numbers sum their numbers apart.
func ExampleComm_Split() {
	comms, err := engine.InitAll(context.Background(), 4, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	sums := make([][]int32, 4)
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			half, err := comm.Split(context.Background(), rank%2, rank)
			if err != nil {
				log.Fatal(err)
			}
			defer half.Close()
			sums[rank] = []int32{int32(rank)}
			x := strided.Of(sums[rank])
			if err := half.AllReduce(context.Background(), x, x, engine.Sum); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(sums)
	// Output:
	// [[2] [4] [2] [4]]
}

// Each rank starts to make two communicators amid its other calls, and waits for none of
// them before it needs it.
func ExampleComm_StartSplit() {
	ctx := context.Background()
	comms, err := engine.InitAll(ctx, 4, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	sums := make([][]int32, 4)
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			sums[rank] = []int32{1}
			x := strided.Of(sums[rank])
			rows, err := comm.StartSplit(ctx, rank/2, rank)
			if err != nil {
				log.Fatal(err)
			}
			columns, err := comm.StartSplit(ctx, rank%2, rank)
			if err != nil {
				log.Fatal(err)
			}
			if err := comm.AllReduce(ctx, x, x, engine.Sum); err != nil { // follows the splits
				log.Fatal(err)
			}
			for _, pending := range []*engine.PendingComm{rows, columns} {
				pair, err := pending.Wait(ctx)
				if err != nil {
					log.Fatal(err)
				}
				defer pair.Close()
				if err := pair.AllReduce(ctx, x, x, engine.Sum); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(sums)
	// Output:
	// [[16] [16] [16] [16]]
}

// A rank goes away in the middle of a collective. The others find out which, and go on
// without it.
func ExampleComm_Shrink() {
	comms, err := engine.InitAll(context.Background(), 3, engine.Config{Transport: "tcp"})
	if err != nil {
		log.Fatal(err)
	}
	sums := make([][]int32, 3)
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			if rank == 1 {
				_ = comm.Abort()
				return
			}
			sums[rank] = []int32{int32(rank)}
			x := strided.Of(sums[rank])
			err := comm.AllReduce(context.Background(), x, x, engine.Sum)
			var lost *engine.RankError
			if !errors.As(err, &lost) {
				log.Fatal("not the loss of a rank: ", err)
			}
			rest, err := comm.Shrink(context.Background(), []int{lost.Rank}, engine.ShrinkAbort)
			if err != nil {
				log.Fatal(err)
			}
			defer rest.Close()
			if err := rest.AllReduce(context.Background(), x, x, engine.Sum); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(sums)
	// Output:
	// [[2] [] [2]]
}
