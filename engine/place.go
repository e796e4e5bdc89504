package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/engine/internal/regroup"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// sessionPlace is a place whose ranks reach each other through the listeners of their
// session. A visit is one connection: the proposal goes there, the answer comes back,
// and if it ends before that, one of the two has gone.
type sessionPlace struct {
	session *bootstrap.Session
	hall    *regroup.Hall
	visits  atomic.Uint32 // gives each a channel of its own

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

// proposalTime is how long a rank that has connected may take to say what it wants,
// and how long an answer may take to be written.
const proposalTime = 10 * time.Second

func newSessionPlace(s *bootstrap.Session, hall *regroup.Hall) *sessionPlace {
	p := &sessionPlace{session: s, hall: hall, conns: map[net.Conn]struct{}{}}
	s.Handle(bootstrap.PurposeMeeting, p.receive)
	return p
}

// receive serves another rank's visit.
func (p *sessionPlace) receive(conn net.Conn, from int) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		conn.Close()
		return
	}
	p.conns[conn] = struct{}{}
	p.wg.Add(1)
	p.mu.Unlock()
	defer func() {
		conn.Close()
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
		p.wg.Done()
	}()
	_ = conn.SetDeadline(time.Now().Add(proposalTime))
	b, err := readMessage(conn)
	if err != nil {
		return
	}
	proposal, err := regroup.DecodeProposal(b)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	v := p.hall.Arrive(from, proposal)
	defer v.Told()
	hungUp := make(chan struct{})
	var why error // it has left, if it says so
	go func() {
		defer close(hungUp)
		if b, err := readMessage(conn); err == nil {
			if a, err := regroup.DecodeAnswer(b, from, p.session.Size()); err == nil {
				why = a.Err
			}
		}
	}()
	var a regroup.Answer
	select {
	case a = <-v.Answer():
	case <-hungUp:
		v.Leave(why)
		return
	}
	if b, err := regroup.EncodeAnswer(&a); err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(proposalTime))
		_ = writeMessage(conn, b)
	}
	v.Told()
	// The visitor hangs up when it has the answer; if this side did so first, what is
	// on its way could be lost.
	_ = conn.SetReadDeadline(time.Now().Add(proposalTime))
	<-hungUp
}

func (p *sessionPlace) visit(ctx context.Context, rank int, proposal regroup.Proposal) (regroup.Answer, error) {
	away := func(err error) (regroup.Answer, error) {
		var re *RankError
		switch {
		case context.Cause(ctx) != nil:
			err = context.Cause(ctx)
		case !errors.As(err, &re):
			err = &RankError{Rank: rank, Err: err}
		}
		return regroup.Answer{}, err
	}
	b, err := regroup.EncodeProposal(&proposal)
	if err != nil {
		return away(err)
	}
	conn, err := p.session.DialFor(ctx, bootstrap.PurposeMeeting, rank, int(p.visits.Add(1)&(1<<30-1)))
	if err != nil {
		return away(err)
	}
	defer conn.Close()
	withdrawn := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(withdrawn)
		withdraw(conn, gaveUp(p.session.Rank(), context.Cause(ctx)))
	})
	defer func() {
		if !stop() {
			<-withdrawn
		}
	}()
	if err = writeMessage(conn, b); err == nil {
		b, err = readMessage(conn)
	}
	if err != nil {
		return away(fmt.Errorf("%w: it ended the connection before it had answered", transport.ErrPeerLost))
	}
	a, err := regroup.DecodeAnswer(b, rank, p.session.Size())
	if err != nil {
		return away(err)
	}
	return a, nil
}

// gaveUp is what other ranks hear when this one leaves a meeting because of cause.
func gaveUp(rank int, cause error) error {
	var re *RankError
	var mismatch *MismatchError
	if errors.As(cause, &re) || errors.As(cause, &mismatch) {
		return cause
	}
	return &RankError{Rank: rank, Err: fmt.Errorf("%w: %w", ErrAborted, cause)}
}

// withdrawTime bounds how long a visitor that leaves waits until its proposal is
// forgotten.
const withdrawTime = 250 * time.Millisecond

// withdraw takes a proposal back: the visitor says why and ends its direction, the other
// side forgets the proposal and ends the other, which ends the visitor's Read. When that
// has happened, the visitor's next proposals cannot meet this one any more.
func withdraw(conn net.Conn, why error) {
	_ = conn.SetDeadline(time.Now().Add(withdrawTime))
	if b, err := regroup.EncodeAnswer(&regroup.Answer{Err: why}); err == nil {
		_ = writeMessage(conn, b)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	_ = conn.SetDeadline(time.Unix(1, 0))
}

func (p *sessionPlace) gone(ctx context.Context, rank int) error {
	if !p.session.Gone(ctx, rank) {
		return nil
	}
	return &RankError{Rank: rank, Err: fmt.Errorf("%w: its process ended, or it has closed the communicator", transport.ErrPeerLost)}
}

func (p *sessionPlace) close() {
	p.mu.Lock()
	p.closed = true
	conns := p.conns
	p.conns = nil
	for conn := range conns {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // an answer that is being written may end
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// Messages are preceded by their length, in 4 bytes.

func writeMessage(w io.Writer, b []byte) error {
	if len(b) > regroup.MaxMessage {
		return fmt.Errorf("%w: message of %d bytes", transport.ErrInvalid, len(b))
	}
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > regroup.MaxMessage {
		return nil, fmt.Errorf("%w: message of %d bytes", transport.ErrProtocol, n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
