package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/memory"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// Yardstick is something else that moves as many bytes, or does the same work.
type Yardstick struct {
	Name string
	// Copy copies n bytes; nil if the yardstick does not copy.
	Copy func(dst, src unsafe.Pointer, n int)
	// Add stores the sums of n elements of contiguous arrays and reports whether
	// it knows the type; nil if the yardstick does not add.
	Add func(dt dtype.DType, out, a, b unsafe.Pointer, n int) bool
	// Pack is how many seconds something of another process takes to make a
	// contiguous tensor out of one like the case's, and whether it knows it; nil
	// if the yardstick does not do that.
	Pack func(c Case) (seconds float64, known bool, err error)
}

// Moves reports whether the yardstick reads and writes the tensor once,
// whatever the case reads and writes.
func (y Yardstick) Moves() bool { return y.Copy != nil || y.Pack != nil }

// Row is what was measured of a case.
type Row struct {
	Case  Case
	Bytes int64 // of the tensor
	Wrong int64 // elements that were not right
	// Seconds per pass in each round; the yardsticks' in their order, nil where
	// one does not apply.
	Ours       []float64
	Yardsticks [][]float64
}

// Rate is GB/s, read and written, of passes over the tensor.
func (r Row) Rate(seconds float64) float64 {
	return float64(r.Bytes*r.Case.Kernel.Moved()) / seconds / 1e9
}

// Ratios are our rates over a yardstick's in each round. One that only moves the
// tensor reads and writes two bytes for each of the tensor's.
func (r Row) Ratios(yardstick int, moves bool) []float64 {
	ratios := make([]float64, len(r.Ours))
	for i := range ratios {
		ratios[i] = r.Yardsticks[yardstick][i] / r.Ours[i]
		if moves {
			ratios[i] *= float64(r.Case.Kernel.Moved()) / 2
		}
	}
	return ratios
}

// Bench holds the memory that cases are measured in.
type Bench struct {
	Yardsticks []Yardstick
	Rounds     int
	MinTime    time.Duration // of the passes in a round, at least one

	arenas [arenaCount][]byte
}

const (
	tensorArena  = iota // the strided tensor
	slotArena           // the packed operand or result
	resultArena         // what the operation writes, if that is not the operand
	scratchArena        // Unfused's
	arenaCount
)

const seed = 1

// arena is zeroed or used memory of at least n bytes, all of it touched.
func (b *Bench) arena(which int, n int64) ([]byte, error) {
	if int64(len(b.arenas[which])) < n {
		fresh, err := memory.Allocate(n)
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < n; i += 4096 {
			fresh[i] = 1
		}
		b.arenas[which] = fresh
	}
	return b.arenas[which][:n], nil
}

// place is a tensor in an arena.
func (b *Bench) place(which int, spec layouts.Spec, size int) (memory.Tensor, error) {
	bytes, err := b.arena(which, spec.Storage*int64(size))
	return memory.Tensor{Spec: spec, Size: size, Bytes: bytes, Tag: uint64(which)}, err
}

func elements(t memory.Tensor) []byte { return t.Bytes[t.Spec.Offset*int64(t.Size):] }

// set is a case in memory.
type set struct {
	c                     Case
	tensor                memory.Tensor
	slot, result, scratch memory.Tensor // contiguous, as large as the tensor
	view                  strided.View
}

// Measure verifies a case and times it in turns with the yardsticks, on one
// operating system thread.
func (b *Bench) Measure(c Case) (Row, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, err := b.set(c)
	if err != nil {
		return Row{}, err
	}
	row := Row{Case: c, Bytes: c.Bytes(), Yardsticks: make([][]float64, len(b.Yardsticks))}
	row.Wrong = s.verify()
	s.steady()
	measured := []func() (float64, error){b.repeated(s.pass)}
	to := []*[]float64{&row.Ours}
	for i, y := range b.Yardsticks {
		if p := s.yardstick(y); p != nil {
			measured, to = append(measured, b.repeated(p)), append(to, &row.Yardsticks[i])
		}
		if y.Pack == nil || c.Kernel != Pack || c.Chunk != 0 {
			continue
		}
		if _, known, err := y.Pack(c); err != nil {
			return row, err
		} else if known {
			measured, to = append(measured, func() (float64, error) {
				seconds, _, err := y.Pack(c)
				return seconds, err
			}), append(to, &row.Yardsticks[i])
		}
	}
	for round := range b.Rounds {
		for k := range measured {
			i := (k + round) % len(measured)
			seconds, err := measured[i]()
			if err != nil {
				return row, err
			}
			*to[i] = append(*to[i], seconds)
		}
	}
	return row, nil
}

// repeated measures as many passes as take MinTime.
func (b *Bench) repeated(pass func()) func() (float64, error) {
	n := int(b.MinTime/max(timed(pass, 1), 1)) + 1
	return func() (float64, error) { return timed(pass, n).Seconds() / float64(n), nil }
}

func timed(pass func(), n int) time.Duration {
	start := time.Now()
	for range n {
		pass()
	}
	return time.Since(start)
}

func (b *Bench) set(c Case) (*set, error) {
	s := &set{c: c}
	size := c.DType.Size()
	spec := c.spec()
	packed := layouts.InOrder([]int64{spec.Count()}, []int{0})
	var err error
	for _, t := range []struct {
		to    *memory.Tensor
		which int
		spec  layouts.Spec
	}{{&s.tensor, tensorArena, spec}, {&s.slot, slotArena, packed}, {&s.result, resultArena, packed}, {&s.scratch, scratchArena, packed}} {
		if *t.to, err = b.place(t.which, t.spec, size); err != nil {
			return nil, err
		}
	}
	tensor := strided.FromBytes(c.DType, s.tensor.Bytes).AsStrided(spec.Shape, spec.Strides, spec.Offset)
	s.view, err = tensor.View(strided.Logical)
	return s, err
}

// verify runs the case once on known values and counts what is wrong, what was
// written around and between the elements included. Chunks go to and from their
// places in whole slots, so that all of them are seen.
func (s *set) verify() (wrong int64) {
	mine, sum := oracle.Reduction(s.c.Op, s.c.DType, 2, 0, seed)
	other, _ := oracle.Reduction(s.c.Op, s.c.DType, 2, 1, seed)
	if s.c.Kernel == Unpack {
		mine = other
	}
	s.fill(mine, other)
	s.do(func(int64) int64 { return 0 })
	tensor, slot := mine, other // what they should hold by now
	switch s.c.Kernel {
	case Pack:
		slot = mine
	case Unpack:
		tensor = other
	case ReduceOut:
		tensor = sum
	}
	var count atomic.Int64
	var wg sync.WaitGroup
	check := func(t memory.Tensor, values *oracle.Table) {
		wg.Go(func() { count.Add(t.Wrong(oracle.Whole(values), seed)) })
	}
	check(s.tensor, tensor)
	check(s.slot, slot)
	if s.c.Kernel.Reduces() {
		check(s.result, sum)
	}
	wg.Wait()
	return count.Load()
}

// fill writes values to what the kernel uses: mine to the tensor, other to the
// slots. On large tensors this takes longer than measuring does, hence the
// goroutines.
func (s *set) fill(mine, other *oracle.Table) {
	var wg sync.WaitGroup
	fill := func(t memory.Tensor, values *oracle.Table) {
		wg.Go(func() { t.Fill(oracle.Whole(values), seed) })
	}
	fill(s.tensor, mine)
	fill(s.slot, other)
	if s.c.Kernel.Reduces() {
		fill(s.result, other)
	}
	if s.c.Kernel == Unfused {
		fill(s.scratch, other)
	}
	wg.Wait()
}

// steady fills the operands with values that many passes over the same memory
// neither overflow nor make subnormal, where that is needed: ReduceOut feeds on
// its own results, and the verification leaves noise in a tensor with gaps.
func (s *set) steady() {
	values := oracle.Steady(s.c.Op, s.c.DType, 2, 0, seed)
	switch {
	case s.c.Kernel == ReduceOut:
		s.fill(values, values)
	case s.c.Kernel.Reduces() && s.tensor.Spec.HasGaps():
		s.tensor.Fill(oracle.Whole(values), seed)
	}
}

// pass is the case as it is timed: all chunks in the same slots.
func (s *set) pass() { s.do(func(lo int64) int64 { return lo }) }

// do runs the kernel over all chunks. shift says how far back from its place a
// chunk of a slot is, in elements: not at all, or at the slot's beginning.
func (s *set) do(shift func(lo int64) int64) {
	es := int64(s.c.DType.Size())
	count := s.view.Count()
	step := count
	if s.c.Chunk > 0 {
		step = s.c.Chunk / es
	}
	for lo := int64(0); lo < count; lo += step {
		hi := min(lo+step, count)
		at := (lo - shift(lo)) * es
		slot, result, scratch := elements(s.slot)[at:], elements(s.result)[at:], elements(s.scratch)[at:]
		switch s.c.Kernel {
		case Pack:
			s.view.Pack(slot, lo, hi)
		case Unpack:
			s.view.Unpack(slot, lo, hi)
		case ReduceInto:
			s.view.ReduceInto(result, slot, lo, hi, s.c.Op)
		case Unfused:
			s.view.Pack(scratch, lo, hi)
			strided.Reduce(s.c.Op, s.c.DType, result, slot, scratch, hi-lo)
		case ReduceOut:
			s.view.ReduceOut(s.view, result, slot, lo, hi, s.c.Op, 2)
		}
	}
}

// yardstick is a pass of y over as many bytes, or nil if it does not apply.
func (s *set) yardstick(y Yardstick) func() {
	n := s.view.Count() * int64(s.c.DType.Size())
	mem, slot, result := unsafe.Pointer(unsafe.SliceData(s.tensor.Bytes)), unsafe.Pointer(unsafe.SliceData(elements(s.slot))), unsafe.Pointer(unsafe.SliceData(elements(s.result)))
	step, back := n, int64(0)
	if s.c.Chunk > 0 {
		step, back = s.c.Chunk, 1
	}
	chunks := func(do func(at, slot, n int64)) func() {
		return func() {
			for lo := int64(0); lo < n; lo += step {
				do(lo, lo*(1-back), min(step, n-lo))
			}
		}
	}
	switch {
	case y.Copy != nil && s.c.Kernel == Unpack:
		return chunks(func(at, in, n int64) { y.Copy(unsafe.Add(mem, at), unsafe.Add(slot, in), int(n)) })
	case y.Copy != nil:
		return chunks(func(at, in, n int64) { y.Copy(unsafe.Add(slot, in), unsafe.Add(mem, at), int(n)) })
	case y.Add != nil && s.c.Kernel == ReduceInto && s.c.Op == dtype.Sum && s.view.IsContiguous():
		es := int64(s.c.DType.Size())
		if !y.Add(s.c.DType, result, slot, mem, 0) {
			return nil
		}
		return chunks(func(at, in, n int64) {
			y.Add(s.c.DType, unsafe.Add(result, in), unsafe.Add(slot, in), unsafe.Add(mem, at), int(n/es))
		})
	}
	return nil
}
