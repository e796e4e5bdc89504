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

// lone is a family of one rank.
func lone() *family { return &family{members: 1} }

var families = struct {
	sync.Mutex
	by map[engine.UniqueID]*family
}{by: map[engine.UniqueID]*family{}}

// joinFamily adds a rank to the family of those that have met under an id. Without one,
// nobody waits for others anyway.
func joinFamily(id engine.UniqueID) *family {
	if id.IsZero() {
		return lone()
	}
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
	if f == nil {
		return true
	}
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
