package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// messageChannel is the channel of the links that messages take, so that they and
// collectives do not get in each other's way.
const messageChannel = 1

// post is where messages to one rank leave and those from it arrive. Its two halves
// may be used by a goroutine each.
type post struct {
	out     outLink
	sent    uint64 // messages
	header  transport.Header
	outward [][]byte // scratch
	held    bool     // a slot is acquired already

	in      *inLink
	got     uint64 // messages
	inward  [][]byte
	letters []byte // what is left of a chunk of several messages, which is released with the last
}

// Messages are numbered from 0 on their link. A chunk's header has the number of its
// first message as seq, and:
//
//	one message, or a part of it    attempt 0, sig the dtype, walk the count, index the chunk's number in the message
//	letters: several short ones     attempt 1, index their number
//
// Each letter is 16 bytes, of count and dtype, and its elements, up to a multiple of 8.
const (
	inChunks      = 0
	inLetters     = 1
	letterHead    = 16
	longestLetter = 8 << 10 // bytes; to copy more costs what a message of its own does
)

func (t *transfer) letterBytes() int { return letterHead + (int(t.bytes())+7)&^7 }

// postOf is the post for a peer.
func (c *Comm) postOf(peer int) *post {
	if c.apart.posts == nil {
		c.apart.posts = make([]post, c.size)
	}
	return &c.apart.posts[peer]
}

// sendAll sends messages to a peer, as many in one chunk as fit.
func (c *Comm) sendAll(o agree.Op, k *convoy) error {
	p, messages := c.postOf(k.peer), k.messages
	to, err := c.dial(o, &p.out, k.peer, messageChannel)
	if err != nil {
		return err
	}
	for len(messages) > 0 {
		n := c.letters(messages)
		if n > 1 {
			err = c.sendLetters(o, p, to, messages[:n])
		} else {
			n = 1
			err = c.sendChunks(o, p, to, &messages[0])
		}
		if err != nil {
			return err
		}
		p.sent += uint64(n)
		k.done.Add(int64(n))
		messages = messages[n:]
	}
	return nil
}

// letters is how many messages, from the first on, one chunk takes.
func (c *Comm) letters(messages []transfer) int {
	room := c.cfg.ChunkBytes
	for i := range messages {
		if messages[i].bytes() > longestLetter {
			return i
		}
		if room -= messages[i].letterBytes(); room < 0 {
			return i
		}
	}
	return len(messages)
}

func (c *Comm) sendLetters(o agree.Op, p *post, to transport.Sender, messages []transfer) error {
	slot, err := to.Acquire(o.Stop)
	if err != nil {
		return err
	}
	at := 0
	for i := range messages {
		m := &messages[i]
		binary.LittleEndian.PutUint64(slot[at:], uint64(m.view.Count()))
		binary.LittleEndian.PutUint64(slot[at+8:], uint64(m.tensor.DType()))
		m.view.Pack(slot[at+letterHead:], 0, m.view.Count())
		at += m.letterBytes()
	}
	h := chunkHeader{seq: p.sent, attempt: inLetters, index: uint32(len(messages))}
	h.encode(&p.header)
	return to.Commit(&p.header, at)
}

func (c *Comm) sendChunks(o agree.Op, p *post, to transport.Sender, m *transfer) error {
	from := c.lendingOf(to, m)
	err := c.eachChunk(m.view.Count(), m.tensor.DType(), func(index uint32, lo, hi int64, n int) error {
		h := chunkHeader{seq: p.sent, sig: uint64(m.tensor.DType()), walk: strided.Walk(m.tensor.Count()), attempt: inChunks, index: index}
		h.encode(&p.header)
		if lent, err := from.lend(o, &p.header, lo, hi, n); lent {
			return err
		}
		if !p.held && canSendFrom(to, n) {
			pieces, ok := m.view.Pieces(p.outward[:0], lo, hi, longPiece)
			p.outward = pieces
			if ok {
				return to.(transport.DirectSender).SendLater(o.Stop, &p.header, pieces)
			}
		}
		m.view.Ahead(hi, min(hi+hi-lo, m.view.Count()))
		slot, err := to.Acquire(o.Stop)
		if err != nil {
			return err
		}
		m.view.Pack(slot[:n], lo, hi)
		return to.Commit(&p.header, n)
	})
	return from.settle(o, flush(err, to))
}

// receiveAll receives messages from a peer.
func (c *Comm) receiveAll(o agree.Op, k *convoy) error {
	p := c.postOf(k.peer)
	if p.in == nil {
		r, err := c.mesh.Receiver(o.Stop, k.peer, messageChannel)
		if err != nil {
			return err
		}
		p.in = newInLink(k.peer, r)
	}
	for i := range k.messages {
		if err := c.receiveMessage(o, p, &k.messages[i]); err != nil {
			return err
		}
		p.got++
		k.done.Add(1)
	}
	return nil
}

func (c *Comm) receiveMessage(o agree.Op, p *post, m *transfer) error {
	if len(p.letters) > 0 {
		return p.readLetter(m)
	}
	return c.eachChunk(m.view.Count(), m.tensor.DType(), func(index uint32, lo, hi int64, n int) error {
		headOnly := p.in.canFill(n)
		var raw *transport.Header
		var payload []byte
		var err error
		length := 0
		if headOnly {
			raw, length, err = p.in.direct.Head(o.Stop)
		} else {
			raw, payload, err = p.in.r.Next(o.Stop)
			length = len(payload)
		}
		if err != nil {
			return err
		}
		h := decodeChunkHeader(raw)
		if headOnly && (h.seq != p.got || h.attempt != inChunks || h.index != index || length != n ||
			h.sig != uint64(m.tensor.DType()) || int64(h.walk) != m.view.Count()) {
			// As in arrival: the whole chunk tells whether that is what was sent.
			if _, payload, err = p.in.r.Next(o.Stop); err != nil {
				return err
			}
		}
		switch {
		case h.seq != p.got || h.attempt > inLetters:
			return p.broken("message %d where message %d is due", h.seq, p.got)
		case h.attempt == inLetters && index == 0:
			if len(payload) == 0 {
				err = p.broken("no letters")
			}
			if err != nil {
				return err
			}
			p.letters = payload
			return p.readLetter(m)
		case h.attempt != inChunks:
			return p.broken("letters within a message")
		}
		if err := p.fits(m, strided.DType(h.sig), int64(h.walk), h.sig > 0xff); err != nil {
			return err
		}
		if h.index != index || length != n {
			return p.broken("chunk %d of %d bytes where chunk %d of %d bytes is due", h.index, length, index, n)
		}
		if headOnly {
			pieces, ok := m.view.Pieces(p.inward[:0], lo, hi, longPiece)
			p.inward = pieces
			if ok {
				if err := p.in.direct.Fill(o.Stop, pieces); err != nil {
					return err
				}
				p.in.r.Release()
				return nil
			}
			if _, payload, err = p.in.r.Next(o.Stop); err != nil {
				return err
			}
		}
		m.view.Unpack(payload, lo, hi)
		p.in.r.Release()
		return nil
	})
}

// readLetter takes the next letter.
func (p *post) readLetter(m *transfer) error {
	if len(p.letters) < letterHead {
		return p.broken("%d bytes of a letter", len(p.letters))
	}
	count, dt := int64(binary.LittleEndian.Uint64(p.letters)), binary.LittleEndian.Uint64(p.letters[8:])
	if err := p.fits(m, strided.DType(dt), count, dt > 0xff); err != nil {
		return err
	}
	n := m.letterBytes()
	if len(p.letters) < n {
		return p.broken("%d bytes of a letter of %d", len(p.letters), n)
	}
	m.view.Unpack(p.letters[letterHead:n], 0, count)
	if p.letters = p.letters[n:]; len(p.letters) == 0 {
		p.letters = nil
		p.in.r.Release()
	}
	return nil
}

// fits reports as an error if a message is not the one that m is to be.
func (p *post) fits(m *transfer, dt strided.DType, count int64, nonsense bool) error {
	if nonsense || !dt.Valid() || count < 0 {
		return p.broken("a message of %d elements of type %d", count, dt)
	}
	if dt == m.tensor.DType() && count == m.tensor.Count() {
		return nil
	}
	return &RankError{Rank: p.in.peer, Doing: "recv", Err: fmt.Errorf("%w: message %d has %d elements of %v where %d of %v are to be received",
		ErrMismatch, p.got, count, dt, m.tensor.Count(), m.tensor.DType())}
}

// broken is the error for bytes that no correct rank sends.
func (p *post) broken(format string, args ...any) error {
	return &RankError{Rank: p.in.peer, Doing: "recv", Err: fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))}
}
