package peers

import (
	"fmt"
	"strings"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/measure"
)

// Job is a call to measure.
type Job struct {
	measure.Call
	Warmup, Iters int
}

// The things to do with a job.
const (
	timeIt   = "time"
	verifyIt = "verify"
	digestIt = "digest"
)

// text is the line that rank gets.
func (j Job) text(what string, rank int) string {
	spec := layouts.New(j.Layout, rank, j.Count)
	mode := "out_of_place"
	if j.InPlace {
		mode = "in_place"
	}
	if what == digestIt {
		return fmt.Sprintf("%s %s %v %d %s %d 0 0 %v\n", what, j.Collective, j.DType, j.Count, mode, j.Root, j.Op)
	}
	return fmt.Sprintf("%s %s %v %d %s %d %d %d %s %s %d %d\n", what, j.Collective, j.DType, j.Count, mode, j.Root,
		j.Warmup, j.Iters, list(spec.Shape), list(spec.Strides), spec.Offset, spec.Storage)
}

func list(numbers []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]")
}
