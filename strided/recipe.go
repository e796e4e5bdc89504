package strided

import "unsafe"

// Recipe is a View without its memory: what Tensor.View finds out. It is for whoever
// remembers a Pair, and makes views of all tensors that are like the one it was made
// from, with the same layout and no error. The zero Recipe makes the zero View.
type Recipe struct {
	plan  *plan
	first int64 // bytes from where the tensor's memory begins to element 0
}

// Recipe is View but for the memory.
func (t Tensor) Recipe(w Walk) (Recipe, error) {
	if err := t.Err(); err != nil {
		return Recipe{}, err
	}
	p, err := planFor(&t.layout, w)
	if err != nil {
		return Recipe{}, err
	}
	return Recipe{plan: p, first: t.layout.offset*p.es + p.first}, nil
}

// View makes the view of a tensor.
func (r Recipe) View(t *Tensor) View {
	switch {
	case r.plan == nil || r.plan.count == 0:
		return View{plan: r.plan}
	case t.OnDevice():
		return View{plan: r.plan, far: &far{t.mem.device + uint64(r.first), t.access}}
	}
	return View{plan: r.plan, base: unsafe.Add(t.mem.ptr, r.first)}
}

// Bytes is the memory of all elements of a tensor, if they lie there one after the other
// in the order of the walk and the host can touch them.
func (r Recipe) Bytes(t *Tensor) ([]byte, bool) {
	switch {
	case r.plan == nil || r.plan.count == 0:
		return nil, true
	case r.plan.kind != contiguous || t.place != onHost:
		return nil, false
	}
	return unsafe.Slice((*byte)(unsafe.Add(t.mem.ptr, r.first)), r.plan.count*r.plan.es), true
}

// IsContiguous reports whether all elements lie one after the other in the order of the
// walk.
func (r Recipe) IsContiguous() bool { return r.plan == nil || r.plan.kind == contiguous }
