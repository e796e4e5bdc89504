package shm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

// offerTime is how long the peer may take to answer an offer. It does so
// without any call of its user, but its process may be slow.
const offerTime = 30 * time.Second

// fileSize is the size of the file for a channel's segment.
func fileSize(g geometry, channel uint32) int {
	if channel == probeChannel {
		return pageSize
	}
	return g.size()
}

// offer makes the segment for a channel and has the peer map it. For the probe
// it returns nil.
func (p *peer) offer(c *conn, channel uint32) (*segment, error) {
	o := &offer{channel: channel, geometry: p.mesh.geometry(), pid: uint32(os.Getpid())}
	o.size = fileSize(o.geometry, channel)
	rand.Read(o.nonce[:])
	seg, f, err := p.create(o)
	if err == nil {
		err = p.propose(c, o, f)
		f.Close()
		if err != nil || channel == probeChannel {
			unmap(seg.mem)
			seg = nil
		}
	}
	if errors.Is(err, transport.ErrUnavailable) || errors.Is(err, transport.ErrInvalid) {
		w := withdrawal{channel, err.Error()}
		_ = c.Send(w.encode(), converse.WriteTime) // should that fail the peer is lost
	}
	return seg, err
}

func (p *peer) create(o *offer) (*segment, *os.File, error) {
	f, err := p.mesh.sys.create(o.nonce, o.size)
	if err == nil {
		var mem []byte
		if mem, err = mapFile(f, o.size); err == nil {
			seg := view(mem, o.geometry)
			seg.format(o.nonce)
			return seg, f, nil
		}
		f.Close()
	}
	return nil, nil, p.errorf("shm: memory to share is %w: %w", transport.ErrUnavailable, err)
}

// propose has the peer map f in one way or another.
func (p *peer) propose(c *conn, o *offer, f *os.File) error {
	var reasons []error
	for _, way := range p.mesh.sys.ways {
		o.way, o.fd = way, uint32(f.Fd())
		a, err := p.ask(c, o, f)
		switch {
		case err != nil:
			return err
		case a.verdict == mapped:
			return nil
		case a.verdict == mismatch:
			return p.errorf("shm: %w: it does not take the memory: %q", transport.ErrInvalid, a.text)
		}
		reasons = append(reasons, fmt.Errorf("%v: %q", way, a.text))
	}
	return p.errorf("shm: sharing memory with it is %w: %w", transport.ErrUnavailable, errors.Join(reasons...))
}

// ask makes one offer and waits for the answer.
func (p *peer) ask(c *conn, o *offer, f *os.File) (answer, error) {
	m := p.mesh
	if o.way == wayPass {
		passer, err := passFile(o, f)
		if err != nil {
			return answer{verdict: refused, text: err.Error()}, nil
		}
		defer passer.Close()
	}
	answered := make(chan answer, 1)
	m.mu.Lock()
	c.lastID++
	o.id = c.lastID
	c.pending[o.id] = answered
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(c.pending, o.id)
		m.mu.Unlock()
	}()
	if err := c.Send(o.encode(), converse.WriteTime); err != nil {
		if m.ctx.Err() != nil {
			return answer{}, m.errClosed()
		}
		return answer{}, p.errorf("shm: %w: %w", transport.ErrPeerLost, err)
	}
	timer := time.NewTimer(offerTime)
	defer timer.Stop()
	select {
	case a := <-answered:
		return a, nil
	case <-p.gone:
		return answer{}, p.lost()
	case <-m.ctx.Done():
		return answer{}, m.errClosed()
	case <-timer.C:
		return answer{}, p.errorf("shm: %w: it has not answered an offer of memory for %v", transport.ErrTimeout, offerTime)
	}
}

// answered passes the peer's answer on to who waits for it.
func (c *conn) answered(t converse.Type, body []byte) error {
	if t != msgAnswer {
		return converse.Unexpected(t)
	}
	a, err := decodeAnswer(body)
	if err != nil {
		return err
	}
	m := c.peer.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if ch := c.pending[a.id]; ch != nil { // else it came too late
		delete(c.pending, a.id)
		ch <- a
	}
	return nil
}

// react serves a message of a peer that has said hello.
func (p *peer) react(c *conn, t converse.Type, body []byte) error {
	switch t {
	case msgOffer:
		o, err := decodeOffer(body)
		if err != nil {
			return err
		}
		a, err := p.consider(&o)
		if err != nil {
			return err
		}
		a.id = o.id
		return c.Send(a.encode(), converse.WriteTime)
	case msgWithdraw:
		w, err := decodeWithdrawal(body)
		if err != nil {
			return err
		}
		p.withdrawn(w)
		return nil
	default:
		return converse.Unexpected(t)
	}
}

// maxLinks bounds the links from one peer.
const maxLinks = 4096

// consider maps what the peer offers, unless this mesh is being closed.
func (p *peer) consider(o *offer) (answer, error) {
	m := p.mesh
	seg, a := p.take(o)
	if seg == nil {
		return a, nil
	}
	if o.channel == probeChannel {
		unmap(seg.mem)
		p.probeEnds(nil)
		return a, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		unmap(seg.mem)
		return a, m.errClosed()
	case len(p.receivers) >= maxLinks && p.receivers[o.channel] == nil:
		unmap(seg.mem)
		return answer{verdict: mismatch, text: fmt.Sprintf("more than %d links", maxLinks)}, nil
	case !p.receiver(o.channel).meet(seg, nil):
		unmap(seg.mem)
		return answer{verdict: mismatch, text: fmt.Sprintf("channel %d is offered twice", o.channel)}, nil
	}
	return a, nil
}

// take maps the segment of an offer, or says why not.
func (p *peer) take(o *offer) (*segment, answer) {
	m := p.mesh
	if g := m.geometry(); o.geometry != g {
		return nil, answer{verdict: mismatch, text: fmt.Sprintf(
			"rank %d has %d slots of %d bytes, rank %d has %d of %d; give all ranks the same",
			p.rank, o.slots, o.slotSize, m.cfg.Rank, g.slots, g.slotSize)}
	}
	if want := fileSize(o.geometry, o.channel); o.size != want {
		return nil, answer{verdict: mismatch, text: fmt.Sprintf("a segment of %d bytes, want %d", o.size, want)}
	}
	f, err := m.sys.open(o)
	if err == nil {
		var mem []byte
		mem, err = mapFile(f, o.size)
		f.Close()
		if err == nil {
			seg := view(mem, o.geometry)
			if err = seg.check(o.nonce); err == nil {
				return seg, answer{}
			}
			unmap(mem)
		}
	}
	return nil, answer{verdict: refused, text: err.Error()}
}

// receiver returns the receiving end on a channel. The mesh's mutex is held.
func (p *peer) receiver(channel uint32) *receiver {
	r := p.receivers[channel]
	if r == nil {
		r = newReceiver(p)
		p.receivers[channel] = r
		p.mesh.ends = append(p.mesh.ends, &r.end)
	}
	return r
}

// withdrawn notes that the peer will send nothing on a channel.
func (p *peer) withdrawn(w withdrawal) {
	err := p.errorf("shm: sharing memory with it is %w: it reports %q", transport.ErrUnavailable, w.text)
	if w.channel == probeChannel {
		p.probeEnds(err)
		return
	}
	p.mesh.mu.Lock()
	defer p.mesh.mu.Unlock()
	if !p.mesh.closed && len(p.receivers) < maxLinks {
		p.receiver(w.channel).meet(nil, err)
	}
}

func (p *peer) probeEnds(err error) {
	p.mesh.mu.Lock()
	defer p.mesh.mu.Unlock()
	select {
	case <-p.probed:
	default:
		p.probeErr = err
		close(p.probed)
	}
}
