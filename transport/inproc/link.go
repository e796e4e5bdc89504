package inproc

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// slot is a chunk's memory, handed from the sender to the receiver and back.
type slot struct {
	header transport.Header
	mem    []byte
	n      int
}

// link is a directed link. Its slots travel around in two channels whose
// capacities hold all of them, so that only taking one ever waits.
type link struct {
	from, to *Mesh
	full     chan *slot // committed, oldest first
	free     chan *slot // released
	snd      sender
	rcv      receiver
}

func newLink(from, to *Mesh) *link {
	l := &link{
		from: from,
		to:   to,
		full: make(chan *slot, to.opts.Slots),
		free: make(chan *slot, to.opts.Slots),
	}
	l.snd.link, l.snd.meter = l, from.meters.Sender()
	l.rcv.link, l.rcv.meter = l, to.meters.Receiver()
	return l
}

// sender implements transport.Sender.
type sender struct {
	*link
	cur   *slot // acquired and not committed
	made  int   // slots allocated so far
	meter *transport.Meter
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	if s.cur != nil {
		return s.cur.mem, nil
	}
	select {
	case s.cur = <-s.free:
		return s.cur.mem, nil
	default:
	}
	if s.made < cap(s.free) {
		s.made++
		s.cur = &slot{mem: make([]byte, s.from.opts.SlotSize)}
		return s.cur.mem, nil
	}
	select {
	case s.cur = <-s.free:
		return s.cur.mem, nil
	case <-s.from.gone:
		return nil, s.from.errClosed()
	case <-s.to.gone:
		return nil, s.to.errLost("Acquire")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *sender) Commit(h *transport.Header, n int) error {
	cur := s.cur
	if cur == nil {
		panic("inproc: Commit without an acquired slot")
	}
	if n < 0 || n > len(cur.mem) {
		panic(fmt.Sprintf("inproc: Commit of %d bytes in a slot of %d", n, len(cur.mem)))
	}
	s.cur = nil
	if err := s.err(); err != nil {
		return err
	}
	cur.header = *h
	cur.n = n
	s.meter.Add(n)
	s.full <- cur
	return nil
}

func (s *sender) err() error {
	if s.from.isGone() {
		return s.from.errClosed()
	}
	if s.to.isGone() {
		return s.to.errLost("sending to it")
	}
	return nil
}

// receiver implements transport.Receiver.
type receiver struct {
	*link
	cur   *slot // returned by Next and not released
	meter *transport.Meter
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.to.isGone() {
		return nil, nil, r.to.errClosed()
	}
	if r.cur != nil {
		return r.chunk()
	}
	if r.from.isGone() {
		return r.last()
	}
	select {
	case r.cur = <-r.full:
		return r.chunk()
	default:
	}
	select {
	case r.cur = <-r.full:
		return r.chunk()
	case <-r.to.gone:
		return nil, nil, r.to.errClosed()
	case <-r.from.gone:
		return r.last()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// last returns what the sender, now gone, has left behind. A sender that closed
// in an orderly way had put everything into the queue before.
func (r *receiver) last() (*transport.Header, []byte, error) {
	if !r.from.died {
		select {
		case r.cur = <-r.full:
			return r.chunk()
		default:
		}
	}
	return nil, nil, r.from.errLost("receiving from it")
}

func (r *receiver) chunk() (*transport.Header, []byte, error) {
	return &r.cur.header, r.cur.mem[:r.cur.n:r.cur.n], nil
}

func (r *receiver) Release() {
	cur := r.cur
	if cur == nil {
		panic("inproc: Release without a chunk from Next")
	}
	r.cur = nil
	r.meter.Add(cur.n)
	if r.to.opts.Poison {
		for i := range cur.mem[:cur.n] {
			cur.mem[i] = 0xdb
		}
	}
	r.free <- cur
}
