package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"syscall"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// reduced makes two ranks that have summed a vector, as the examples below need them.
func reduced(cfg engine.Config) []*engine.Comm {
	comms, err := engine.NewLocal(2, cfg)
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, comm := range comms {
		wg.Go(func() {
			x := strided.Of(make([]float32, 1024))
			if err := comm.AllReduce(context.Background(), x, x, engine.Sum); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	return comms
}

// What a rank has done so far.
func ExampleComm_Stats() {
	comms := reduced(engine.Config{})
	for _, s := range comms[0].Stats().Collectives {
		fmt.Println(s.Collective, s.Calls, "calls,", s.Bytes, "bytes,", s.Failures, "failures")
	}
	// Output: all_reduce 1 calls, 4096 bytes, 0 failures
}

// The latest operations, one by one; Dump writes them as JSON.
func ExampleComm_Flight() {
	comms := reduced(engine.Config{})
	for _, op := range comms[1].Flight().Operations {
		fmt.Println(op.Seq, op.Call, op.State)
	}
	// Output: 0 all_reduce float sum shape [1024] done
}

// A job that seems to hang is asked what it is doing: kill -USR1 its processes, and
// compare the files.
func ExampleDumpOnSignal() {
	stop := engine.DumpOnSignal("/tmp/flight-%h-%r.json", syscall.SIGTERM) // better: SIGUSR1, where there is one
	defer stop()
	// ... engine.Init, training ...
}

// A timeline for chrome://tracing and ui.perfetto.dev.
func ExampleWriteTrace() {
	comms := reduced(engine.Config{TraceHops: 1000})
	file, err := os.CreateTemp("", "trace-*.json")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	if err := engine.WriteTrace(file, comms...); err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Close())
	// Output: <nil>
}
