package guard

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/guard/internal/crc32c"
)

// Direct sends and fills are kept for checksums, since they leave the payload as it is: pieces are summed where they lie, and the sum is one more piece. A
// chunk that turns out to be wrong has been written to its pieces by then; its Fill
// fails, and nothing has been computed from it.

type directSender struct {
	*sender
	direct transport.DirectSender
	size   int      // of a slot
	pieces [][]byte // of the latest chunk and its sum
	sum    [crc32c.Size]byte
}

// sumPieces is sum for a payload in pieces.
func sumPieces(i uint64, h *transport.Header, pieces [][]byte) uint32 {
	crc := sum(i, h, nil)
	for _, p := range pieces {
		crc = crc32c.Update(crc, p)
	}
	return crc
}

func (s *directSender) Send(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if n > s.size {
		panic(fmt.Sprintf("guard: Send of %d bytes, a slot has %d", n, s.size))
	}
	binary.LittleEndian.PutUint32(s.sum[:], sumPieces(s.next, h, pieces))
	s.pieces = append(append(s.pieces[:0], pieces...), s.sum[:])
	err := s.direct.Send(ctx, h, s.pieces)
	clear(s.pieces)
	if err == nil {
		s.next++
	}
	s.slot = nil
	return err
}

type directReceiver struct {
	*receiver
	direct transport.DirectReceiver
	pieces [][]byte
	sum    [crc32c.Size]byte
	filled bool // the current chunk is where Fill has put it
}

func (r *directReceiver) Head(ctx context.Context) (*transport.Header, int, error) {
	if r.err != nil {
		return nil, 0, r.err
	}
	h, n, err := r.direct.Head(ctx)
	if err != nil {
		return nil, 0, err
	}
	if n -= crc32c.Size; n < 0 {
		return nil, 0, r.corrupt(n+crc32c.Size, false)
	}
	return h, n, nil
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
	r.pieces = append(append(r.pieces[:0], pieces...), r.sum[:])
	err = r.direct.Fill(ctx, r.pieces)
	clear(r.pieces)
	if err != nil {
		return err
	}
	if sumPieces(r.next, h, pieces) != binary.LittleEndian.Uint32(r.sum[:]) {
		return r.corrupt(n+crc32c.Size, true)
	}
	r.next++
	r.filled = true
	return nil
}

func (r *directReceiver) Release() {
	if r.filled {
		r.filled = false
		r.wire.Release()
		return
	}
	r.receiver.Release()
}
