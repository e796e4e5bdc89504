package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// hopsSent is how many chunks a traced rank has sent.
func hopsSent(t testing.TB, c *engine.Comm) int {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, engine.WriteTrace(&b, c))
	return strings.Count(b.String(), `"name":"send"`)
}

// TestFusedAllReduces: many small all_reduces of a group go in few chunks, and give what
// single calls give, bit by bit, in whatever layouts; the flight recorder has each of them.
func TestFusedAllReduces(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 5} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				w := newWorld(t, size, engine.Config{TraceHops: 1 << 12, History: 2000})
				const calls = 64
				kinds := []strided.DType{dtype.Float32, dtype.BFloat16, dtype.Int8, dtype.Float64}
				ops := []engine.Op{engine.Sum, engine.Avg, engine.Prod, engine.Max}
				for round := range 8 {
					dt, op := kinds[round%len(kinds)], ops[rng.IntN(len(ops))]
					shapes, salts := make([][]int64, calls), make([]int, calls)
					for i := range shapes {
						shapes[i], salts[i] = []int64{rng.Int64N(4), 1 + rng.Int64N(3)}, rng.IntN(1000)
					}
					seed, inPlace := rng.Uint64(), round%2 == 0
					before := hopsSent(t, w[0])
					w.must(t, func(rank int, c *engine.Comm) error {
						own := rand.New(rand.NewPCG(seed, uint64(rank)))
						var src, dst, single [calls]placed
						for i := range calls {
							given := func(e int) scalar { return input(dt, op, rank, e+salts[i]) }
							src[i] = layouts[own.IntN(len(layouts))].place(forRank(t, rank), dt, shapes[i])
							src[i].fill(given)
							dst[i], single[i] = src[i], layouts[own.IntN(len(layouts))].place(forRank(t, rank), dt, shapes[i])
							single[i].fill(given)
							if !inPlace {
								dst[i] = layouts[own.IntN(len(layouts))].place(forRank(t, rank), dt, shapes[i])
							}
						}
						err := c.Group(background, func(g *engine.Group) (err error) {
							for i := range calls {
								err = errors.Join(err, g.AllReduce(dst[i].tensor, src[i].tensor, op))
							}
							return err
						})
						if rank == 0 && hopsSent(t, c)-before > 3*size {
							err = errors.Join(err, fmt.Errorf("%d all_reduces took %d chunks", calls, hopsSent(t, c)-before))
						}
						for i := range calls {
							err = errors.Join(err, c.AllReduce(background, single[i].tensor, single[i].tensor, op))
						}
						for i := range calls {
							want := make([]scalar, product(shapes[i]))
							for e := range want {
								want[e] = reduce(dt, op, size, e+salts[i])
							}
							err = errors.Join(err, dst[i].check(func(e int) scalar { return want[e] }),
								single[i].check(func(e int) scalar { return want[e] }))
						}
						return err
					})
				}
				record := w[0].Flight()
				require.EqualValues(t, 8*2*calls, record.Collectives[0].Calls)
				for i, op := range record.Operations {
					require.EqualValues(t, i, op.Seq)
					require.Contains(t, op.Call, "all_reduce ")
					require.NotContains(t, op.Call, "in one")
				}
			})
		}
	}
}

// TestFusedFloats: the order in which values are combined is that of single calls, also
// where it shows.
func TestFusedFloats(t *testing.T) {
	for _, size := range []int{2, 3, 4, 7, 8, 9} {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			rng := seeded(t)
			seed := rng.Uint64()
			w := localWorld(t, size, engine.Config{ChunkBytes: 4096})
			w.must(t, func(rank int, c *engine.Comm) error {
				own := rand.New(rand.NewPCG(seed, uint64(rank)))
				var x, y [40][]float32
				for i := range x {
					x[i] = make([]float32, 1+i)
					for e := range x[i] {
						x[i][e] = (own.Float32() - 0.5) * float32(int(1)<<own.IntN(20))
					}
					y[i] = append(y[i], x[i]...)
				}
				err := c.Group(background, func(g *engine.Group) (err error) {
					for i := range x {
						err = errors.Join(err, g.AllReduce(strided.Of(x[i]), strided.Of(x[i]), engine.Avg))
					}
					return err
				})
				for i := range y {
					err = errors.Join(err, c.AllReduce(background, strided.Of(y[i]), strided.Of(y[i]), engine.Avg))
					for e := range y[i] {
						if x[i][e] != y[i][e] {
							return fmt.Errorf("element %d of call %d is %v in the group and %v alone", e, i, x[i][e], y[i][e])
						}
					}
				}
				return err
			})
		})
	}
}

// TestFusedDisagreement: ranks whose lists differ, or of which one makes its calls one by
// one, all hear of it; nobody's memory is written, and they are in step afterwards.
func TestFusedDisagreement(t *testing.T) {
	counts := func(n ...int) []int { return n }
	for name, c := range map[string]struct {
		odd    []int // counts of the last rank's all_reduces; the others have 1 2 3 4
		single bool
		bad    int // which of the last rank's has no operator; -1 for none
		says   string
	}{
		"another shape":  {counts(1, 2, 4, 4), false, -1, "all_reduce float sum of 4 tensors in one, 11 elements: shapes [1] [2] [4] [4]"},
		"in another way": {counts(1, 2, 3, 5000), false, -1, "of 3 tensors in one"},
		"one by one":     {counts(1, 2, 3, 4), true, -1, "all_reduce float sum shape [1]"},
		"a bad argument": {counts(1, 2, 3, 4), false, 2, "of 4 tensors in one, 10 elements"},
	} {
		for _, size := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := localWorld(t, size, engine.Config{Timeout: 20 * time.Second})
				errs := w.each(t, func(rank int, comm *engine.Comm) error {
					list, odd := counts(1, 2, 3, 4), rank == size-1
					if odd {
						list = c.odd
					}
					var x []strided.Tensor
					var memory [][]float32
					for _, n := range list {
						m := make([]float32, n)
						for i := range m {
							m[i] = 1
						}
						memory, x = append(memory, m), append(x, strided.Of(m))
					}
					var err error
					if odd && c.single {
						for i := range x {
							err = errors.Join(err, comm.AllReduce(background, x[i], x[i], engine.Sum))
						}
					} else {
						err = comm.Group(background, func(g *engine.Group) error {
							for i := range x {
								op := engine.Sum
								if odd && i == c.bad {
									op = engine.Op(99)
								}
								_ = g.AllReduce(x[i], x[i], op)
							}
							return nil
						})
					}
					for _, m := range memory {
						for i := range m {
							if m[i] != 1 {
								return fmt.Errorf("an element became %v; %w", m[i], err)
							}
						}
					}
					return err
				})
				for rank, err := range errs {
					if rank == size-1 && c.bad >= 0 {
						var argument *engine.ArgumentError
						require.ErrorAs(t, err, &argument, "rank %d", rank)
						continue
					}
					require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
					require.ErrorContains(t, err, c.says)
				}
				w.must(t, func(rank int, comm *engine.Comm) error {
					x := []int32{int32(rank)}
					if err := comm.AllReduce(background, strided.Of(x), strided.Of(x), engine.Max); err != nil {
						return err
					}
					last := comm.Flight().Operations
					if seq := last[len(last)-1].Seq; seq != 4 {
						return fmt.Errorf("the next operation is number %d", seq)
					}
					return nil
				})
			})
		}
	}
}

// TestFusedDependent: where calls of a group need each other's results, on some ranks or on
// all, they are carried out in their order.
func TestFusedDependent(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 4, 9} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{Timeout: 20 * time.Second})
				w.must(t, func(rank int, c *engine.Comm) error {
					for round := range 6 {
						// Who has them depend: nobody, the last, all but the last, all.
						depend := []bool{false, rank == size-1, rank < size-1, true}[round%4]
						x := make([]int64, 4)
						for i := range x {
							x[i] = 1
						}
						n := int64(size)
						want := []int64{n, n, n, n}
						err := c.Group(background, func(g *engine.Group) (err error) {
							for i := range x {
								at := i
								if depend {
									at = 0 // the sum of sums
								}
								err = errors.Join(err, g.AllReduce(strided.Of(x[at:at+1]), strided.Of(x[at:at+1]), engine.Sum))
							}
							return err
						})
						// Those that depend have a power of sums where all do.
						if round%4 == 3 {
							want = []int64{n * n * n * n, 1, 1, 1}
						} else if round%4 != 0 {
							want = nil // checked below
						}
						if err != nil {
							return err
						}
						if want != nil && !slices.Equal(x, want) {
							return fmt.Errorf("round %d: %v, want %v", round, x, want)
						}
						if want == nil {
							// Step by step: what every rank gives is 1, or where it depends the sum before.
							dependent := int64(1)
							if round%4 == 2 {
								dependent = n - 1
							}
							sum, sums := int64(0), []int64{}
							for i := range x {
								given := sum
								if i == 0 {
									given = 1
								}
								sum = dependent*given + (n - dependent)
								sums = append(sums, sum)
							}
							if depend {
								sums = []int64{sum, 1, 1, 1}
							}
							if !slices.Equal(x, sums) {
								return fmt.Errorf("round %d: %v, want %v", round, x, sums)
							}
						}
					}
					return nil
				})
			})
		}
	}
}

// TestFusedInPortions: groups of more calls than are looked at together give the same to a
// rank that has them as two.
func TestFusedInPortions(t *testing.T) {
	w := localWorld(t, 3, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		x := make([]int64, engine.FusedCalls+20)
		for i := range x {
			x[i] = int64(rank)
		}
		group := func(x []int64) error {
			return c.Group(background, func(g *engine.Group) (err error) {
				for i := range x {
					err = errors.Join(err, g.AllReduce(strided.Of(x[i:i+1]), strided.Of(x[i:i+1]), engine.Sum))
				}
				return err
			})
		}
		var err error
		if rank == 1 {
			err = errors.Join(group(x[:engine.FusedCalls]), group(x[engine.FusedCalls:]))
		} else {
			err = group(x)
		}
		for i := range x {
			if x[i] != 3 {
				return fmt.Errorf("sum %d is %d; %w", i, x[i], err)
			}
		}
		return err
	})
}

// TestFusedOnDevices: it is no rank's business where the others' tensors are, so those of a
// device are fused, too, on streams and waited for.
func TestFusedOnDevices(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("started=%v", started), func(t *testing.T) {
			d := onDevices(t)
			w := localWorld(d, 2, d.config())
			users, more := d.use(w, 10, 2), d.use(w, 7, 2)
			w.must(t, func(rank int, c *engine.Comm) error {
				u, v := users[rank], more[rank]
				x, y := []int32{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, []int32{6, 6, 6, 6, 6, 6, 6}
				a, b := strided.Of(x), strided.Of(y)
				if rank == 0 {
					u.write(3)
					v.write(4)
					if err := errors.Join(u.stream.Sync(), v.stream.Sync()); err != nil {
						return err
					}
					a, b = u.x, v.x
				}
				build := func(on func(*engine.Comm) *engine.Group) error {
					return errors.Join(on(c).AllReduce(a, a, engine.Sum), on(c).AllReduce(b, b, engine.Sum))
				}
				if !started {
					if err := engine.RunGroup(background, build); err != nil {
						return err
					}
				} else {
					works, err := engine.StartGroup(background, build)
					for _, work := range works {
						err = errors.Join(err, work.Wait(background))
					}
					if err != nil {
						return err
					}
				}
				if rank == 1 {
					if x[9] != 8 || y[6] != 10 {
						return fmt.Errorf("got %v and %v", x, y)
					}
					return nil
				}
				gotU, gotV := u.read(), v.read()
				if err := errors.Join(u.stream.Sync(), v.stream.Sync()); err != nil {
					return err
				}
				return errors.Join(gotU(8, 3), gotV(10, 4))
			})
		})
	}
}
