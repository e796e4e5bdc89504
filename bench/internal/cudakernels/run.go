package cudakernels

import (
	"fmt"
	"time"

	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/cudaffi"
	gpu "github.com/monel-dev/monel/cudaffi/kernels"
)

// Row is what was measured of a case.
type Row struct {
	Case  Case
	Spec  layouts.Spec
	Bytes int64 // of the tensor
	Wrong int64 // elements that were not right
	// Seconds per pass in each round, and per copy of as many bytes: from device
	// memory to device memory, or across the bus.
	Ours, Copy []float64
	// Seconds of the other contenders.
	Others [][]float64
}

// Rate is GB/s of passes over the tensor: read and written on the device, or
// across the bus in one direction.
func (r Row) Rate(seconds float64) float64 {
	return float64(r.Bytes*r.Case.Crossings()) / seconds / 1e9
}

// CopyRate is GB/s of copies, counted alike.
func (r Row) CopyRate(seconds float64) float64 {
	n := r.Bytes
	if r.Case.Slots == Device {
		n *= 2
	}
	return float64(n) / seconds / 1e9
}

// Plan is how to measure.
type Plan struct {
	Bytes      int64 // about, of tensors that are measured
	CheckBytes int64 // about, of those that are verified
	Rounds     int
	MinTime    time.Duration // of the passes in a round, at least one
	// Others are further contenders: each returns the seconds of one pass, and
	// whether it knows the case.
	Others []func(c Case, s layouts.Spec) (seconds float64, known bool, err error)
}

// placed is a case in memory.
type placed struct {
	*Bench
	c               Case
	spec            layouts.Spec
	view            *gpu.View
	tensor, in, out cudaffi.DevicePtr // the arenas
}

// slotSpec is a slot of count elements, between guards.
func slotSpec(count int64) layouts.Spec { return layouts.InOrder([]int64{count}, []int{0}) }

// place is the case with a tensor of about so many bytes. Slots hold all of it.
func (b *Bench) place(c Case, bytes int64) (*placed, error) {
	s := &placed{Bench: b, c: c, spec: c.Spec(bytes)}
	es := int64(c.DType.Size())
	slots := slotSpec(s.spec.Count()).Storage * es
	var err error
	for k, at := range []*cudaffi.DevicePtr{tensorArena: &s.tensor, inArena: &s.in, outArena: &s.out} {
		n := slots
		if k == tensorArena {
			n = s.spec.Storage * es
		}
		if *at, err = b.room(k, c.Slots, n); err != nil {
			return nil, fmt.Errorf("%d bytes for %s: %w", n, c.Name(), err)
		}
	}
	s.view = &gpu.View{Base: s.tensor + cudaffi.DevicePtr(s.spec.Offset*es), DType: c.DType, Count: s.spec.Count(), Size: s.spec.Shape}
	for _, stride := range s.spec.Strides {
		s.view.Stride = append(s.view.Stride, stride*es)
	}
	return s, nil
}

// Measure verifies a case and times it in turns with copies and with the others.
func (b *Bench) Measure(c Case, p Plan) (Row, error) {
	row := Row{Case: c, Others: make([][]float64, len(p.Others))}
	small, err := b.place(c, p.CheckBytes)
	if err != nil {
		return row, err
	}
	if row.Wrong, err = small.verify(); err != nil {
		return row, err
	}
	s, err := b.place(c, p.Bytes)
	if err != nil {
		return row, err
	}
	row.Spec, row.Bytes = s.spec, s.spec.Count()*int64(c.DType.Size())
	contenders := []func() (float64, bool, error){s.repeated(s.pass, p.MinTime), s.repeated(s.copies, p.MinTime)}
	to := []*[]float64{&row.Ours, &row.Copy}
	for i, other := range p.Others {
		contenders = append(contenders, func() (float64, bool, error) { return other(c, s.spec) })
		to = append(to, &row.Others[i])
	}
	for round := range p.Rounds {
		for k := range contenders {
			i := (k + round) % len(contenders)
			seconds, known, err := contenders[i]()
			if err != nil {
				return row, err
			}
			if known {
				*to[i] = append(*to[i], seconds)
			}
		}
	}
	return row, nil
}

// repeated measures as many passes as take the least time.
func (s *placed) repeated(pass func() error, least time.Duration) func() (float64, bool, error) {
	n := 0
	return func() (float64, bool, error) {
		if n == 0 {
			once, err := s.timed(pass, 2) // the first one pays for what is cold
			if err != nil {
				return 0, false, err
			}
			n = int(least/max(once/2, 1)) + 1
		}
		t, err := s.timed(pass, n)
		return t.Seconds() / float64(n), true, err
	}
}

// timed is how long the device takes for n passes.
func (s *placed) timed(pass func() error, n int) (took time.Duration, err error) {
	err = s.ctx.Do(func() error {
		if err := s.start.Record(s.stream); err != nil {
			return err
		}
		for range n {
			if err := pass(); err != nil {
				return err
			}
		}
		if err := s.end.Record(s.stream); err != nil {
			return err
		}
		if err := s.end.Sync(); err != nil {
			return err
		}
		took, err = cudaffi.Elapsed(s.start, s.end)
		return err
	})
	return took, err
}

// pass is the case as it is timed: all chunks in the same slots.
func (s *placed) pass() error { return s.do(func(int64) int64 { return 0 }) }

// do runs the kernel over all chunks. place says where a chunk is in the slots, in
// elements from their first.
func (s *placed) do(place func(lo int64) int64) error {
	return s.chunks(func(lo, hi int64) error {
		es := int64(s.c.DType.Size())
		at := cudaffi.DevicePtr((slotSpec(1).Offset + place(lo)) * es)
		in, out := s.in+at, s.out+at
		switch s.c.Kernel {
		case kernels.Pack:
			return s.kernels.Pack(s.stream, s.view, lo, hi, out)
		case kernels.Unpack:
			return s.kernels.Unpack(s.stream, s.view, lo, hi, in)
		case kernels.ReduceInto:
			return s.kernels.ReduceInto(s.stream, s.view, lo, hi, out, in, s.c.Op)
		default:
			return s.kernels.ReduceOut(s.stream, s.view, s.view, lo, hi, out, in, s.c.Op, 2)
		}
	})
}

// copies is the driver's copy of as many bytes as the tensor has, in the same
// chunks: in device memory, or the way over the bus that the kernel's operand or
// result takes.
func (s *placed) copies() error {
	es := int64(s.c.DType.Size())
	return s.chunks(func(lo, hi int64) error {
		at := cudaffi.DevicePtr(0)
		if s.c.Chunk == 0 || s.c.Slots == Device {
			at = cudaffi.DevicePtr(lo * es)
		}
		tensor := s.tensor + cudaffi.DevicePtr(lo*es)
		if s.c.Kernel == kernels.Pack || s.c.Slots == Device {
			return s.ctx.Copy(s.out+at, tensor, (hi-lo)*es, s.stream)
		}
		return s.ctx.Copy(tensor, s.in+at, (hi-lo)*es, s.stream)
	})
}

func (s *placed) chunks(do func(lo, hi int64) error) error {
	count := s.spec.Count()
	step := count
	if s.c.Chunk > 0 {
		step = s.c.Chunk / int64(s.c.DType.Size())
	}
	for lo := int64(0); lo < count; lo += step {
		if err := do(lo, min(lo+step, count)); err != nil {
			return err
		}
	}
	return nil
}
