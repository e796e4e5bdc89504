package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/monel-dev/monel/transport"
)

// outcome is what the root tells everybody: one of the two.
type outcome struct {
	table   []byte
	refusal *WorldError
}

// joiner is a rank's connection at the root.
type joiner struct {
	conn     net.Conn
	greeting *greeting
	local    netip.AddrPort // this side of the connection
	tell     chan outcome   // room for one
	ping     chan struct{}  // room for one
	heard    bool           // it has acknowledged the outcome; set before it is gone
}

// far reports whether the rank is on another host.
func (j *joiner) far() bool { return addrPort(j.conn.RemoteAddr()).Addr() != j.local.Addr() }

// admit reads a rank's greeting and hands it to serve.
func (r *Root) admit(conn net.Conn, in intro) {
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		defer conn.Close()
		unhook := r.closeOnQuit(conn)
		defer unhook()
		conn.SetDeadline(time.Now().Add(r.cfg.timeout))
		t, b, err := readFrame(conn, maxGreeting)
		if err == nil && t != frameHello {
			err = fmt.Errorf("%w: frame of type %d instead of a greeting", transport.ErrProtocol, t)
		}
		var g *greeting
		if err == nil {
			g, err = decodeGreeting(b)
		}
		if err == nil && g.peer.Rank != in.from {
			err = fmt.Errorf("%w: rank %d introduced itself as rank %d", transport.ErrProtocol, g.peer.Rank, in.from)
		}
		if errors.Is(err, io.EOF) {
			return // it reached the root by another address first
		}
		if err != nil {
			r.cfg.Logger.Warn("dropped a rank whose greeting is malformed", "from", conn.RemoteAddr().String(), "rank", in.from, "reason", err.Error())
			return
		}
		conn.SetDeadline(time.Time{})
		j := &joiner{conn: conn, greeting: g, local: addrPort(conn.LocalAddr()),
			tell: make(chan outcome, 1), ping: make(chan struct{}, 1)}
		select {
		case r.joins <- j:
		case <-r.quit:
			return
		}
		r.attend(j)
	}()
}

// closeOnQuit closes a connection when the root ends.
func (r *Root) closeOnQuit(conn net.Conn) (unhook func()) {
	over := make(chan struct{})
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		select {
		case <-r.quit:
			conn.Close()
		case <-over:
		}
	}()
	return func() { close(over) }
}

// Bounds on delivering the outcome to one rank, and on answering ranks that come
// after it.
const (
	tableTime   = 10 * time.Second
	refusalTime = 2 * time.Second
	lateTime    = 30 * time.Second
	closingTime = 500 * time.Millisecond // for ranks to acknowledge it, when the root is closed
)

// attend serves one gathered rank until it has the outcome or goes away.
func (r *Root) attend(j *joiner) {
	read := make(chan struct{})
	acked := make(chan struct{}, 1)
	go func() {
		defer close(read)
		for {
			t, _, err := readFrame(j.conn, 0)
			if err != nil {
				return
			}
			switch t {
			case framePong:
				select {
				case r.probes <- j:
				case <-r.quit:
				}
			case frameAck:
				select {
				case acked <- struct{}{}:
				default:
				}
			default:
				return
			}
		}
	}()
	defer func() {
		j.conn.Close()
		<-read
		select {
		case r.gone <- j:
		case <-r.quit:
		}
	}()
	for {
		select {
		case <-read:
			select {
			case r.leaves <- j:
			case <-j.tell: // it went away at the very end
			case <-r.quit:
			}
			return
		case <-j.ping:
			j.conn.SetWriteDeadline(time.Now().Add(r.cfg.probe))
			j.conn.Write(appendFrame(nil, framePing, nil))
		case out := <-j.tell:
			frame, limit := appendFrame(nil, frameTable, out.table), tableTime
			if out.refusal != nil {
				frame, limit = appendFrame(nil, frameRefusal, out.refusal.encode()), refusalTime
			}
			j.conn.SetWriteDeadline(time.Now().Add(limit))
			if _, err := j.conn.Write(frame); err != nil {
				return
			}
			// The rank says that it has it; closing earlier could destroy
			// what is on its way.
			select {
			case <-acked:
				j.heard = true
			case <-read:
				j.heard = len(acked) > 0 // it hung up right after
			case <-time.After(limit):
			}
			return
		case <-r.quit:
			return
		}
	}
}
