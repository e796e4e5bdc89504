package tree_test

import (
	"fmt"

	"github.com/monel-dev/monel/tree"
)

// What rank 4 of 8 does in a broadcast of 10 elements from rank 0.
func ExampleBroadcast() {
	plan, err := tree.Broadcast(tree.Config{
		Size: 8, Rank: 4, Root: 0,
		Count: 10, Chunk: 4, Align: 1,
		Algorithm: tree.Binomial,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("from", plan.Parent(), "to", plan.Children())
	for s := range plan.Steps() {
		fmt.Printf("%v [%d,%d)\n", s.Action, s.Lo, s.Hi)
	}
	// Output:
	// from 0 to [6 5]
	// RecvCopySend [0,4)
	// RecvCopySend [4,8)
	// RecvCopySend [8,10)
}

// Small tensors take few hops, large ones few bytes.
func ExampleChoose() {
	const chunk = 256 << 10
	for _, bytes := range []int64{4 << 10, 512 << 10, 16 << 20} {
		fmt.Println(bytes, tree.Choose(bytes, chunk, 4), tree.Choose(bytes, chunk, 64))
	}
	// Output:
	// 4096 binomial binomial
	// 524288 binomial binomial
	// 16777216 chain chain
}
