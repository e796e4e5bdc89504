//go:build linux && (amd64 || arm64)

package kernels

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// checkTable does everything with every layout of the table.
func checkTable(t *testing.T, m machine) {
	rng := seeded(t)
	for _, dt := range dtype.All() {
		layouts := table(rng, dt)
		for name, x := range layouts {
			t.Run(dt.String()+"/"+name, func(t *testing.T) {
				ops := dtype.Ops()
				if raceDetector {
					ops = ops[rng.IntN(5):][:1]
				}
				for _, op := range ops {
					c := &trial{t: t, m: m, rng: rng}
					c.lo, c.hi = randomRange(rng, x.Count())
					ranks := []int{1, 2, 3, 7, 8, 1000}[rng.IntN(6)]
					c.one(x, op, ranks)
					c.two(x, like(rng, x), op, ranks)
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

func checkRandomly(t *testing.T, m machine, rounds int) {
	rng := seeded(t)
	for i := range rounds {
		checkRandom(t, m, rng, dtype.All()[i%12], []int64{50, 3000, 40000}[min(rng.IntN(12)/5, 2)])
	}
}

// checkEveryValue reduces all pairs of values of the 8-bit types, and each value
// of the 16-bit ones with some others.
func checkEveryValue(t *testing.T, m machine) {
	rng := seeded(t)
	for _, dt := range dtype.All() {
		es := dt.Size()
		if es > 2 {
			continue
		}
		data, in := aligned(1<<16*es), aligned(1<<16*es)
		for i := range 1 << 16 {
			if es == 1 {
				data[i], in[i] = byte(i), byte(i>>8)
			} else {
				data[2*i], data[2*i+1] = byte(i), byte(i>>8)
			}
		}
		x := tensor{strided.FromBytes(dt, data), data}
		for _, op := range dtype.Ops() {
			if es == 2 {
				copy(in, values(rng, dt, len(in)))
			}
			for _, ranks := range []int{1, 2, 3, 5, 127, 255, 1000} {
				if ranks > 1 && op != dtype.Avg {
					continue
				}
				v := x.view(m.place(t, srcMemory, data, 0))
				o := order{src: v, dst: v, hi: 1 << 16, in: m.place(t, inMemory, in, 0), reduces: true, op: op, ranks: ranks}
				require.NoError(t, m.do(o))
				want, err := x.clone().View(strided.Logical)
				require.NoError(t, err)
				want.ReduceOut(want, nil, in, 0, 1<<16, op, ranks)
				expected, _ := want.Bytes(0, 1<<16)
				got := aligned(len(data))
				m.fetch(t, srcMemory, got, 0)
				require.NoError(t, same(dt, expected, got, true), "%v of %v over %d", op, dt, ranks)
			}
		}
	}
}

func TestHostTable(t *testing.T) { checkTable(t, onHost(t)) }

func TestHostRandom(t *testing.T) { checkRandomly(t, onHost(t), 2000) }

func TestHostEveryValue(t *testing.T) { checkEveryValue(t, onHost(t)) }

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
