package conformance

import (
	"context"
	"sync"
	"testing"

	"github.com/monel-dev/monel/transport"
)

// PingPong measures the round trip of a chunk of n bytes between ranks 0 and 1,
// whose meshes are given. One iteration is one round trip.
func PingPong(b *testing.B, m0, m1 transport.Mesh, n int) {
	ctx := context.Background()
	s0, v1 := benchLink(b, m0, m1, 0, 1)
	s1, v0 := benchLink(b, m1, m0, 1, 0)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range b.N + 100 {
			if !bounce(b, ctx, v1, s1, n, false) {
				return
			}
		}
	})
	for range 100 {
		bounce(b, ctx, v0, s0, n, true)
	}
	b.ResetTimer()
	for range b.N {
		if !bounce(b, ctx, v0, s0, n, true) {
			break
		}
	}
	b.StopTimer()
	wg.Wait()
}

// bounce receives and sends one chunk of n bytes, sending first if serve.
func bounce(b *testing.B, ctx context.Context, v transport.Receiver, s transport.Sender, n int, serve bool) bool {
	send := func() error {
		if _, err := s.Acquire(ctx); err != nil {
			return err
		}
		return s.Commit(&transport.Header{}, n)
	}
	if serve {
		if err := send(); err != nil {
			b.Error(err)
			return false
		}
	}
	if _, _, err := v.Next(ctx); err != nil {
		b.Error(err)
		return false
	}
	v.Release()
	if !serve {
		if err := send(); err != nil {
			b.Error(err)
			return false
		}
	}
	return true
}

// Stream measures chunks of n bytes from rank 0 to rank 1, and back at the same
// time if both. One iteration is one chunk each way.
func Stream(b *testing.B, m0, m1 transport.Mesh, n int, both bool) {
	ctx := context.Background()
	var ends []func() error
	stream := func(from, to transport.Mesh, a, z int) {
		s, v := benchLink(b, from, to, a, z)
		ends = append(ends, func() error {
			for range b.N {
				if _, err := s.Acquire(ctx); err != nil {
					return err
				}
				if err := s.Commit(&transport.Header{}, n); err != nil {
					return err
				}
			}
			return nil
		}, func() error {
			for range b.N {
				if _, _, err := v.Next(ctx); err != nil {
					return err
				}
				v.Release()
			}
			return nil
		})
	}
	stream(m0, m1, 0, 1)
	if both {
		stream(m1, m0, 1, 0)
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, end := range ends {
		wg.Go(func() {
			if err := end(); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

func benchLink(b *testing.B, from, to transport.Mesh, a, z int) (transport.Sender, transport.Receiver) {
	b.Helper()
	s, err := from.Sender(context.Background(), z, 0)
	if err != nil {
		b.Fatal(err)
	}
	v, err := to.Receiver(context.Background(), a, 0)
	if err != nil {
		b.Fatal(err)
	}
	return s, v
}
