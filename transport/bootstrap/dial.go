package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/monel-dev/monel/transport"
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// dialAuthenticated connects to addr and completes the handshake there, in at
// most timeout after the connection stands.
func dialAuthenticated(ctx context.Context, addr netip.AddrPort, key []byte, in intro, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		if err := ended(ctx); err != nil {
			return nil, err
		}
		return nil, dialError(addr, err)
	}
	if self := addrPort(conn.LocalAddr()); self == addrPort(conn.RemoteAddr()) {
		// A port of the ephemeral range that nobody listens on can connect to
		// itself.
		conn.Close()
		return nil, dialError(addr, syscall.ECONNREFUSED)
	}
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	authenticated, err := dialHandshake(conn, key, in, timeout)
	if !unhook() {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return authenticated, nil
}

func dialError(addr netip.AddrPort, err error) error {
	var slow net.Error
	switch {
	case isRefused(err):
		return fmt.Errorf("%w: nobody listens at %v: %w", transport.ErrPeerLost, addr, errRefused)
	case errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%w: no answer from %v", transport.ErrTimeout, addr)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w (%v)", errHandshakeEnded, err)
	}
	return fmt.Errorf("%w: cannot connect to %v: %w", transport.ErrPeerLost, addr, err)
}

func isRefused(err error) bool {
	const wsaeconnrefused = syscall.Errno(10061) // Windows gives its own number
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaeconnrefused)
}

var errRefused = errors.New("connection refused")

// ended is the reason why ctx has ended, or nil. It looks at the clock, too: a
// connection's deadline that was taken from ctx may fire a moment before ctx does.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return nil
}
