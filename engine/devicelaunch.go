package engine

// What happens to the elements of a device's tensor. Each function tells the agent;
// the slots are free when their tickets are done.

// pack copies the elements [lo,hi) to a slot.
func (d *deviceRun) pack(v *deviceView, lo, hi int64, out *slot) error {
	return d.told(d.gate.run.Pack(&v.View, lo, hi, out.at), out)
}

// unpack copies a slot to the elements [lo,hi).
func (d *deviceRun) unpack(v *deviceView, lo, hi int64, in *slot) error {
	return d.told(d.gate.run.Unpack(&v.View, lo, hi, in.at), in)
}

// reduceInto computes out = in (+) the elements [lo,hi).
func (d *deviceRun) reduceInto(v *deviceView, lo, hi int64, out, in *slot, op Op) error {
	return d.told(d.gate.run.ReduceInto(&v.View, lo, hi, out.at, in.at, op), out, in)
}

// reduceOut computes in (+) the elements [lo,hi) of src, for Avg divided by the
// number of ranks, and writes the result to dst and out.
func (d *deviceRun) reduceOut(dst, src *deviceView, lo, hi int64, out, in *slot, op Op) error {
	return d.told(d.gate.run.ReduceOut(&dst.View, &src.View, lo, hi, out.at, in.at, op, d.c.size), out, in)
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
