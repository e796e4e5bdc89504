package main

import (
	"context"
	"fmt"
	"log"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

func main() {
	ctx := context.Background()
	cfg, err := engine.FromEnv() // torchrun, mpirun, srun, or MONEL_RANK and its siblings
	check(err)
	comm, err := engine.Init(ctx, cfg)
	check(err)
	defer comm.Close()

	data := []float32{1, 2, 3, 4, 5, 6}
	x := strided.Of(data).Reshape(3, 2).Permute(1, 0) // 2 x 3, transposed in memory
	check(comm.AllReduce(ctx, x, x, engine.Sum))      // in place, in x's own layout
	fmt.Println("rank", comm.Rank(), "of", comm.Size(), "has", data)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
