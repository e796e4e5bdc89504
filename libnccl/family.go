//go:build cgo && linux

package main

import (
	"sync"
	"time"

	"github.com/monel-dev/monel/engine"
)

// family is the ranks of one communicator that this process has. Closing one waits for all
// others, or ends what they still need where all are in this process, and a thread may have
// several that it destroys one after the other: so only the last one of a process waits,
// and where they are all, none is closed before.
type family struct {
	kin     any
	members int
	all     bool          // that there are
	gone    chan struct{} // closed when all have left
	closing sync.WaitGroup
}

// stragglers is how long ranks that have left wait to be closed for others of the process.
const stragglers = 10 * time.Second

// closingTime is how long the last rank waits until the others have been closed as well.
// They are about to be, but for memory of devices, which may wait for all that is on the
// device, and so for collectives of other communicators that wait for this very rank.
const closingTime = 200 * time.Millisecond

var families = struct {
	sync.Mutex
	by map[any]*family
}{by: map[any]*family{}}

// joinFamily adds a rank to its family. Ranks without kin are alone.
func joinFamily(kin any) *family {
	families.Lock()
	defer families.Unlock()
	f := families.by[kin]
	if f == nil || kin == nil {
		f = &family{kin: kin, gone: make(chan struct{})}
		if kin != nil {
			families.by[kin] = f
		}
	}
	f.members++
	return f
}

// familyOf adds a rank that has met the others to its family.
func familyOf(e *engine.Comm) *family {
	kin := e.Kin()
	if _, met := kin.(engine.UniqueID); met || kin == nil {
		return joinFamily(kin)
	}
	families.Lock()
	defer families.Unlock()
	f := families.by[kin]
	if f == nil { // the others will come
		f = &family{kin: kin, all: true, members: e.Size(), gone: make(chan struct{})}
		families.by[kin] = f
	}
	return f
}

// complete says that a rank of the family has met the others, so that no more will come:
// who has the same id from now on is of the next communicator, as with NCCL_COMM_ID.
func (f *family) complete() {
	families.Lock()
	defer families.Unlock()
	if f.kin != nil && families.by[f.kin] == f {
		delete(families.by, f.kin)
	}
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
		if families.by[f.kin] == f {
			delete(families.by, f.kin)
		}
		close(f.gone)
	}
	return f.members == 0
}

// leave closes a rank: now if it is the last of its family, else in time.
func (f *family) leave(closeRank func() error) error {
	done := make(chan error, 1)
	f.closing.Go(func() {
		if f.all {
			timer := time.NewTimer(stragglers)
			defer timer.Stop()
			select {
			case <-f.gone:
			case <-timer.C:
			}
		}
		done <- closeRank()
	})
	if !f.part() {
		return nil
	}
	err := <-done
	rest := make(chan struct{})
	go func() {
		f.closing.Wait()
		close(rest)
	}()
	timer := time.NewTimer(closingTime)
	defer timer.Stop()
	select {
	case <-rest:
	case <-timer.C:
	}
	return err
}
