package tcp

import "sync/atomic"

// helper moves the stripes of one connection beside the link's caller, in a goroutine
// that is there as long as more of them come soon. What it has not begun when the
// caller is done with the first stripe, the caller does itself: so nothing waits for
// a processor that is not to be had.
type helper struct {
	start func(work func()) bool // starts a goroutine of the mesh, unless that is closed
	job   func()                 // moves the connection's stripe of the current chunk

	state atomic.Uint32 // a stage, and alive while the goroutine is there
	wake  chan struct{} // ends the caller's sleep
	spin  spin          // the goroutine's
	wait  spin          // the caller's
}

// The stages of a job.
const (
	atRest uint32 = iota
	offered
	taken
	awaited // taken, and the caller sleeps until it is done
	done

	alive = 1 << 3
	stage = alive - 1
)

func (h *helper) init(cfg *Config, start func(func()) bool, job func()) {
	h.start, h.job, h.wake = start, job, make(chan struct{}, 1)
	h.spin, h.wait = newSpin(cfg.Spin, cfg.crowded()), newSpin(cfg.Spin, cfg.crowded())
}

// offer says that there is something to do. finish is called afterwards.
func (h *helper) offer() {
	if h.state.CompareAndSwap(atRest|alive, offered|alive) {
		return
	}
	h.state.Store(offered | alive)
	if !h.start(h.loop) {
		h.state.Store(atRest)
	}
}

// finish returns when the job is done, by whomever.
func (h *helper) finish() {
	var poll polling
	for {
		v := h.state.Load()
		switch v & stage {
		case atRest:
			h.job()
			return
		case offered:
			if h.state.CompareAndSwap(v, atRest|alive) {
				h.job()
				return
			}
		case done:
			if h.state.CompareAndSwap(v, atRest|v&alive) {
				poll.success()
				return
			}
		case taken:
			if !poll.again(&h.wait) && h.state.CompareAndSwap(v, awaited|alive) {
				<-h.wake
			}
		}
	}
}

// loop is the goroutine.
func (h *helper) loop() {
	for {
		var poll polling
		for {
			v := h.state.Load()
			if v == offered|alive {
				if h.state.CompareAndSwap(v, taken|alive) {
					poll.success()
					break
				}
				continue
			}
			if !poll.again(&h.spin) && h.state.CompareAndSwap(v, v&^alive) {
				return
			}
		}
		h.job()
		if h.state.Swap(done|alive)&stage == awaited {
			h.wake <- struct{}{}
		}
	}
}
