package strided

import "github.com/monel-dev/monel/strided/internal/kernel"

// Copy copies src's elements to dst, element (i, j, …) to element (i, j, …);
// shapes and element types are equal, layouts may differ. It returns an error,
// and writes nothing, if they are not, if Conflict finds one, or if either is
// memory of a device (ErrDevice) without an Access.
func Copy(dst, src Tensor) error {
	if err := Conflict(dst, src); err != nil {
		return err
	}
	if dst.layout.dt != src.layout.dt {
		return errorf("Copy", ErrDType, "from %v to %v", src.layout.dt, dst.layout.dt)
	}
	if !dst.layout.SameShape(src.layout) {
		return errorf("Copy", ErrShape, "from %v to %v", src.layout.shape, dst.layout.shape)
	}
	if dst.layout.count == 0 || identical(&dst, &src) {
		return nil
	}
	staged := dst.access != nil || src.access != nil
	if dst.OnDevice() && dst.access == nil || src.OnDevice() && src.access == nil {
		return errorf("Copy", ErrDevice, "the host cannot touch it; copy on the device, or with the driver")
	}
	// Writing in sequence matters more than reading in sequence.
	w := dst.layout.MemoryWalk()
	to, err := dst.View(w)
	if err != nil {
		return err
	}
	from, err := src.View(w)
	if err != nil {
		return err
	}
	if staged {
		copyStaged(to, from)
	} else {
		copyViews(to, from)
	}
	return nil
}

func copyViews(to, from View) {
	n := to.Count()
	to.noteWrite(0, n)
	from.noteRead(0, n)
	j := job{plan: from.plan, mem: from.base, mem2: to.base, total: n * from.plan.es}
	switch {
	case from.plan.kind == contiguous && to.plan.kind == contiguous:
		kernel.Copy(to.base, from.base, int(n*to.plan.es))
		return
	case to.plan.kind == contiguous:
		j.do, j.out = pack, to.base
		j.visit(0, n)
		return
	case from.plan.kind == contiguous:
		j.do, j.in, j.plan, j.mem = unpack, from.base, to.plan, to.base
		j.visit(0, n)
		return
	case to.plan.same(from.plan):
		j.do = copyAcross
	case from.plan.hardness() >= to.plan.hardness():
		j.do, j.other = copyFrom, to
	default:
		j.do, j.other, j.plan, j.mem = copyTo, from, to.plan, to.base
	}
	j.visitWithScratch(0, n)
}
