package report

// Unchecked as a number of wrong values means that nobody looked.
const Unchecked = -1

// Result is one measurement: a collective of one size, in place or out of
// place.
type Result struct {
	TimeUS float64 // microseconds per call: mean over calls, maximum over ranks
	AlgBW  float64 // GB/s: bytes per time
	BusBW  float64 // GB/s: AlgBW made comparable between collectives and numbers of ranks
	Wrong  int64   // wrong values on all ranks, or Unchecked
}

// Row is a line of the table.
type Row struct {
	Bytes, Count int64
	DType        string
	Op           string  // or "none"
	Root         int     // or -1
	OutOfPlace   *Result // nil when not measured
	InPlace      *Result
}

// NewResult computes the bandwidths of a collective on bytes among ranks that
// took seconds per call. busFactor is the collective's factor from algorithm to
// bus bandwidth.
func NewResult(bytes int64, seconds, busFactor float64, wrong int64) *Result {
	r := &Result{TimeUS: seconds * 1e6, Wrong: wrong}
	if seconds > 0 {
		r.AlgBW = float64(bytes) / seconds / 1e9
		r.BusBW = r.AlgBW * busFactor
	}
	return r
}

// AllReduceFactor is busbw / algbw of an all-reduce: each rank has to send and
// to receive 2(n-1)/n of the tensor. Source: nccl-tests, doc/PERFORMANCE.md.
func AllReduceFactor(ranks int) float64 { return 2 * float64(ranks-1) / float64(ranks) }

// BlocksFactor is busbw / algbw of a collective whose message is one block per rank, of
// the same source: a rank has to send or receive all blocks but its own.
func BlocksFactor(ranks int) float64 { return float64(ranks-1) / float64(ranks) }

// BroadcastFactor is busbw / algbw of a broadcast, a reduce and a message, of the same
// source.
func BroadcastFactor(int) float64 { return 1 }
