package oracle

// Contents is what a tensor holds: one or more parts of equal size, which follow each
// other in logical order.
type Contents struct {
	Size  int64 // elements of a part; it does not matter if there is one
	Parts []Part
}

// Part is a run of the elements that a table describes, from First on: its element i is
// Table[Class(seed, First+i)].
type Part struct {
	Table *Table
	First int64
}

// Whole is what a tensor holds that a table describes.
func Whole(t *Table) Contents { return Contents{Parts: []Part{{Table: t}}} }

// Not is contents that differ from c in every element.
func (c Contents) Not() Contents {
	other := Contents{Size: c.Size, Parts: make([]Part, len(c.Parts))}
	for i, p := range c.Parts {
		t := new(Table)
		for class, bits := range p.Table {
			t[class] = ^bits
		}
		other.Parts[i] = Part{Table: t, First: p.First}
	}
	return other
}
