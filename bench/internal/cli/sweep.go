package cli

import "iter"

// Sweep is the range of message sizes to measure, in bytes.
type Sweep struct {
	Min, Max ByteSize
	Step     ByteSize // added from size to size when Factor is below 2
	Factor   int64    // multiplied from size to size when at least 2
}

// Counts yields the element counts for elements of size bytes, one per message
// size from Min to Max; as in nccl-tests a message size is rounded down to
// whole elements. A sweep that multiplies from zero goes on at one element.
func (s Sweep) Counts(size int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for bytes := int64(s.Min); bytes <= int64(s.Max); {
			if !yield(bytes / int64(size)) {
				return
			}
			switch {
			case s.Factor < 2:
				bytes += int64(s.Step)
			case bytes == 0:
				bytes = int64(size)
			case bytes > int64(s.Max)/s.Factor:
				return
			default:
				bytes *= s.Factor
			}
		}
	}
}

// MaxCount is the largest count that Counts yields for elements of size bytes.
func (s Sweep) MaxCount(size int) int64 {
	var most int64
	for n := range s.Counts(size) {
		most = max(most, n)
	}
	return most
}

// Len is the number of sizes that Counts yields for elements of size bytes.
func (s Sweep) Len(size int) int {
	n := 0
	for range s.Counts(size) {
		n++
	}
	return n
}
