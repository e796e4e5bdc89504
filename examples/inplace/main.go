// Inplace does what classifier-free guidance on two ranks does: each rank holds
// a partial noise prediction whose dimensions were permuted by the model, the
// two are added in place, and rank 0's conditional noise is broadcast into the
// other's. No tensor is made contiguous, none is copied, and the memory beside
// the tensors stays as it was.
//
// The ranks are goroutines here, so that one command shows it: go run
// ./examples/inplace. With engine.FromEnv and engine.Init instead of NewLocal
// the same calls run between processes and hosts.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// The latents' sizes: batch, channels, height, width.
const (
	batch, channels, height, width = 1, 16, 128, 128
	count                          = batch * channels * height * width
)

func main() {
	comms, err := engine.NewLocal(2, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	results := make(chan error, len(comms))
	for _, comm := range comms {
		go func() { results <- errors.Join(guide(comm), comm.Close()) }()
	}
	for range comms {
		if err := <-results; err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("both ranks hold the sum and rank 0's noise, in their own layouts")
}

// guide is one rank's step.
func guide(comm *engine.Comm) error {
	ctx := context.Background()
	partial := make([]float32, count)
	noise := make([]float32, count)
	for i := range count {
		partial[i] = float32(i%1000) * float32(comm.Rank()+1)
		noise[i] = float32(i%1000 + 1000*comm.Rank())
	}
	if err := comm.AllReduce(ctx, latents(partial), latents(partial), engine.Sum); err != nil {
		return err
	}
	if err := comm.Broadcast(ctx, latents(noise), latents(noise), 0); err != nil {
		return err
	}
	for i := range count {
		if want := float32(i%1000) * 3; partial[i] != want {
			return fmt.Errorf("rank %d: partial[%d] is %v instead of %v", comm.Rank(), i, partial[i], want)
		}
		if want := float32(i % 1000); noise[i] != want {
			return fmt.Errorf("rank %d: noise[%d] is %v instead of %v", comm.Rank(), i, noise[i], want)
		}
	}
	return nil
}

// latents is memory in NHWC order seen as NCHW, as it comes out of a patch
// embedding: not contiguous.
func latents(memory []float32) strided.Tensor {
	return strided.Of(memory).Reshape(batch, height, width, channels).Permute(0, 3, 1, 2)
}
