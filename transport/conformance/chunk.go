package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/monel-dev/monel/transport"
)

// A chunk of the suite is made of one number: header and payload are stretches
// of one pseudo-random text that begin where the number says, so that a
// receiver can tell any loss, duplication, reordering or damage.

// text is repeated without end. Its length is prime, so that pages, slots and
// other round sizes never fall on the same place in it again soon.
var text = func() []byte {
	b := make([]byte, 65521)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

// start returns where in text the bytes of id begin.
func start(id uint64) int {
	return int((id * 0x9e3779b97f4a7c15) % uint64(len(text)))
}

// sequence fills b with the bytes that belong to id.
func sequence(b []byte, id uint64) {
	for at := start(id); len(b) > 0; at = 0 {
		b = b[copy(b, text[at:]):]
	}
}

// mismatch returns the index of the first byte of b that sequence would have
// set otherwise, or -1.
func mismatch(b []byte, id uint64) int {
	done := 0
	for at := start(id); done < len(b); at = 0 {
		n := min(len(b)-done, len(text)-at)
		if got, want := b[done:done+n], text[at:at+n]; !bytes.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					return done + i
				}
			}
		}
		done += n
	}
	return -1
}

func header(id uint64) *transport.Header {
	var h transport.Header
	sequence(h[:len(h)-transport.HeaderRoom], ^id)
	return &h
}

// put sends chunk id with n bytes of payload.
func put(ctx context.Context, s transport.Sender, id uint64, n int) error {
	slot, err := s.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("acquiring a slot for chunk %d: %w", id, err)
	}
	sequence(slot[:n], id)
	if err := s.Commit(header(id), n); err != nil {
		return fmt.Errorf("committing chunk %d: %w", id, err)
	}
	return nil
}

// get receives a chunk and demands that it is chunk id with n bytes.
func get(ctx context.Context, r transport.Receiver, id uint64, n int) error {
	h, payload, err := r.Next(ctx)
	if err != nil {
		return fmt.Errorf("waiting for chunk %d: %w", id, err)
	}
	if err := verify(h, payload, id, n); err != nil {
		return err
	}
	r.Release()
	return nil
}

func verify(h *transport.Header, payload []byte, id uint64, n int) error {
	if at := mismatch(h[:len(h)-transport.HeaderRoom], ^id); at >= 0 || [transport.HeaderRoom]byte(h[len(h)-transport.HeaderRoom:]) != [transport.HeaderRoom]byte{} {
		return fmt.Errorf("chunk %d: the header differs from byte %d on", id, at)
	}
	if len(payload) != n {
		return fmt.Errorf("chunk %d: %d bytes of payload, want %d", id, len(payload), n)
	}
	if at := mismatch(payload, id); at >= 0 {
		return fmt.Errorf("chunk %d: payload of %d bytes differs from byte %d on", id, n, at)
	}
	return nil
}

// wantLost says what is wrong with err as the report of rank's loss.
func wantLost(err error, rank int) error {
	var re *transport.RankError
	if !errors.As(err, &re) || re.Rank != rank || !errors.Is(err, transport.ErrPeerLost) {
		return fmt.Errorf("got %v (%T), want a *RankError about rank %d that wraps ErrPeerLost", err, err, rank)
	}
	return nil
}

func wantIs(err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("got %v, want an error that wraps %q", err, target)
	}
	return nil
}
