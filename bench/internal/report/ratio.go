package report

import (
	"fmt"
	"io"
	"slices"
)

// Ratio is one size of a comparison of two configurations.
type Ratio struct {
	Bytes, Count int64
	Times, Base  []float64 // seconds per call in each round, of the same length
	Wrong        int64     // of both, or Unchecked
}

// Spread is the median of some numbers between their least and greatest.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of xs, which must not be empty.
func SpreadOf(xs []float64) Spread {
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Spread{median, s[0], s[len(s)-1]}
}

// Spread is that of the ratios Times / Base, each of one round.
func (r Ratio) Spread() Spread {
	ratios := make([]float64, len(r.Times))
	for i := range ratios {
		ratios[i] = r.Times[i] / r.Base[i]
	}
	return SpreadOf(ratios)
}

// RatioTable writes a comparison.
type RatioTable struct{ Out io.Writer }

// Head writes what is compared, and the columns' names.
func (t RatioTable) Head(program, a, b string, ranks, rounds, iters, warmup int) error {
	_, err := fmt.Fprintf(t.Out, `# %s
# A: %s
# B: %s
# ranks %d, rounds %d (A and B interleaved), iters %d, warmup iters %d
# times are medians over the rounds, ratio is A / B per round
#
# %10s  %12s  %10s  %10s  %7s  %7s  %7s  %6s
# %10s  %12s  %10s  %10s  %7s  %7s  %7s  %6s
`, program, a, b, ranks, rounds, iters, warmup,
		"size", "count", "time A", "time B", "ratio", "min", "max", "#wrong",
		"(B)", "(elements)", "(us)", "(us)", "median", "", "", "")
	return err
}

// Add writes one size.
func (t RatioTable) Add(r Ratio) error {
	s := r.Spread()
	wrong := "N/A"
	if r.Wrong != Unchecked {
		wrong = fmt.Sprint(r.Wrong)
	}
	_, err := fmt.Fprintf(t.Out, "%12d  %12d  %10s  %10s  %7.3f  %7.3f  %7.3f  %6s\n", r.Bytes, r.Count,
		fit(SpreadOf(r.Times).Median*1e6, 10), fit(SpreadOf(r.Base).Median*1e6, 10), s.Median, s.Min, s.Max, wrong)
	return err
}
