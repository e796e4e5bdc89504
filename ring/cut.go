package ring

// cut divides elements [0,total) into consecutive pieces that start on multiples
// of unit and whose sizes differ by less than two units. When there are fewer
// units than pieces, the last pieces are empty.
type cut struct {
	total int64
	unit  int64
	units int64 // ceil(total/unit)
	per   int64 // units in every piece
	extra int64 // the first extra pieces have one unit more
}

func newCut(total, pieces, unit int64) cut {
	units := total / unit
	if total%unit != 0 {
		units++
	}
	return cut{total: total, unit: unit, units: units, per: units / pieces, extra: units % pieces}
}

// piece returns the bounds of piece i.
func (c *cut) piece(i int64) (lo, hi int64) { return c.start(i), c.start(i + 1) }

func (c *cut) start(i int64) int64 {
	// Comparing before multiplying keeps totals near the largest int64 exact.
	if u := i*c.per + min(i, c.extra); u < c.units {
		return u * c.unit
	}
	return c.total
}
