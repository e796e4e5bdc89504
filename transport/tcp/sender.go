package tcp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/transport"
)

// sender implements transport.DirectSender. Its caller, one goroutine at a time,
// fills slots and writes them as far as the sockets take them at once. What is left
// waits in the queues of the lanes. Small frames go over the first lane, and others,
// in stripes, over several, each of which has a helper.
type sender struct {
	mesh          *Mesh
	peer, channel int
	meter         *transport.Meter

	lanes   []lane
	dialing chan struct{} // holds a token while nobody is connecting
	ready   bool          // all lanes are connected; guarded by the token until then

	cur    *slot  // acquired and not committed; the caller's own
	number uint32 // of the next frame; the caller's own
	later  bool   // some frame may wait for Flush; the caller's own
	spin   spin   // the caller's own

	room chan struct{} // a token says: a slot may be free, or the link broken

	failure atomic.Pointer[failure] // why nothing more is taken

	mu   sync.Mutex // taken with a lane's lock held, never the other way round
	free []*slot    // the one used last on top: it is the likeliest to be in cache
	made int        // slots allocated
	most int        // slots there may be
}

type failure struct{ error }

var _ transport.DirectSender = (*sender)(nil)

func newSender(m *Mesh, peer, channel int) *sender {
	s := &sender{
		mesh:    m,
		peer:    peer,
		channel: channel,
		meter:   m.meters.Sender(),
		lanes:   make([]lane, m.cfg.connectionsTo(peer)),
		dialing: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		spin:    newSpin(m.cfg.Spin, m.cfg.crowded()),
	}
	s.most = m.cfg.Slots
	for j := range s.lanes {
		l := &s.lanes[j]
		l.link = s
		l.helper.init(&m.cfg, m.help, l.enqueuePart)
	}
	s.dialing <- struct{}{}
	return s
}

// connect makes the connections that are not there.
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
	if s.ready {
		return nil
	}
	// All at once: each takes a few round trips.
	errs := make([]error, len(s.lanes))
	var wg sync.WaitGroup
	for j := range s.lanes {
		if s.lanes[j].wire != nil {
			continue // from an attempt that failed halfway
		}
		wg.Go(func() {
			var w wire
			if w, errs[j] = s.mesh.dial(ctx, s.peer, s.channel*len(s.lanes)+j); errs[j] == nil {
				s.lanes[j].connected(w)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	s.ready = true
	return nil
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	var poll polling
	for {
		if s.cur == nil {
			s.cur = s.take()
		}
		direct := s.lanes[0].try != nil
		if s.cur == nil && direct {
			s.flush()
			s.cur = s.take()
		}
		if err := s.failed(); err != nil {
			return nil, err
		}
		if s.cur != nil {
			poll.success()
			return s.cur.payload(), nil
		}
		if direct && poll.again(&s.spin) {
			continue
		}
		if err := s.Flush(); err != nil { // there is a writer afterwards, to free a slot
			return nil, err
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// flush writes what the sockets take at once.
func (s *sender) flush() {
	for j := range s.lanes {
		l := &s.lanes[j]
		l.mu.Lock()
		l.flush()
		l.mu.Unlock()
	}
}

// take returns a free slot, or nil.
func (s *sender) take() *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		sl := s.free[last]
		s.free = s.free[:last]
		return sl
	}
	if s.made < s.most {
		s.made++
		return newSlot(s.mesh.cfg.SlotSize)
	}
	return nil
}

// put says that a stripe of a slot's frame has been written, and takes the slot back
// with the last.
func (s *sender) put(sl *slot) {
	s.mu.Lock()
	sl.parts--
	free := sl.parts == 0
	if free {
		s.free = append(s.free, sl)
	}
	s.mu.Unlock()
	if free {
		s.wake()
	}
}

func (s *sender) Commit(h *transport.Header, n int) error {
	cur := s.cur
	if cur == nil {
		panic("tcp: Commit without an acquired slot")
	}
	if n < 0 || n > s.mesh.cfg.SlotSize {
		panic(fmt.Sprintf("tcp: Commit of %d bytes in a slot of %d", n, s.mesh.cfg.SlotSize))
	}
	s.meter.Add(n)
	cut := s.cutting(n)
	s.lanes[0].part = outgoing{begin: cur.frame(h, cut, s.number)}
	for j := 1; j < cut.count; j++ {
		lo, hi := cut.bounds(j)
		s.lanes[j].part = outgoing{begin: cur.payload()[lo:hi]}
	}
	return s.spread(cut.count, false)
}

func (s *sender) Send(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.send(ctx, h, pieces, false)
}

func (s *sender) SendLater(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.send(ctx, h, pieces, true)
}

func (s *sender) Flush() error {
	if !s.later {
		return nil
	}
	s.later = false
	l := &s.lanes[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.failed(); err != nil {
		l.queue.keep()
		return err
	}
	return l.send()
}

// send is Send, or SendLater if there is more to come.
func (s *sender) send(ctx context.Context, h *transport.Header, pieces [][]byte, more bool) error {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if n > s.mesh.cfg.SlotSize {
		panic(fmt.Sprintf("tcp: Send of %d bytes, a slot has %d", n, s.mesh.cfg.SlotSize))
	}
	if _, err := s.Acquire(ctx); err != nil {
		return err
	}
	s.meter.Add(n)
	cut := s.cutting(n)
	head := s.cur.mem[:headSize]
	putHead(head, h, cut, s.number)
	for j := range cut.count {
		l, list := &s.lanes[j], &s.cur.pieces
		if j > 0 {
			list = &l.pieces
		}
		lo, hi := cut.bounds(j)
		*list = between((*list)[:0], pieces, lo, hi)
		l.part = outgoing{pieces: *list, home: s.cur.payload()[lo:hi]}
	}
	s.lanes[0].part.begin = head
	return s.spread(cut.count, more && cut.count == 1)
}

// cutting is how a payload of n bytes is cut.
func (s *sender) cutting(n int) stripes { return stripesOf(n, len(s.lanes), s.mesh.cfg.Stripe) }

// spread sends the frame in the current slot, whose stripes are the parts of so many
// lanes. With more to come, one in one stripe may wait.
func (s *sender) spread(count int, more bool) error {
	s.later = more
	s.cur.parts = count
	for j := range count {
		s.lanes[j].part.slot = s.cur
	}
	s.cur = nil
	s.number++
	for j := 1; j < count; j++ {
		s.lanes[j].helper.offer()
	}
	err := s.lanes[0].enqueue(s.lanes[0].part, more)
	s.lanes[0].part = outgoing{}
	for j := 1; j < count; j++ {
		s.lanes[j].helper.finish()
		s.lanes[j].part = outgoing{}
	}
	if err == nil && count > 1 {
		err = s.failed()
	}
	return err
}

// failed returns why nothing more is taken, or nil.
func (s *sender) failed() error {
	if f := s.failure.Load(); f != nil {
		return f.error
	}
	return nil
}

// broke ends the link after one of its connections has failed with err. The
// others are closed as well: the receiver will not get past what is missing, so
// nothing would ever take what they hold.
func (s *sender) broke(err error) {
	if s.failure.CompareAndSwap(nil, &failure{s.mesh.fault(s.peer, "sending to it", err)}) {
		for j := range s.lanes {
			s.lanes[j].wire.close()
		}
	}
	s.wake()
}

// fail makes all further calls return err; the writers go on, and no new one
// comes.
func (s *sender) fail(err error) {
	s.failure.Store(&failure{err})
	for j := range s.lanes {
		s.lanes[j].settle()
	}
	s.wake()
}

// wake wakes the caller if it waits for a slot.
func (s *sender) wake() {
	select {
	case s.room <- struct{}{}:
	default:
	}
}
