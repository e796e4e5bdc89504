package bootstrap

import (
	"context"
	"errors"
	"net"
	"time"
)

// PurposeMeeting is for connections on which ranks agree on a new communicator.
const PurposeMeeting Purpose = 32

// Handle passes all connections of a purpose to fn, which owns them, each in a
// goroutine of its own, those included that have come already. from is the rank that
// has dialed. It is called once for a purpose. fn may still be called while Close is
// under way, not later.
func (s *Session) Handle(purpose Purpose, fn func(conn net.Conn, from int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		s.handle = map[Purpose]func(net.Conn, int){}
	}
	s.handle[purpose] = fn
	for key, b := range s.boxes {
		if key.purpose == purpose && b.conn != nil {
			delete(s.boxes, key)
			s.parked[key.from]--
			go fn(b.conn, key.from)
		}
	}
}

// goneTime bounds one look whether a rank still listens.
const goneTime = time.Second

// Gone reports whether a rank is known not to listen any more: its process has ended,
// or it has closed its session. That it does not answer is no proof of that. Whoever
// handles PurposeMeeting there gets a connection that ends at once.
func (s *Session) Gone(ctx context.Context, rank int) bool {
	in := intro{version: s.version, purpose: PurposeMeeting, session: s.table.session, from: s.rank, to: rank, channel: 1 << 30}
	conn, err := dialAuthenticated(ctx, s.table.Peers[rank].Addr, s.key, in, goneTime)
	if err == nil {
		conn.Close()
		return false
	}
	return errors.Is(err, errRefused)
}
