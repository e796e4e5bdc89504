package cudakernels

import (
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/memory"
	"github.com/monel-dev/monel/bench/internal/oracle"
)

const seed = 1

// verify runs the case once on known values and counts what is wrong, what was
// written around and between the elements included. Chunks go to and from their
// places in whole slots, so that all of them are seen.
func (s *placed) verify() (int64, error) {
	mine, sum := oracle.Reduction(s.c.Op, s.c.DType, 2, 0, seed)
	other, _ := oracle.Reduction(s.c.Op, s.c.DType, 2, 1, seed)
	slot := slotSpec(s.spec.Count())
	// What each memory has before and should have after.
	all := []struct {
		spec          layouts.Spec
		before, after *oracle.Table
	}{
		tensorArena: {s.spec, mine, mine},
		inArena:     {slot, other, other},
		outArena:    {slot, other, sum},
	}
	switch s.c.Kernel {
	case kernels.Pack:
		all[outArena].after = mine
	case kernels.Unpack:
		all[tensorArena].after, all[outArena].after = other, other
	case kernels.ReduceOut:
		all[tensorArena].after = sum
	}
	es := s.c.DType.Size()
	tensors := make([]memory.Tensor, len(all))
	var wg sync.WaitGroup
	for k, m := range all {
		n := m.spec.Storage * int64(es)
		if int64(len(s.host[k])) < n {
			fresh, err := memory.Allocate(n)
			if err != nil {
				return 0, err
			}
			s.host[k] = fresh
		}
		tensors[k] = memory.Tensor{Spec: m.spec, Size: es, Bytes: s.host[k][:n], Tag: uint64(k)}
		wg.Go(func() { tensors[k].Fill(oracle.Whole(m.before), seed) })
	}
	wg.Wait()
	for k := range all {
		if err := s.write(k, s.c.Slots, tensors[k].Bytes); err != nil {
			return 0, err
		}
	}
	if err := s.do(func(lo int64) int64 { return lo }); err != nil {
		return 0, err
	}
	if err := s.stream.Sync(); err != nil {
		return 0, err
	}
	var wrong atomic.Int64
	for k, m := range all {
		if err := s.read(k, s.c.Slots, tensors[k].Bytes); err != nil {
			return 0, err
		}
		wg.Go(func() { wrong.Add(tensors[k].Wrong(oracle.Whole(m.after), seed)) })
	}
	wg.Wait()
	return wrong.Load(), nil
}
