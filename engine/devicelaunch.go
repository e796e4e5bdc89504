package engine

// What happens to the elements of a device's tensor. Each function tells the agent;
// the slots are free when their tickets are done.

// pack copies the elements [lo,hi) to a slot.
func (d *deviceRun) pack(v *deviceView, lo, hi int64, out *slot) (err error) {
	for at := out.at; lo < hi && err == nil; {
		p, from, n := v.part(lo, hi)
		err = d.gate.run.Pack(&p.View, from, from+n, at)
		lo, at = lo+n, at+v.bytes(n)
	}
	return d.told(err, out)
}

// unpack copies a slot to the elements [lo,hi).
func (d *deviceRun) unpack(v *deviceView, lo, hi int64, in *slot) (err error) {
	for at := in.at; lo < hi && err == nil; {
		p, from, n := v.part(lo, hi)
		err = d.gate.run.Unpack(&p.View, from, from+n, at)
		lo, at = lo+n, at+v.bytes(n)
	}
	return d.told(err, in)
}

// reduceInto computes out = in (+) the elements [lo,hi).
func (d *deviceRun) reduceInto(v *deviceView, lo, hi int64, out, in *slot, op Op) (err error) {
	for skip := v.bytes(0); lo < hi && err == nil; {
		p, from, n := v.part(lo, hi)
		err = d.gate.run.ReduceInto(&p.View, from, from+n, out.at+skip, in.at+skip, op)
		lo, skip = lo+n, skip+v.bytes(n)
	}
	return d.told(err, out, in)
}

// reduceOut computes in (+) the elements [lo,hi) of src, for Avg divided by the
// number of ranks, and writes the result to dst and out. Both views have the same
// walk.
func (d *deviceRun) reduceOut(dst, src *deviceView, lo, hi int64, out, in *slot, op Op) (err error) {
	for skip := src.bytes(0); lo < hi && err == nil; {
		p, from, n := src.part(lo, hi)
		to, _, _ := dst.part(lo, hi)
		err = d.gate.run.ReduceOut(&to.View, &p.View, from, from+n, out.at+skip, in.at+skip, op, d.c.size)
		lo, skip = lo+n, skip+src.bytes(n)
	}
	return d.told(err, out, in)
}

// move copies src's elements to dst's.
func (d *deviceRun) move(dst, src *deviceView) error {
	return d.gate.run.Move(&dst.View, &src.View, 0, dst.Count)
}

// told remembers what the slots wait for.
func (d *deviceRun) told(err error, slots ...*slot) error {
	for _, s := range slots {
		s.ticket, s.pending = d.gate.run.Last(), true
	}
	return err
}
