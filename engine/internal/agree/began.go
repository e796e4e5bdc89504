package agree

import (
	"sync/atomic"
	"time"
)

// began is when the operation in progress began, since the member was made, which takes
// one clock to tell, not two. To read the clock takes a tenth of a short operation's
// time, unless that is done while it waits anyway; so it may be unknown for a moment.
type began struct{ ns atomic.Int64 }

// unknown stands for a moment that nobody has asked the clock for.
const unknown = -1

// Only one goroutine forgets, and under the member's lock.
func (b *began) forget() { b.ns.Store(unknown) }

// at is when it was, now if that is unknown.
func (b *began) at(born time.Time) time.Duration {
	if ns := b.ns.Load(); ns != unknown {
		return time.Duration(ns)
	}
	b.ns.CompareAndSwap(unknown, int64(time.Since(born)))
	return time.Duration(b.ns.Load())
}

// Stamp notes that the operation in progress began now, unless it is known already when
// it did.
func (m *Member) Stamp() { m.began.at(m.born) }
