package shm

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// batch is how many operations are timed together. On a machine that does other
// things too, the median and the least of many short batches say what the
// transport takes; the mean says what it got.
const batch = 32

// report turns the times of batches into metrics.
func report(b *testing.B, each []time.Duration, bytes int) {
	slices.Sort(each)
	for name, at := range map[string]int{"min": 0, "p10": len(each) / 10, "median": len(each) / 2} {
		ns := float64(each[at]) / batch
		b.ReportMetric(ns/1e3, name+"-µs")
		if bytes > 0 {
			b.ReportMetric(float64(bytes)/ns, name+"-GB/s")
		}
	}
}

func timed(b *testing.B, op func() error) []time.Duration {
	for range 1000 {
		require.NoError(b, op())
	}
	var each []time.Duration
	b.ResetTimer()
	for range b.N/batch + 1 {
		start := time.Now()
		for range batch {
			if err := op(); err != nil {
				b.Fatal(err)
			}
		}
		each = append(each, time.Since(start))
	}
	b.StopTimer()
	return each
}

func bounce(s transport.Sender, r transport.Receiver, n int) func() error {
	var h transport.Header
	return func() error {
		if _, err := s.Acquire(context.Background()); err != nil {
			return err
		}
		if err := s.Commit(&h, n); err != nil {
			return err
		}
		_, _, err := r.Next(context.Background())
		if err == nil {
			r.Release()
		}
		return err
	}
}

// BenchmarkRoundTrip measures chunks that go to another process and come back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, n := range []int{8, 64, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("processes/%d", n), func(b *testing.B) {
			w, _ := spawn(b, "echo")
			s, r, err := w.links(1, 1)
			require.NoError(b, err)
			report(b, timed(b, bounce(s, r, n)), 0)
		})
	}
	for _, n := range []int{8, 64 << 10} {
		b.Run(fmt.Sprintf("goroutines/%d", n), func(b *testing.B) {
			all, _ := meshes(b, 2, Config{}, nil)
			s, r, err := (&member{mesh: all[0]}).links(1, 1)
			require.NoError(b, err)
			var wg sync.WaitGroup
			wg.Go(func() { _ = echo(&member{mesh: all[1]}) })
			report(b, timed(b, bounce(s, r, n)), 0)
			all[0].Close()
			all[1].Close()
			wg.Wait()
		})
	}
}

// adder adds the float32s of every chunk from rank 0 to memory of its own.
func adder(w *member) error {
	r, err := w.mesh.Receiver(context.Background(), 0, 0)
	if err != nil {
		return err
	}
	add := adding(w.mesh.SlotSize())
	for {
		_, payload, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		add(payload)
		r.Release()
	}
}

// adding returns a function that adds up to n bytes of float32s to its own.
func adding(n int) func(x []byte) {
	sum, err := strided.Of(make([]float32, n/4)).View(strided.Logical)
	if err != nil {
		panic(err)
	}
	return func(x []byte) { sum.ReduceOut(sum, nil, x, 0, int64(len(x)/4), strided.Sum, 1) }
}

// BenchmarkStream measures one process copying into slots while another adds
// their contents to memory of its own, beside each half of that work alone.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{64 << 10, 128 << 10, 256 << 10} {
		src, dst := make([]byte, n), make([]byte, n)
		b.Run(fmt.Sprintf("processes/%dKi", n>>10), func(b *testing.B) {
			w, _ := spawn(b, "adder")
			s, err := w.mesh.Sender(context.Background(), 1, 0)
			require.NoError(b, err)
			var h transport.Header
			report(b, timed(b, func() error {
				slot, err := s.Acquire(context.Background())
				if err != nil {
					return err
				}
				return s.Commit(&h, copy(slot, src))
			}), n)
		})
		b.Run(fmt.Sprintf("memcpy/%dKi", n>>10), func(b *testing.B) {
			report(b, timed(b, func() error {
				copy(dst, src)
				return nil
			}), n)
		})
		b.Run(fmt.Sprintf("add/%dKi", n>>10), func(b *testing.B) {
			add := adding(n)
			report(b, timed(b, func() error {
				add(src)
				return nil
			}), n)
		})
	}
}

// ringSteps is how many steps the ring of an all_reduce has.
func ringSteps(size int) int { return 2 * (size - 1) }

const ringChunk = 8 << 10

// ring passes chunks around without end, as all_reduces of small tensors do.
func (w *member) ring(steps int) error {
	s, r, err := w.links((w.rank+1)%w.size, (w.rank+w.size-1)%w.size)
	if err != nil {
		return err
	}
	round := ringRound(s, r, steps)
	for {
		if err := round(); err != nil {
			return err
		}
	}
}

func ringRound(s transport.Sender, r transport.Receiver, steps int) func() error {
	var h transport.Header
	local := make([]byte, ringChunk)
	return func() error {
		for range steps {
			slot, err := s.Acquire(context.Background())
			if err != nil {
				return err
			}
			if err := s.Commit(&h, copy(slot, local)); err != nil {
				return err
			}
			_, payload, err := r.Next(context.Background())
			if err != nil {
				return err
			}
			copy(local, payload)
			r.Release()
		}
		return nil
	}
}

// BenchmarkRing measures the steps of a ring all_reduce of 8 KiB per rank, also
// with more ranks than a small machine has processors.
func BenchmarkRing(b *testing.B) {
	for _, size := range []int{2, 4, 8} {
		b.Run(fmt.Sprintf("processes/%d", size), func(b *testing.B) {
			others := make([]string, size-1)
			for i := range others {
				others[i] = "ring"
			}
			w, _ := spawn(b, others...)
			s, r, err := w.links(1, size-1)
			require.NoError(b, err)
			report(b, timed(b, ringRound(s, r, ringSteps(size))), 0)
		})
	}
}

// BenchmarkSetup measures making two meshes, finding that memory can be shared,
// a link, and closing all of it.
func BenchmarkSetup(b *testing.B) {
	for b.Loop() {
		all, _ := meshes(b, 2, Config{}, nil)
		var wg sync.WaitGroup
		for rank, m := range all {
			wg.Go(func() {
				if err := m.Reach(context.Background(), 1-rank); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		s, r := linkOf(b, all)
		require.NoError(b, send(s, 1, 1))
		require.NoError(b, receive(r, 1, 1))
		for _, m := range all {
			require.NoError(b, m.Close())
		}
	}
}
