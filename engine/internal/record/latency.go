package record

import (
	"math/bits"
	"time"
)

// Buckets is the number of buckets of a latency histogram. The first is for less
// than a microsecond, each next one reaches four times as far, and the last is for
// everything beyond.
const Buckets = 17

// Bound is the upper end of a bucket, which is not in it. The last has none.
func Bound(bucket int) time.Duration { return time.Microsecond << (2 * bucket) }

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	return min((bits.Len64(us)+1)/2, Buckets-1)
}
