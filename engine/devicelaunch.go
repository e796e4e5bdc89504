package engine

// What happens to the elements of a device's tensor. Each function puts work on
// the slots' lane and a mark behind it; the slots are free when that is reached.

// copyEngineFrom is from how many contiguous bytes on a chunk is copied by the
// device's copy engines rather than by a kernel.
const copyEngineFrom = 64 << 10

// pack copies the elements [lo,hi) to a slot.
func (d *deviceRun) pack(l *lane, v *deviceView, lo, hi int64, out *slot) error {
	var err error
	if n := (hi - lo) * v.size; v.contiguous && n >= copyEngineFrom {
		err = d.g.ctx.Copy(out.at, v.at(lo), n, l.stream)
	} else {
		err = d.g.set.Pack(l.stream, &v.View, lo, hi, out.at)
	}
	return d.marked(l, err, out)
}

// unpack copies a slot to the elements [lo,hi).
func (d *deviceRun) unpack(l *lane, v *deviceView, lo, hi int64, in *slot) error {
	var err error
	if n := (hi - lo) * v.size; v.contiguous && n >= copyEngineFrom {
		err = d.g.ctx.Copy(v.at(lo), in.at, n, l.stream)
	} else {
		err = d.g.set.Unpack(l.stream, &v.View, lo, hi, in.at)
	}
	return d.marked(l, err, in)
}

// reduceInto computes out = in (+) the elements [lo,hi).
func (d *deviceRun) reduceInto(l *lane, v *deviceView, lo, hi int64, out, in *slot, op Op) error {
	return d.marked(l, d.g.set.ReduceInto(l.stream, &v.View, lo, hi, out.at, in.at, op), out, in)
}

// reduceOut computes in (+) the elements [lo,hi) of src, for Avg divided by the
// number of ranks, and writes the result to dst and out.
func (d *deviceRun) reduceOut(l *lane, dst, src *deviceView, lo, hi int64, out, in *slot, op Op) error {
	return d.marked(l, d.g.set.ReduceOut(l.stream, &dst.View, &src.View, lo, hi, out.at, in.at, op, d.c.size), out, in)
}

// move copies src's elements to dst's.
func (d *deviceRun) move(dst, src *deviceView) error {
	l := d.g.nextLane()
	return d.marked(l, d.g.set.Move(l.stream, &dst.View, &src.View, 0, dst.Count))
}

// marked puts a mark behind what has just been put on the lane.
func (d *deviceRun) marked(l *lane, err error, slots ...*slot) error {
	if err != nil {
		return err
	}
	mark, err := l.mark()
	if err != nil {
		return err
	}
	for _, s := range slots {
		s.lane, s.mark = l, mark
	}
	return nil
}
