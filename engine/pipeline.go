package engine

import (
	"github.com/monel-dev/monel/cudaffi/kernels"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// pipeline is the sending half of a collective on a device. The goroutine that
// runs the collective receives chunks and tells the agent what to do with them, in
// the order of the plan; another one waits for what the agent has written and sends
// it, in the same order. So packing, the bus, the network and unpacking overlap.
//
// It only adds buffers to the links, which cannot make ranks wait for each other
// that did not before.
type pipeline struct {
	d     *deviceRun
	links []transport.Sender
	walk  strided.Walk
	queue chan outgoing
	done  chan struct{}
	err   error // why nothing more is sent; read after done
	// pieces is the chunk that is being sent, as links take it.
	pieces [1][]byte
	// lenders are the links, if they can send from the device's memory.
	lenders []transport.DeviceLender
	lent    bool
}

// outgoing is a chunk to be sent.
type outgoing struct {
	s      *slot
	packed bool           // it is there
	ticket kernels.Ticket // it is there when that is done, otherwise
	n      int            // bytes
	index  uint32
	lent   lent // if s is nil, where it lies in the device's memory
}

// send starts the sending half of an attempt. finish ends it.
func (d *deviceRun) send(walk strided.Walk, links ...transport.Sender) *pipeline {
	p := &pipeline{d: d, links: links, lenders: d.gate.deviceLenders(links...), walk: walk, done: make(chan struct{}),
		queue: make(chan outgoing, 2*slotCount)} // has room for every slot
	go func() {
		defer close(p.done)
		for o, ok := p.next(); ok; o, ok = p.next() {
			if p.err == nil {
				if p.err = p.pass(o); p.err != nil {
					p.err = d.c.cause(d.Op, d.named(p.err)) // stops the other half
				}
			}
			if o.s != nil {
				o.s.busy.Store(false)
			}
		}
	}()
	return p
}

// next waits for the next chunk. To wake a goroutine takes as long as to send a chunk,
// so where there are processors to spare it looks for a while before it sleeps.
func (p *pipeline) next() (o outgoing, ok bool) {
	for w := (patience{}); roomy && !w.long(); w.pause() {
		select {
		case o, ok = <-p.queue:
			return o, ok
		default:
		}
	}
	o, ok = <-p.queue
	return o, ok
}

func (p *pipeline) pass(o outgoing) error {
	if o.s == nil {
		p.d.c.label(p.d.Op, p.walk, o.index)
		for _, link := range p.lenders {
			if err := link.LendDevice(p.d.Stop, &p.d.c.header, o.lent.buffer, o.lent.at, o.n); err != nil {
				return err
			}
		}
		return nil
	}
	if !o.packed {
		if err := p.d.gate.await(p.d.Stop, o.ticket); err != nil {
			return err
		}
	}
	p.pieces[0] = o.s.host[:o.n]
	for _, link := range p.links {
		if err := p.d.c.sendFrom(p.d.Op, link, p.walk, o.index, o.n, p.pieces[:]); err != nil {
			return err
		}
	}
	return nil
}

// add hands over a chunk that is in a slot already.
func (p *pipeline) add(s *slot, n int, index uint32) {
	s.busy.Store(true)
	p.queue <- outgoing{s: s, packed: true, n: n, index: index}
}

// addPending hands over a chunk that is in its slot when the device is done with that.
func (p *pipeline) addPending(s *slot, n int, index uint32) {
	s.busy.Store(true)
	p.queue <- outgoing{s: s, ticket: s.ticket, n: n, index: index}
}

// lend hands over the elements [lo,hi) of a view, n bytes, to be sent from where they
// lie in the device's memory. It reports false if they cannot be.
func (p *pipeline) lend(v *deviceView, lo, hi int64, n int, index uint32) bool {
	at, ok := p.d.gate.canLend(p.lenders, v, lo, hi, n)
	if ok {
		p.lent = true
		p.queue <- outgoing{n: n, index: index, lent: at}
	}
	return ok
}

// finish waits until all is sent. err is how the other half has ended; after an
// error nothing more is sent.
func (p *pipeline) finish(err error) error {
	if err != nil {
		err = p.d.c.cause(p.d.Op, p.d.named(err)) // stops the sending half
	}
	close(p.queue)
	<-p.done
	if err == nil {
		err = p.err
	}
	if p.lent {
		for _, link := range p.lenders {
			err = settleAfter(p.d.Stop, err, link)
		}
	}
	return err
}

// take waits for the next free slot of a ring.
func (d *deviceRun) take(r *slotRing) (*slot, error) {
	s := &r.slots[r.next]
	r.next = (r.next + 1) % slotCount
	for p := (patience{}); s.busy.Load(); p.pause() {
		if err := d.Stop.Err(); err != nil {
			return nil, err
		}
	}
	if s.pending {
		if err := d.gate.await(d.Stop, s.ticket); err != nil {
			return nil, err
		}
		s.pending = false
	}
	return s, nil
}

// receive waits for a chunk, and bring puts it into a slot. In between its header
// may be looked at.
func (d *deviceRun) receive(in *inLink, index uint32, n int, sameWalk bool, walk strided.Walk) (arrived, error) {
	a := arrived{in: in, n: n, headOnly: in.canFill(n)}
	var err error
	a.h, a.payload, err = d.c.arrival(d.Op, in, index, n, sameWalk, a.headOnly, walk)
	a.headOnly = a.headOnly && a.payload == nil
	return a, err
}

// arrived is a chunk at the end of its link.
type arrived struct {
	in       *inLink
	h        chunkHeader
	payload  []byte // unless headOnly
	n        int
	headOnly bool
}

func (d *deviceRun) bring(a arrived, s *slot) error {
	if a.headOnly {
		d.pieces[0] = s.host[:a.n]
		if err := a.in.direct.Fill(d.Stop, d.pieces[:]); err != nil {
			return err
		}
	} else {
		copy(s.host, a.payload)
	}
	a.in.r.Release()
	return nil
}

// receiveInto is receive and bring into the next free slot.
func (d *deviceRun) receiveInto(in *inLink, index uint32, n int) (*slot, error) {
	s, err := d.take(&d.g.in)
	if err != nil {
		return nil, err
	}
	a, err := d.receive(in, index, n, true, d.Walk)
	if err != nil {
		return nil, err
	}
	return s, d.bring(a, s)
}
