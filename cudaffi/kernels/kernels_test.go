//go:build linux && (amd64 || arm64)

package kernels

import (
	"math/rand/v2"
	"testing"

	"github.com/monel-dev/monel/strided/dtype"
)

// checkTable does everything with every layout of the table.
func checkTable(t *testing.T, m machine) {
	rng := seeded(t)
	for _, dt := range dtype.All() {
		layouts := table(rng, dt)
		for name, x := range layouts {
			t.Run(dt.String()+"/"+name, func(t *testing.T) {
				for _, op := range dtype.Ops() {
					for range 2 {
						c := &trial{t: t, m: m, rng: rng}
						c.lo, c.hi = randomRange(rng, x.Count())
						ranks := []int{1, 2, 3, 7, 8, 1000}[rng.IntN(6)]
						c.one(x, op, ranks)
						c.two(x, like(rng, x), op, ranks)
					}
				}
			})
		}
	}
}

// checkRandom does everything with one random tensor.
func checkRandom(t testing.TB, m machine, rng *rand.Rand, dt dtype.DType, limit int64) {
	x := randomTensor(rng, dt, limit)
	c := &trial{t: t, m: m, rng: rng}
	c.lo, c.hi = randomRange(rng, x.Count())
	op, ranks := dtype.Ops()[rng.IntN(5)], 1+rng.IntN(9)
	c.one(x, op, ranks)
	c.two(x, like(rng, x), op, ranks)
}

func TestHostTable(t *testing.T) { checkTable(t, onHost(t)) }

func TestHostRandom(t *testing.T) {
	m, rng := onHost(t), seeded(t)
	for i := range 1500 {
		checkRandom(t, m, rng, dtype.All()[i%12], []int64{50, 3000, 40000}[min(rng.IntN(12)/5, 2)])
	}
}

// FuzzKernels compares the kernels with package strided on tensors that the
// numbers make.
func FuzzKernels(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(7))
	f.Add(uint64(3), uint64(4), uint8(6))
	f.Add(uint64(5), uint64(6), uint8(0))
	m := onHost(f)
	f.Fuzz(func(t *testing.T, s1, s2 uint64, dt uint8) {
		checkRandom(t, m, rand.New(rand.NewPCG(s1, s2)), dtype.All()[int(dt)%12], 4000)
	})
}
