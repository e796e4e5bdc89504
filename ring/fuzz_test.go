package ring_test

import (
	"errors"
	"testing"

	"github.com/monel-dev/monel/ring"
)

// Any numbers at all give an error that says so or a plan that keeps within
// bounds.
func FuzzConfig(f *testing.F) {
	f.Add(4, 1, int64(100), int64(16), int64(4), 2)
	f.Add(1, 0, int64(0), int64(1), int64(1), 2)
	f.Add(-1, -1, int64(-1), int64(-1), int64(-1), -1)
	f.Add(1<<29, 1<<29-1, int64(1)<<62, int64(1)<<62, int64(1)<<62, 1<<30)
	f.Fuzz(func(t *testing.T, size, rank int, count, chunk, align int64, depth int) {
		c := ring.Config{Size: size, Rank: rank, Count: count, Chunk: chunk, Align: align, Depth: depth}
		plan, err := ring.AllReduce(c)
		if err != nil {
			var ce *ring.ConfigError
			if !errors.As(err, &ce) || !errors.Is(err, ring.ErrConfig) {
				t.Fatalf("%+v: %v is not a ConfigError", c, err)
			}
			return
		}
		for range 1000 {
			s, ok := plan.Next()
			if !ok {
				return
			}
			if s.Lo < 0 || s.Hi < s.Lo || s.Hi > count || s.Hi-s.Lo > chunk {
				t.Fatalf("%+v: %+v", c, s)
			}
		}
	})
}

// Whole rings of any small shape complete, rightly, under a schedule that the
// fuzzer chooses.
func FuzzAllReduce(f *testing.F) {
	f.Add(uint8(4), uint16(50), uint8(4), uint8(2), uint8(2), []byte{0, 1, 2, 3})
	f.Add(uint8(2), uint16(0), uint8(1), uint8(1), uint8(9), []byte{7})
	f.Add(uint8(3), uint16(7), uint8(3), uint8(8), uint8(4), []byte{})
	f.Fuzz(func(t *testing.T, size uint8, count uint16, chunk, align, depth uint8, schedule []byte) {
		c := ring.Config{
			Size: 1 + int(size)%16, Count: int64(count) % 1000,
			Chunk: 1 + int64(chunk), Align: 1 + int64(align), Depth: 2 + int(depth)%40,
		}
		i := 0
		m := newMachine(t, c, c.Depth)
		err := m.run(func(n int) (int, int) {
			if len(schedule) == 0 {
				return 0, -1
			}
			b := int(schedule[i%len(schedule)])
			i++
			return b % n, 1 + b/n
		})
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
	})
}
