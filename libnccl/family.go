//go:build cgo && linux

package main

import (
	"sync"

	"github.com/monel-dev/monel/engine"
)

// family is the ranks of one communicator that this process has. Closing one waits
// for all others, and a thread may have several that it destroys one after the other:
// so only the last one of a process waits.
type family struct {
	id      engine.UniqueID
	members int
	closing sync.WaitGroup
}

var families = struct {
	sync.Mutex
	by map[engine.UniqueID]*family
}{by: map[engine.UniqueID]*family{}}

// joinFamily adds a rank to its family.
func joinFamily(id engine.UniqueID) *family {
	families.Lock()
	defer families.Unlock()
	f := families.by[id]
	if f == nil {
		f = &family{id: id}
		families.by[id] = f
	}
	f.members++
	return f
}

// part removes a rank, and reports whether it was the last one.
func (f *family) part() bool {
	families.Lock()
	defer families.Unlock()
	f.members--
	if f.members == 0 {
		delete(families.by, f.id)
	}
	return f.members == 0
}

// leave closes a rank: now if it is the last of its family, else in time.
func (f *family) leave(closeRank func() error) error {
	done := make(chan error, 1)
	f.closing.Go(func() { done <- closeRank() })
	if !f.part() {
		return nil
	}
	f.closing.Wait()
	return <-done
}
