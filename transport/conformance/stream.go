package conformance

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/monel-dev/monel/transport"
)

// ring passes chunks around, each forwarded from the slot that it came in.
func ring(t *testing.T, f Factory) {
	const ranks, rounds = 4, 25
	r := newRig(t, f, ranks)
	r.each(func(rank int) error {
		s, v := r.sender(rank, (rank+1)%ranks, 0), r.receiver((rank+ranks-1)%ranks, rank, 0)
		for round := range rounds {
			n := round * r.slotSize() / (rounds - 1)
			if err := put(r.ctx, s, uint64(round*ranks+rank), n); err != nil {
				return err
			}
			for hop := 1; hop < ranks; hop++ {
				h, p, err := v.Next(r.ctx)
				if err != nil {
					return err
				}
				from := (rank + ranks - hop) % ranks
				if err := verify(h, p, uint64(round*ranks+from), n); err != nil {
					return err
				}
				if hop < ranks-1 {
					slot, err := s.Acquire(r.ctx)
					if err != nil {
						return err
					}
					copy(slot, p)
					if err := s.Commit(h, len(p)); err != nil {
						return err
					}
				}
				v.Release()
			}
		}
		return nil
	})
}

// largeTransfer moves tens of MiB both ways at once and compares checksums.
func largeTransfer(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	const total = 32 << 20
	r.each(func(rank int) error {
		s, v := r.sender(rank, 1-rank, 0), r.receiver(1-rank, rank, 0)
		sent, got := crc32.NewIEEE(), crc32.NewIEEE()
		left := total
		for i := uint64(0); left > 0; i++ {
			slot, err := s.Acquire(r.ctx)
			if err != nil {
				return err
			}
			n := min(left, len(slot))
			sequence(slot[:n], i+uint64(rank)<<32)
			sent.Write(slot[:n])
			if err := s.Commit(&transport.Header{}, n); err != nil {
				return err
			}
			_, p, err := v.Next(r.ctx)
			if err != nil {
				return err
			}
			got.Write(p)
			v.Release()
			left -= n
		}
		// The checksums cross as last chunks.
		slot, err := s.Acquire(r.ctx)
		if err != nil {
			return err
		}
		if err := s.Commit(&transport.Header{}, len(sent.Sum(slot[:0]))); err != nil {
			return err
		}
		_, want, err := v.Next(r.ctx)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got.Sum(nil)) {
			return fmt.Errorf("rank %d received bytes with checksum %x, sent were %x", rank, got.Sum(nil), want)
		}
		v.Release()
		return nil
	})
}
