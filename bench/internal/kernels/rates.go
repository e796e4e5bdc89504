package kernels

import (
	"fmt"
	"io"

	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/strided/dtype"
)

// Rates compares rows of one run with each other, pass by pass.
type Rates []Row

// Add takes a row in.
func (r *Rates) Add(row Row) { *r = append(*r, row) }

// Write prints each contiguous sum's rate over float's, and each fused
// reduction's time over that of packing and adding.
func (r Rates) Write(out io.Writer) error {
	for _, row := range r {
		var other *Row
		var text string
		c := row.Case
		switch {
		case c.Kernel == ReduceInto && c.Op == dtype.Sum && c.DType != dtype.Float32 && c.Shape.contiguous:
			c.DType = dtype.Float32
			other, text = r.find(c), "byte rate over float's"
		case c.Kernel == ReduceInto:
			c.Kernel = Unfused
			other, text = r.find(c), "time over pack_then_add's"
		}
		if other == nil {
			continue
		}
		ratio := median(row.Ours) / median(other.Ours)
		if other.Case.Kernel == ReduceInto {
			ratio = row.Rate(median(row.Ours)) / other.Rate(median(other.Ours))
		}
		if _, err := fmt.Fprintf(out, "# %-60s %s: %.2f\n", row.Case.Name(), text, ratio); err != nil {
			return err
		}
	}
	return nil
}

func (r Rates) find(c Case) *Row {
	name := c.Name()
	for i := range r {
		if r[i].Case.Name() == name {
			return &r[i]
		}
	}
	return nil
}

func median(xs []float64) float64 { return report.SpreadOf(xs).Median }
