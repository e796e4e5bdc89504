package tcp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// wire is a connection as links use it: one writes to it or one reads from it.
type wire interface {
	// drain writes the lane's queue until it is empty, waiting as needed,
	// without holding the lane's lock while it waits.
	drain(l *lane) error

	// read waits for bytes and fills bufs, up to maxBuffers, in order. The end of ctx
	// gives errInterrupted and takes nothing from the stream, the orderly end of
	// the connection io.EOF.
	read(ctx context.Context, bufs [][]byte) (int, error)

	// close closes the connection and wakes whoever waits on it.
	close()
}

// tryWriter is a wire that can also write without waiting.
type tryWriter interface {
	// tryWrite writes what the connection takes of bufs at once, possibly
	// nothing. The lane's lock is held.
	tryWrite(bufs [][]byte) (int, error)
}

// newWire prepares a connection for its work.
func newWire(conn net.Conn, cfg *Config, stalled *stalled) (wire, error) {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if tc, ok := conn.(*net.TCPConn); ok {
		if err := setOptions(tc, cfg); err != nil {
			return nil, err
		}
		if !cfg.Portable {
			return newFastWire(tc, cfg, stalled)
		}
	}
	return &netWire{conn: conn}, nil
}

// interruption ends the waiting reads of a connection when a context ends.
type interruption struct {
	conn net.Conn
	stop func() bool
	done chan struct{}
}

// past is a deadline that has always passed.
var past = time.Unix(1, 0)

func interruptOn(ctx context.Context, conn net.Conn) *interruption {
	if ctx.Done() == nil {
		return nil
	}
	i := &interruption{conn: conn, done: make(chan struct{})}
	i.stop = context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(past) //nolint:errcheck // a closed connection has no waiting reads
		close(i.done)
	})
	return i
}

// end undoes the interruption, whether it has happened or not.
func (i *interruption) end() {
	if i == nil || i.stop() {
		return
	}
	<-i.done
	i.conn.SetReadDeadline(time.Time{}) //nolint:errcheck // the next read on a closed connection says so
}

// netWire is a wire that uses nothing but the methods of net.Conn.
type netWire struct {
	conn net.Conn
	once sync.Once
}

func (w *netWire) drain(l *lane) error {
	for {
		l.mu.Lock()
		bufs := net.Buffers(l.queue.buffers())
		l.mu.Unlock()
		if len(bufs) == 0 {
			return nil
		}
		n, err := bufs.WriteTo(w.conn)
		l.mu.Lock()
		l.wrote(int(n))
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func (w *netWire) read(ctx context.Context, bufs [][]byte) (int, error) {
	i := interruptOn(ctx, w.conn)
	defer i.end()
	n, err := w.conn.Read(bufs[0])
	if n == 0 && isTimeout(err) && ctx.Err() != nil {
		return 0, errInterrupted
	}
	return n, err
}

func (w *netWire) close() { w.once.Do(func() { w.conn.Close() }) }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
