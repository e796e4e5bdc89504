package doubling

// Merge is one combination of two operands, the left one's ranks being the lower.
// Operands below the world size are what the ranks of that number have; the
// others, counted from there, are intermediate results.
type Merge struct {
	Left, Right int
	// Out is the operand that the result is: always an intermediate one, which may
	// be one of those combined.
	Out int
}

// Merges are the combinations that all ranks together carry out for one result,
// in an order in which a single rank can that has what all of them have. The last
// yields the result. No intermediate result above size+Levels(size)-1 is named.
// The bits are those that Steps give.
func Merges(size int) []Merge {
	m := merger{size: size, extra: size - floorPower(size)}
	m.combine(0, floorPower(size), 0)
	return m.merges
}

// Levels is how many intermediate results Merges need at a time.
func Levels(size int) int {
	levels := 0
	for p := floorPower(size); p > 1; p /= 2 {
		levels++
	}
	return levels + 1
}

type merger struct {
	size, extra int
	merges      []Merge
}

// combine combines the places [lo,hi), using intermediate results from level on,
// and returns the operand that has the result.
func (m *merger) combine(lo, hi, level int) int {
	var left, right int
	switch {
	case hi-lo > 1:
		mid := (lo + hi) / 2
		left, right = m.combine(lo, mid, level), m.combine(mid, hi, level+1)
	case lo < m.extra:
		left, right = 2*lo, 2*lo+1
	default:
		return rankAt(lo, m.extra)
	}
	out := m.size + level
	m.merges = append(m.merges, Merge{left, right, out})
	return out
}
