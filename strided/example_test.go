package strided_test

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/strided"
)

func Example() {
	// A 2×3 matrix, seen transposed, leaves its memory in its logical order.
	data := []float32{
		1, 2, 3,
		4, 5, 6,
	}
	x := strided.Of(data).Reshape(2, 3).Permute(1, 0)
	v, err := x.View(strided.Logical)
	if err != nil {
		fmt.Println(err)
		return
	}
	slot := make([]byte, 4*v.Count())
	v.Pack(slot, 0, v.Count())
	fmt.Println(unsafe.Slice((*float32)(unsafe.Pointer(&slot[0])), 6))
	// Output: [1 4 2 5 3 6]
}

func ExampleTensor_Permute() {
	// The memory of a batch of images in channels-last order, seen as NCHW.
	x := strided.Of(make([]float32, 2*8*8*3)).Reshape(2, 8, 8, 3).Permute(0, 3, 1, 2)
	fmt.Println(x.Shape(), x.Layout().Strides(), x.Layout().MemoryWalk())
	// Output: [2 3 8 8] [192 1 24 3] 0,2,3,1
}

func ExampleTensor_Err() {
	x := strided.Of(make([]float32, 12)).Reshape(3, 4).Slice(1, 2, 5).Permute(1, 0)
	fmt.Println(errors.Is(x.Err(), strided.ErrShape))
	fmt.Println(x.Err())
	// Output:
	// true
	// strided.Slice: invalid shape: [2,5) of dimension 1, whose size is 4
}

func ExampleLayout_MemoryWalk() {
	x := strided.Of(make([]int8, 24)).Reshape(2, 3, 4)
	fmt.Println(x.Layout().MemoryWalk())
	fmt.Println(x.Permute(2, 0, 1).Reverse(1).Layout().MemoryWalk())
	// Output:
	// logical
	// -1,2,0
}

func ExampleView_ReduceOut() {
	// The last hop of an average over two ranks: what arrived in the slot and this
	// rank's column of a matrix make the result, which replaces the column. Its
	// neighbours stay as they are.
	data := []float32{
		1, 10,
		2, 20,
		3, 30,
	}
	arrived := []float32{3, 4, 5}
	slot := unsafe.Slice((*byte)(unsafe.Pointer(&arrived[0])), 12)
	column, err := strided.Of(data).Reshape(3, 2).Select(1, 0).View(strided.Logical)
	if err != nil {
		fmt.Println(err)
		return
	}
	column.ReduceOut(column, nil, slot, 0, 3, strided.Avg, 2)
	fmt.Println(data)
	// Output: [2 10 3 20 4 30]
}

func ExampleCopy() {
	x := []int32{1, 2, 3, 4, 5, 6}
	y := make([]int32, 6)
	err := strided.Copy(strided.Of(y).Reshape(3, 2), strided.Of(x).Reshape(2, 3).Permute(1, 0))
	fmt.Println(y, err)
	// Output: [1 4 2 5 3 6] <nil>
}

func ExampleConflict() {
	m := strided.Of(make([]float32, 16)).Reshape(4, 4)
	fmt.Println(strided.Conflict(m.Select(1, 0), m.Select(1, 1)))
	fmt.Println(strided.Conflict(m, m))
	fmt.Println(errors.Is(strided.Conflict(m, m.Permute(1, 0)), strided.ErrOverlap))
	// Output:
	// <nil>
	// <nil>
	// true
}
