package tcp

import (
	"context"
	"fmt"
	"io"

	"github.com/monel-dev/monel/transport"
)

// inlane is one of a receiver's connections, and the stripe of the current chunk that
// comes over it, unless it is the first.
type inlane struct {
	link *receiver
	wire wire // nil until accepted

	aim      // where the stripe goes
	left int // bytes of it that have not come
	bufs [maxBuffers][]byte

	helper helper
	ctx    context.Context // of the call that the helper works for
	busy   bool            // it does
}

// read is the helper's job: it reads until the stripe is there, the context ends, or
// the link does.
func (l *inlane) read() {
	for l.left > 0 {
		bufs, _ := l.target.space(l.bufs[:0])
		n, err := l.wire.read(l.ctx, bufs)
		clear(bufs) // no memory of the caller's is held on to
		l.target.filled(n)
		l.left -= n
		switch {
		case n > 0 || err == nil: // an error after bytes comes again
		case err == errInterrupted:
			return
		case err == io.EOF:
			l.link.fail(fmt.Errorf("a connection of it has ended amid a chunk: %w", transport.ErrPeerLost))
			return
		default:
			l.link.fail(err)
			return
		}
	}
}
