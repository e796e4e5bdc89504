package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Session is one rank's place among the others after the rendezvous. Its methods
// may be called from several goroutines.
type Session struct {
	rank, size int
	table      *Table
	key        []byte
	version    uint16
	timeout    time.Duration
	gate       *gate // nil in a world of one

	joined chan struct{} // closed when table is set

	mu     sync.Mutex
	boxes  map[boxKey]*box
	parked []int // connections that wait to be accepted, or are about to, by rank
	handle map[Purpose]func(net.Conn, int)
	closed bool
	ctx    context.Context // ends when the session is closed
	cancel context.CancelFunc
}

// boxKey is where an inbound connection is delivered.
type boxKey struct {
	purpose Purpose
	from    int
	channel int
}

type box struct {
	conn   net.Conn      // arrived, not yet accepted
	waiter chan net.Conn // somebody waits; room for one
}

// maxParked bounds the connections from one rank that wait to be accepted: those of a few
// links with as many connections as TCP allows.
const maxParked = 256

// dialTime bounds Dial when its context does not.
const dialTime = 10 * time.Second

func newSession(rank, size int, key []byte, version uint16) *Session {
	s := &Session{rank: rank, size: size, key: key, version: version, timeout: strangerTime,
		joined: make(chan struct{}), boxes: map[boxKey]*box{}, parked: make([]int, size)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// listen starts accepting connections on ln. Those that are authenticated wait
// until the table is there.
func (s *Session) listen(ln net.Listener, log *strangerLog) {
	s.gate = &gate{ln: ln, key: s.key, version: s.version, timeout: strangerTime, limit: strangerLimit + 2*s.size,
		decide: s.decide, admit: s.admit, abandon: s.abandon, log: log}
	s.gate.start()
}

func (s *Session) join(t *Table) {
	s.table = t
	close(s.joined)
}

// Rank is this process's rank.
func (s *Session) Rank() int { return s.rank }

// Size is the number of ranks.
func (s *Session) Size() int { return s.size }

// Table lists all ranks. It is read-only.
func (s *Session) Table() *Table { return s.table }

// Run is a random number of this run of the world: the same on all its ranks, and another
// one whenever ranks meet, even by the same id.
func (s *Session) Run() [sessionSize]byte { return s.table.session }

// decide runs when a dialer has proved the secret.
func (s *Session) decide(in intro) status {
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-s.joined:
	case <-s.ctx.Done():
		return statusClosed
	case <-timer.C:
		return statusStale // whoever dials has a table that this rank is not in
	}
	switch {
	case in.session != s.table.session:
		return statusStale
	case in.to != s.rank || in.from >= s.size || in.from == s.rank || in.purpose == PurposeRendezvous:
		return statusWrongRank
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return statusClosed
	}
	if b := s.boxes[boxKey{in.purpose, in.from, in.channel}]; b == nil && s.handle[in.purpose] == nil && s.parked[in.from] >= maxParked {
		return statusBusy
	}
	s.parked[in.from]++ // its place is kept until it is admitted or abandoned
	return statusOK
}

// abandon gives up the place of a connection that did not get through after all.
func (s *Session) abandon(in intro) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked[in.from]--
}

// admit delivers an authenticated connection to whoever waits for it, or parks
// it. A newer connection replaces a parked one: its dialer has given that up.
func (s *Session) admit(conn net.Conn, in intro) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := boxKey{in.purpose, in.from, in.channel}
	b := s.boxes[key]
	switch {
	case s.closed:
		conn.Close()
	case s.handle[in.purpose] != nil:
		s.parked[in.from]--
		go s.handle[in.purpose](conn, in.from)
	case b != nil && b.waiter != nil:
		b.waiter <- conn
		delete(s.boxes, key)
		s.parked[in.from]--
	case b != nil:
		b.conn.Close()
		b.conn = conn
		s.parked[in.from]--
	default:
		s.boxes[key] = &box{conn: conn}
	}
}

func (s *Session) rankError(peer int, doing string, err error) error {
	return &transport.RankError{Rank: peer, Doing: doing, Err: err}
}

func (s *Session) check(peer, channel int) error {
	switch {
	case peer < 0 || peer >= s.size:
		return fmt.Errorf("rank %d is not in [0, %d)", peer, s.size)
	case peer == s.rank:
		return fmt.Errorf("rank %d cannot connect to itself", peer)
	case channel < 0 || channel > 1<<30:
		return fmt.Errorf("channel %d is not in [0, 2^30]", channel)
	}
	return nil
}

// Dial opens the data link to peer on channel. The peer obtains the other end
// with Accept, before or after. Errors are *transport.RankError.
func (s *Session) Dial(ctx context.Context, peer, channel int) (net.Conn, error) {
	return s.DialFor(ctx, PurposeData, peer, channel)
}

// Accept waits for peer to open its data link to this rank on channel. Only one
// caller may wait for the same link. Errors are *transport.RankError, or ctx's
// own when ctx ends first.
func (s *Session) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	return s.AcceptFor(ctx, PurposeData, peer, channel)
}

// DialFor is Dial for connections of another purpose, which have channels of
// their own.
func (s *Session) DialFor(ctx context.Context, purpose Purpose, peer, channel int) (net.Conn, error) {
	if err := s.check(peer, channel); err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("dialing %v on channel %d", s.table.Peers[peer].Addr, channel)
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	in := intro{version: s.version, purpose: purpose, session: s.table.session, from: s.rank, to: peer, channel: channel}
	var refusals int
	var last error // that was not cut short
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		// The listener waits for its own table before it answers, so it may
		// take longer than a stranger is given.
		conn, err := dialAuthenticated(ctx, s.table.Peers[peer].Addr, s.key, in, s.timeout+2*time.Second)
		if err == nil {
			return conn, nil
		}
		switch {
		case s.ctx.Err() != nil:
			return nil, s.rankError(s.rank, doing, fmt.Errorf("%w: this rank closed its session", transport.ErrClosed))
		case ended(ctx) != nil:
			if last != nil {
				err = last
			}
			if errors.Is(ended(ctx), context.DeadlineExceeded) {
				return nil, s.rankError(peer, doing, fmt.Errorf("%w: no connection (%w)", transport.ErrTimeout, err))
			}
			return nil, ctx.Err()
		case errors.Is(err, errRefused):
			// Its listener stands since before the table was made, so it is
			// gone; or so many connect to it that its host turns some away.
			if refusals++; refusals > 6 {
				return nil, s.rankError(peer, doing, err)
			}
		case errors.Is(err, errHandshakeEnded): // dropped in favour of newer ones
		case errors.Is(err, transport.ErrUnavailable): // busy
		default:
			return nil, s.rankError(peer, doing, err)
		}
		last = err
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// AcceptFor is Accept for connections of another purpose.
func (s *Session) AcceptFor(ctx context.Context, purpose Purpose, peer, channel int) (net.Conn, error) {
	if err := s.check(peer, channel); err != nil {
		return nil, err
	}
	key := boxKey{purpose, peer, channel}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, s.closedError()
	}
	b := s.boxes[key]
	if b != nil && b.waiter != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("another caller already waits for rank %d on channel %d", peer, channel)
	}
	if b != nil {
		delete(s.boxes, key)
		s.parked[peer]--
		if !hungUp(b.conn) {
			s.mu.Unlock()
			return b.conn, nil
		}
		b.conn.Close() // its dialer has given it up, and dials again if it needs to
	}
	b = &box{waiter: make(chan net.Conn, 1)}
	s.boxes[key] = b
	s.mu.Unlock()
	select {
	case conn := <-b.waiter:
		return conn, nil
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boxes[key] == b {
		delete(s.boxes, key)
	}
	select {
	case conn := <-b.waiter: // it came at the very end
		if s.closed {
			conn.Close()
			return nil, s.closedError()
		}
		return conn, nil
	default:
	}
	if s.closed {
		return nil, s.closedError()
	}
	return nil, ctx.Err()
}

func (s *Session) closedError() error {
	return s.rankError(s.rank, "", fmt.Errorf("%w: this rank closed its session", transport.ErrClosed))
}

// Addr is where this rank's listener is reached; the zero value in a world of
// one.
func (s *Session) Addr() netip.AddrPort { return s.table.Peers[s.rank].Addr }

// Close stops listening, closes connections that nobody has accepted, wakes
// whoever waits in Dial or Accept with transport.ErrClosed, and returns when no
// goroutine is left. Connections that were handed out are their owners'.
func (s *Session) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.cancel()
		for key, b := range s.boxes {
			if b.conn != nil {
				b.conn.Close()
				delete(s.boxes, key)
			}
		}
	}
	s.mu.Unlock()
	if s.gate != nil {
		return s.gate.close()
	}
	return nil
}
