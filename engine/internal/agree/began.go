package agree

import (
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/internal/publish"
)

// began is when the operation in progress began, since the member was made, which takes
// one clock to tell, not two. To read the clock takes a tenth of a short operation's
// time, unless that is done while it waits anyway; so it may be unknown for a moment.
//
// Whoever asks for an unknown moment sets it. Two at once set two that are as good.
type began struct{ ns atomic.Uint64 }

// unknown stands for a moment that nobody has asked the clock for.
const unknown = ^uint64(0)

// Only one goroutine forgets, and under the member's lock.
func (b *began) forget() { publish.Uint64(&b.ns, unknown) }

// at is when it was, now if that is unknown.
func (b *began) at(born time.Time) time.Duration {
	if ns := b.ns.Load(); ns != unknown {
		return time.Duration(ns)
	}
	now := time.Since(born)
	publish.Uint64(&b.ns, uint64(now))
	return now
}

// Stamp notes that the operation in progress began now, unless it is known already when
// it did.
func (m *Member) Stamp() { m.began.at(m.born) }
