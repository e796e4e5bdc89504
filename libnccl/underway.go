//go:build cgo && linux

package main

import "sync"

// underway is what has begun and not ended. Unlike a sync.WaitGroup it may be added to
// while somebody waits, who waits only for what had begun by then: threads that suspend,
// resume, call and end a communicator do so in any order. The zero value is ready for use.
type underway struct {
	mu    sync.Mutex
	calls map[chan struct{}]struct{} // each closed at its end
}

// begin adds something, until ended is called, once.
func (u *underway) begin() (ended func()) {
	call := make(chan struct{})
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.calls == nil {
		u.calls = map[chan struct{}]struct{}{}
	}
	u.calls[call] = struct{}{}
	return func() {
		u.mu.Lock()
		delete(u.calls, call)
		u.mu.Unlock()
		close(call)
	}
}

// wait returns when all that has begun before has ended.
func (u *underway) wait() {
	u.mu.Lock()
	before := make([]chan struct{}, 0, len(u.calls))
	for call := range u.calls {
		before = append(before, call)
	}
	u.mu.Unlock()
	for _, call := range before {
		<-call
	}
}
