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

	// Variable asks for digests of the collective's form with parts that differ in size:
	// all_gather's and alltoall's. Rank s sends PartCount elements to rank r, in place the
	// one of the lower rank to the higher one both ways, and gives in an all_gather what it
	// would send to rank 0.
	Variable bool
}

// PartCount is how many elements rank from sends to rank to, in a world of size ranks and
// a job of count elements that is Variable.
func PartCount(count int64, size, from, to int) int64 {
	return int64((3*from+5*to+1)%4) * (count / int64(size) / 4)
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
		collective := string(j.Collective)
		if j.Variable {
			collective += "v"
		}
		return fmt.Sprintf("%s %s %v %d %s %d 0 0 %v\n", what, collective, j.DType, j.Count, mode, j.Root, j.Op)
	}
	return fmt.Sprintf("%s %s %v %d %s %d %d %d %s %s %d %d\n", what, j.Collective, j.DType, j.Count, mode, j.Root,
		j.Warmup, j.Iters, list(spec.Shape), list(spec.Strides), spec.Offset, spec.Storage)
}

func list(numbers []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]")
}
