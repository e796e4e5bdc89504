package cudaffi_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/monel-dev/monel/cudaffi"
)

// Work on a stream, and its result on the host.
func Example() {
	driver, err := cudaffi.Default()
	if errors.Is(err, cudaffi.ErrNoCUDA) || errors.Is(err, cudaffi.ErrNoDevice) {
		fmt.Println(err) // how to get one
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := driver.Primary(0)
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Release()
	result := make([]byte, 4)
	err = ctx.Do(func() error { // not needed, but many calls are cheaper inside
		stream, err := ctx.NewStream(cudaffi.PriorityDefault)
		if err != nil {
			return err
		}
		defer stream.Destroy()
		memory, err := ctx.Alloc(1 << 20)
		if err != nil {
			return err
		}
		defer ctx.Free(memory)
		if err := ctx.Memset(memory, 42, 1<<20, stream); err != nil {
			return err
		}
		if err := stream.Sync(); err != nil {
			return err
		}
		return ctx.CopyToHost(result, memory)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
}

// A machine without a driver is no reason to fail: the error says what is
// missing, for the program and for people.
func ExampleOpen() {
	_, err := cudaffi.Open("/nowhere/libcuda.so.1")
	if errors.Is(err, cudaffi.ErrNoCUDA) {
		fmt.Println("no CUDA driver: going on without GPUs")
	}
	var load *cudaffi.LoadError
	if errors.As(err, &load) {
		fmt.Println("looked for", load.Path)
	}
	// Output:
	// no CUDA driver: going on without GPUs
	// looked for /nowhere/libcuda.so.1
}
