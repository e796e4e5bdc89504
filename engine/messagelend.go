package engine

import (
	"context"
	"errors"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// lending is how chunks of a message are sent from where they lie, in memory of the host
// or of a device; the zero value sends none.
type lending struct {
	host   transport.Lender
	view   strided.View
	device []transport.DeviceLender
	there  deviceView
	gate   *gate
	any    bool // something was lent
}

// lendingOf finds out how a message may be lent to a link.
func (c *Comm) lendingOf(to transport.Sender, m *transfer) *lending {
	l := &lending{view: m.view}
	switch {
	case m.bytes() < leastLent:
	case m.far == nil:
		l.host = c.lendable(to, m.view)
	case m.far.d != nil:
		l.gate = m.far.d.gate
		if l.device = l.gate.deviceLenders(to); l.device != nil {
			l.there = viewOnDevice(m.view)
		}
	}
	return l
}

// lend sends the elements [lo,hi), n bytes, if they can be lent. A slot that is acquired is
// given up.
func (l *lending) lend(o agree.Op, h *transport.Header, lo, hi int64, n int) (ok bool, err error) {
	if canLend(l.host, l.view, lo, hi, n) {
		memory, _ := l.view.Bytes(lo, hi)
		err := l.host.Lend(o.Stop, h, memory)
		if errors.Is(err, transport.ErrInvalid) { // other messages of the group needed the room
			return false, nil
		}
		l.any = true
		return true, err
	}
	if l.device == nil {
		return false, nil
	}
	at, ok := l.gate.canLend(l.device, &l.there, lo, hi, n)
	if !ok {
		return false, nil
	}
	l.any = true
	return true, l.device[0].LendDevice(o.Stop, h, at.buffer, at.at, n)
}

// settle waits until nothing that was lent is read any more, and returns err or why that
// cannot be waited for.
func (l *lending) settle(o agree.Op, err error) error {
	if !l.any {
		return err
	}
	to := l.host
	if l.device != nil {
		to = l.device[0]
	}
	return settleAfter(o.Stop, err, to)
}

// lendWait bounds how long a failed call waits for the adapters to have read what was
// lent to them, which takes them no longer than to give up its packets.
const lendWait = 2 * time.Second

// settleAfter settles what was lent to a link in a call that has ended with err so far.
func settleAfter(ctx context.Context, err error, link transport.Lender) error {
	if err == nil {
		if err = link.Settle(ctx); err == nil {
			return nil
		}
	}
	// The call has been stopped, but the memory is the caller's afterwards.
	ctx, cancel := context.WithTimeout(context.Background(), lendWait)
	defer cancel()
	_ = link.Settle(ctx) // err says more
	return err
}
