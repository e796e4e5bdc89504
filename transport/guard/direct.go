package guard

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// Direct sends and fills are kept for checksums, since they leave the payload as it is:
// pieces are summed where they lie. A chunk that turns out to be wrong has been written
// to its pieces by then; its Fill fails, and nothing has been computed from it.

type directSender struct {
	*sumSender
	direct transport.DirectSender
}

func (s *directSender) Send(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.summed(ctx, h, pieces, s.direct.Send)
}

func (s *directSender) SendLater(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.summed(ctx, h, pieces, s.direct.SendLater)
}

func (s *directSender) Flush() error { return s.direct.Flush() }

type sendPieces = func(ctx context.Context, h *transport.Header, pieces [][]byte) error

func (s *directSender) summed(ctx context.Context, h *transport.Header, pieces [][]byte, send sendPieces) error {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	s.slot = nil
	err := send(ctx, s.label(h, sumPieces(s.next, h, n, pieces)), pieces)
	if err == nil {
		s.next++
	}
	return err
}

type directReceiver struct {
	*sumReceiver
	direct transport.DirectReceiver
	sum    uint32 // that the current chunk's header has
}

func (r *directReceiver) Head(ctx context.Context) (*transport.Header, int, error) {
	if r.err != nil {
		return nil, 0, r.err
	}
	h, n, err := r.direct.Head(ctx)
	if err != nil {
		return nil, 0, err
	}
	r.sum = r.look(h)
	return &r.header, n, nil
}

func (r *directReceiver) Fill(ctx context.Context, pieces [][]byte) error {
	h, n, err := r.Head(ctx)
	if err != nil {
		return err
	}
	all := 0
	for _, p := range pieces {
		all += len(p)
	}
	if all != n {
		panic(fmt.Sprintf("guard: Fill of %d bytes with a chunk of %d", all, n))
	}
	if err := r.direct.Fill(ctx, pieces); err != nil {
		return err
	}
	if r.open { // Next has had this chunk, and found it right
		return nil
	}
	if sumPieces(r.next, h, n, pieces) != r.sum {
		return r.corrupt(r.wire, n)
	}
	r.next++
	r.open = true
	return nil
}
