package chart

import (
	"math"

	"gonum.org/v1/plot"

	"github.com/monel-dev/monel/bench/internal/cli"
)

// sizes marks an axis of message sizes at powers of two, with labels such as
// 32K.
type sizes struct{}

// Ticks implements plot.Ticker.
func (sizes) Ticks(least, most float64) []plot.Tick {
	first, last := int(math.Ceil(math.Log2(max(least, 1)))), int(math.Floor(math.Log2(most)))
	// A label at every power, every third, or every sixth: at most ten of them.
	step := 1
	for _, step = range []int{1, 3, 6, 12} {
		if (last-first)/step < 10 {
			break
		}
	}
	var ticks []plot.Tick
	for power := first; power <= last; power++ {
		t := plot.Tick{Value: math.Exp2(float64(power))}
		if power%step == 0 {
			t.Label = cli.ByteSize(int64(1) << power).String()
		}
		ticks = append(ticks, t)
	}
	return ticks
}
