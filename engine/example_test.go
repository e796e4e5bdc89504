package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// Two ranks sum a matrix. Rank 1 holds it transposed; each gets the result in
// its own layout, in place.
func ExampleComm_AllReduce() {
	comms, err := engine.NewLocal(2, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	rows := []float32{1, 2, 3, 4, 5, 6}          // 2x3, row after row
	columns := []float32{10, 40, 20, 50, 30, 60} // 2x3, column after column
	tensors := []strided.Tensor{
		strided.Of(rows).Reshape(2, 3),
		strided.Of(columns).Reshape(3, 2).Permute(1, 0),
	}
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			x := tensors[rank]
			if err := comm.AllReduce(context.Background(), x, x, engine.Sum); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(rows)
	fmt.Println(columns)
	// Output:
	// [11 22 33 44 55 66]
	// [11 44 22 55 33 66]
}

// The root's column reaches the others' columns; the rest of their matrices
// stays as it was.
func ExampleComm_Broadcast() {
	comms, err := engine.NewLocal(3, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	matrices := [3][]int32{}
	var wg sync.WaitGroup
	for rank, comm := range comms {
		m := make([]int32, 6)
		for i := range m {
			m[i] = int32(100*rank + i)
		}
		matrices[rank] = m
		wg.Go(func() {
			defer comm.Close()
			column := strided.Of(m).Reshape(3, 2).Select(1, 1)
			if err := comm.Broadcast(context.Background(), column, column, 2); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	for _, m := range matrices {
		fmt.Println(m)
	}
	// Output:
	// [0 201 2 203 4 205]
	// [100 201 102 203 104 205]
	// [200 201 202 203 204 205]
}

// Ranks that disagree get an error that says how, and keep their data.
func ExampleMismatchError() {
	comms, err := engine.NewLocal(2, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			x := strided.Of(make([]float32, 4+rank))
			errs[rank] = comm.AllReduce(context.Background(), x, x, engine.Sum)
		})
	}
	wg.Wait()
	fmt.Println(errs[0])
	// Output:
	// operation 0: ranks disagree: rank 0 called all_reduce float sum shape [4]; rank 1 called all_reduce float sum shape [5] (the communicator stays usable)
}

// Started calls run in their order while the program goes on.
func ExampleComm_StartAllReduce() {
	comms, err := engine.NewLocal(2, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	results := [2][]float32{}
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			defer comm.Close()
			ctx := context.Background()
			sum, most := []float32{1, 2}, []float32{float32(rank), 5}
			first, err := comm.StartAllReduce(ctx, strided.Of(sum), strided.Of(sum), engine.Sum)
			if err != nil {
				log.Fatal(err)
			}
			second, err := comm.StartAllReduce(ctx, strided.Of(most), strided.Of(most), engine.Max)
			if err != nil {
				log.Fatal(err)
			}
			// ... something else ...
			if err := errors.Join(first.Wait(ctx), second.Wait(ctx)); err != nil {
				log.Fatal(err)
			}
			results[rank] = append(sum, most...)
		})
	}
	wg.Wait()
	fmt.Println(results)
	// Output:
	// [[2 4 1 5] [2 4 1 5]]
}

// A tensor on a GPU, transposed in memory, is reduced in its place among the work of
// a stream. address and handle come from whoever owns memory and stream; PyTorch
// for one calls them x.data_ptr() and torch.cuda.current_stream().cuda_stream.
func ExampleOnStream() {
	reduce := func(ctx context.Context, comm *engine.Comm, address uint64, handle uintptr) (*engine.Work, error) {
		driver, err := cudaffi.Default()
		if err != nil {
			return nil, err // errors.Is(err, cudaffi.ErrNoCUDA): there is no driver
		}
		gpu, err := driver.Primary(0)
		if err != nil {
			return nil, err
		}
		const rows, columns = 4096, 1024
		x := strided.FromDevice(dtype.BFloat16, address, 2*rows*columns).Reshape(columns, rows).Permute(1, 0)
		stream := gpu.StreamOf(handle)
		// Kernels that the stream has already been given compute x; those that it is
		// given from now on see the sum. The host waits for neither.
		return comm.StartAllReduce(ctx, x, x, engine.Sum, engine.OnStream(stream))
	}
	_ = reduce // it needs a GPU
}

// Three ranks pass a vector on to the next one. In a group, sending and receiving go on
// side by side, so nobody has to begin.
func ExampleComm_Group() {
	comms, err := engine.NewLocal(3, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	var got [3][]int32
	var wg sync.WaitGroup
	for rank, comm := range comms {
		got[rank] = make([]int32, 2)
		wg.Go(func() {
			defer comm.Close()
			mine := []int32{int32(rank), int32(10 * rank)}
			err := comm.Group(context.Background(), func(g *engine.Group) error {
				return errors.Join(
					g.Send(strided.Of(mine), (rank+1)%3),
					g.Recv(strided.Of(got[rank]), (rank+2)%3),
				)
			})
			if err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(got)
	// Output:
	// [[2 20] [0 0] [1 10]]
}

// Each rank has a row, and gets the matrix of all rows, transposed in memory.
func ExampleComm_AllGather() {
	comms, err := engine.NewLocal(2, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	var memory [2][]float32
	var wg sync.WaitGroup
	for rank, comm := range comms {
		memory[rank] = make([]float32, 6)
		wg.Go(func() {
			defer comm.Close()
			row := []float32{float32(rank), 0.5, float32(-rank)}
			matrix := strided.Of(memory[rank]).Reshape(3, 2).Permute(1, 0)
			if err := comm.AllGather(context.Background(), matrix, strided.Of(row)); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(memory[0])
	fmt.Println(memory[1])
	// Output:
	// [0 1 0.5 0.5 0 -1]
	// [0 1 0.5 0.5 0 -1]
}
