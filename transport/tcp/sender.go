package tcp

import (
	"context"
	"fmt"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// sender implements transport.DirectSender. Its caller, one goroutine at a time,
// fills slots and writes them as far as the socket takes them at once. What is
// left is written, always oldest first and under the lock, by whoever gets to
// it: the caller as it commits more or waits for a slot, a receiver of the same
// mesh while it polls, or the writer, a goroutine that is there while the queue
// is not empty and sleeps until the socket has room.
//
// Without a way to write what fits at once, the writer alone writes.
type sender struct {
	mesh          *Mesh
	peer, channel int

	dialing chan struct{} // holds a token while nobody is connecting
	wire    wire          // nil until connected; guarded by the token until then
	try     tryWriter     // the wire, if it can

	cur    *slot  // acquired and not committed; the caller's own
	number uint32 // of the next frame; the caller's own
	spin   spin   // the caller's own

	room chan struct{} // a token says: a slot may be free, or the link broken

	mu     sync.Mutex
	free   []*slot // the one used last on top: it is the likeliest to be in cache
	made   int     // slots allocated
	queue  queue   // what is not written yet
	writer bool    // the writer exists
	err    error   // why nothing more is taken
}

func newSender(m *Mesh, peer, channel int) *sender {
	s := &sender{
		mesh:    m,
		peer:    peer,
		channel: channel,
		dialing: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		spin:    newSpin(m.cfg.Spin, m.cfg.crowded()),
	}
	s.dialing <- struct{}{}
	return s
}

// connect makes the connection unless it is there.
func (s *sender) connect(ctx context.Context) error {
	select {
	case <-s.dialing:
	default:
		select {
		case <-s.dialing:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.mesh.ctx.Done():
			return s.mesh.errClosed()
		}
	}
	defer func() { s.dialing <- struct{}{} }()
	if s.wire != nil {
		return nil
	}
	w, err := s.mesh.dial(ctx, s.peer, s.channel)
	if err != nil {
		return err
	}
	s.wire = w
	s.try, _ = w.(tryWriter)
	return nil
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	var poll polling
	for {
		s.mu.Lock()
		err := s.err
		if err == nil && s.cur == nil {
			s.cur = s.take()
			if s.cur == nil {
				s.flush()
				s.cur = s.take()
			}
		}
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if s.cur != nil {
			poll.success()
			return s.cur.payload(), nil
		}
		if s.try != nil && poll.again(&s.spin) {
			continue
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns a free slot, or nil.
func (s *sender) take() *slot {
	if last := len(s.free) - 1; last >= 0 {
		sl := s.free[last]
		s.free = s.free[:last]
		return sl
	}
	if s.made < s.mesh.cfg.Slots {
		s.made++
		return newSlot(s.mesh.cfg.SlotSize)
	}
	return nil
}

func (s *sender) Commit(h *transport.Header, n int) error {
	cur := s.cur
	if cur == nil {
		panic("tcp: Commit without an acquired slot")
	}
	if n < 0 || n > s.mesh.cfg.SlotSize {
		panic(fmt.Sprintf("tcp: Commit of %d bytes in a slot of %d", n, s.mesh.cfg.SlotSize))
	}
	s.cur = nil
	return s.enqueue(outgoing{parts: [2][]byte{cur.frame(h, n, s.number)}, slot: cur}, nil)
}

func (s *sender) Send(ctx context.Context, h *transport.Header, payload []byte) error {
	if s.cur != nil {
		panic("tcp: Send with an acquired slot")
	}
	if len(payload) > s.mesh.cfg.SlotSize {
		panic(fmt.Sprintf("tcp: Send of %d bytes, a slot has %d", len(payload), s.mesh.cfg.SlotSize))
	}
	if _, err := s.Acquire(ctx); err != nil {
		return err
	}
	cur := s.cur
	s.cur = nil
	head := cur.mem[:headSize]
	putHead(head, h, len(payload), s.number)
	return s.enqueue(outgoing{parts: [2][]byte{head, payload}, slot: cur}, cur.payload())
}

// enqueue sends what the socket takes at once of a frame, and leaves the rest to
// be written later. If keep is not nil, the frame's second part is the caller's,
// and what is left of it is copied to keep.
func (s *sender) enqueue(f outgoing, keep []byte) error {
	s.number++
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.free = append(s.free, f.slot)
		return s.err
	}
	s.queue.push(f)
	s.flush()
	if s.queue.empty() {
		return s.err
	}
	if keep != nil {
		s.queue.keepLast(keep)
	}
	if !s.writer {
		s.writer = true
		s.mesh.stalled.add(s)
		s.mesh.writers.Add(1)
		go s.write()
	}
	return s.err
}

// flush writes what the socket takes at once. The caller holds the lock.
func (s *sender) flush() {
	for s.try != nil && !s.queue.empty() {
		n, err := s.try.tryWrite(s.queue.buffers())
		if err != nil {
			s.breakdown(err)
			return
		}
		if n == 0 {
			return
		}
		s.wrote(n)
	}
}

// help flushes unless somebody else is at it.
func (s *sender) help() {
	if s.mu.TryLock() {
		s.flush()
		s.mu.Unlock()
	}
}

// wrote takes the first n bytes from the queue. The caller holds the lock.
func (s *sender) wrote(n int) {
	for n > 0 {
		sl, rest := s.queue.advance(n)
		n = rest
		if sl != nil {
			s.free = append(s.free, sl)
			s.wake()
		}
	}
}

// write is the writer: it writes until the queue is empty or the link breaks.
func (s *sender) write() {
	defer s.mesh.writers.Done()
	for {
		err := s.wire.drain(s)
		s.mu.Lock()
		if err != nil {
			s.breakdown(err)
		}
		if s.queue.empty() {
			s.mesh.stalled.remove(s)
			s.writer = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock() // the caller has added to it meanwhile
	}
}

// breakdown ends the link after the connection has failed with err. The caller
// holds the lock.
func (s *sender) breakdown(err error) {
	if s.err == nil {
		s.err = s.mesh.fault(s.peer, "sending to it", err)
	}
	s.queue = queue{}
	s.wake()
}

// fail makes all further calls return err; the writer goes on.
func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.wake()
}

// wake wakes the caller if it waits for a slot.
func (s *sender) wake() {
	select {
	case s.room <- struct{}{}:
	default:
	}
}
