package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// ContestTable writes a contest: for every size our time, each contender's, and
// how many times as long ours takes.
type ContestTable struct {
	Out        io.Writer
	Contenders []Contender // ours first
	wrong      int64
	checked    bool
}

// Head writes who is compared in what, and the columns' names.
func (t *ContestTable) Head(program, what string, ranks, rounds, iters, shortIters, warmup int, settle time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# %s\n", program, what)
	for _, c := range t.Contenders[1:] {
		fmt.Fprintf(&b, "# %s: %s\n", c.Label(), c.Version)
	}
	fmt.Fprintf(&b, "# ranks %d, rounds %d (all interleaved), iters %d, up to 64 KiB %d, warmup iters %d", ranks, rounds, iters, shortIters, warmup)
	if settle > 0 {
		fmt.Fprintf(&b, " or %v", settle)
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "# times are medians over the rounds, ratios are ours / theirs per round\n#\n")
	fmt.Fprintf(&b, "# %10s  %12s  %10s", "size", "count", Ours)
	for _, c := range t.Contenders[1:] {
		fmt.Fprintf(&b, "  %10s  %7s", c.Label(), "ratio")
	}
	fmt.Fprintf(&b, "  %7s  %6s\n", "to best", "#wrong")
	fmt.Fprintf(&b, "# %10s  %12s  %10s", "(B)", "(elements)", "(us)")
	for range t.Contenders[1:] {
		fmt.Fprintf(&b, "  %10s  %7s", "(us)", "median")
	}
	fmt.Fprintf(&b, "  %7s  %6s\n", "median", "")
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// Add writes one size.
func (t *ContestTable) Add(m Match) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%12d  %12d  %10s", m.Bytes, m.Count, fit(m.Time(0)*1e6, 10))
	for i := 1; i < len(t.Contenders); i++ {
		fmt.Fprintf(&b, "  %10s  %7s", fit(m.Time(i)*1e6, 10), times(m.Ratio(i)))
	}
	wrong := "N/A"
	if m.Wrong[0] != Unchecked {
		t.checked = true
		t.wrong += m.WrongValues()
		wrong = fmt.Sprint(m.WrongValues())
	}
	fmt.Fprintf(&b, "  %7s  %6s\n", times(m.ToBest(t.Contenders)), wrong)
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// Close writes the footer.
func (t *ContestTable) Close() error {
	verdict := "not checked"
	if t.checked {
		verdict = fmt.Sprintf("%d", t.wrong)
	}
	_, err := fmt.Fprintf(t.Out, "# Wrong values of all contenders: %s\n", verdict)
	return err
}

// times is a ratio in the tables.
func times(ratio float64) string {
	if math.IsNaN(ratio) {
		return "-"
	}
	return fmt.Sprintf("%.3f", ratio)
}
