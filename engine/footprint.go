package engine

import "github.com/monel-dev/monel/strided"

// footprint is the memory that calls touch which go on at the same time.
type footprint struct {
	touched       []touched
	reads, writes extent // around all that is read, and all that is written
}

type touched struct {
	extent
	tensor *strided.Tensor
	writes bool
}

// extent is a range of addresses, empty if both are equal.
type extent struct{ first, end uint64 }

func (e *extent) meets(o extent) bool { return e.first < o.end && o.first < e.end }

func (e *extent) include(o extent) {
	if e.first == e.end {
		*e = o
		return
	}
	e.first, e.end = min(e.first, o.first), max(e.end, o.end)
}

// readsOf and writesTo are a tensor without an error, which must not change, and what is done
// to it.
func readsOf(t *strided.Tensor) touched {
	first, end := t.Extent()
	return touched{extent: extent{first, end}, tensor: t}
}

func writesTo(t *strided.Tensor) touched {
	w := readsOf(t)
	w.writes = true
	return w
}

// conflict returns an error that wraps strided.ErrOverlap if a tensor shares elements'
// memory with another one that was added, and either is written. Those with numbers that
// but takes are left out; they count from 0 in the order of adding.
func (f *footprint) conflict(t *touched, but func(number int) bool) error {
	if !f.writes.meets(t.extent) && !(t.writes && f.reads.meets(t.extent)) {
		return nil // as most do
	}
	for i := range f.touched {
		o := &f.touched[i]
		if !(t.writes || o.writes) || !o.meets(t.extent) || but != nil && but(i) {
			continue
		}
		if err := strided.Disjoint(*o.tensor, *t.tensor); err != nil {
			return err
		}
	}
	return nil
}

// add adds a tensor.
func (f *footprint) add(t *touched) {
	f.touched = append(f.touched, *t)
	if t.writes {
		f.writes.include(t.extent)
	} else {
		f.reads.include(t.extent)
	}
}
