package processor

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slowPass is longer than it takes to find that no other goroutine is ready, and
	// shorter than to switch threads.
	slowPass = 5 * time.Microsecond
	// asks is how often it is asked first whether one is, after a slow pass.
	asks = 1000
)

// asking is how often that is still to be done.
var asking atomic.Int32

// Pass lets other goroutines of this process run that are ready to. To a goroutine that is
// locked to its thread, as those are that C calls, this costs two switches of threads even
// if there is no other: a runtime.Gosched of 60 µs on a busy machine, where it is 0.2 µs
// otherwise. So once it has taken long, it is asked first whether anybody is ready, which
// takes half a microsecond.
func Pass() {
	if asking.Load() > 0 {
		asking.Add(-1)
		if !anybodyReady() {
			return
		}
	}
	start := time.Now()
	runtime.Gosched()
	if time.Since(start) > slowPass {
		asking.Store(asks)
	}
}

var samples = sync.Pool{New: func() any {
	return &[1]metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
}}

// anybodyReady reports whether goroutines wait for a processor, or that it cannot be known.
func anybodyReady() bool {
	s := samples.Get().(*[1]metrics.Sample)
	defer samples.Put(s)
	metrics.Read(s[:])
	return s[0].Value.Kind() != metrics.KindUint64 || s[0].Value.Uint64() > 0
}
