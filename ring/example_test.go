package ring_test

import (
	"fmt"

	"github.com/monel-dev/monel/ring"
)

// The program of rank 1 of 3, for 12 elements that fit into one loop.
func ExampleAllReduce() {
	plan, err := ring.AllReduce(ring.Config{
		Size: 3, Rank: 1,
		Count: 12, Chunk: 4, Align: 1,
		Depth: 2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for s := range plan.Steps() {
		fmt.Printf("%v [%d,%d)\n", s.Action, s.Lo, s.Hi)
	}
	// Output:
	// Send [0,4)
	// RecvReduceSend [8,12)
	// RecvReduceCopySend [4,8)
	// RecvCopySend [0,4)
	// RecvCopy [8,12)
}
