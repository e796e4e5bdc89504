package tree

import (
	"math"
	"math/bits"
)

// hopBytes is the cost of a hop that carries nothing, in bytes that could be
// sent meanwhile: about 10 µs at about 3 GB/s, which is a TCP connection between
// processes of one host. Networks of other speeds have products of the same
// order, since faster links come with shorter latencies.
const hopBytes = 32 << 10

// Choose picks the shape of tree for a broadcast of so many bytes, in chunks of
// at most chunk bytes, to size ranks. It is a pure function of its arguments in
// integer arithmetic, so ranks that agree on them agree on the result.
//
// The model counts time in bytes sent. Write n for size, K for ceil(log2 n), S
// for bytes, c for chunk and h for the cost of an empty hop, 32 KiB. The root of
// a binomial tree sends everything K times, and the last rank gets it after K
// hops: K·(h+S). Through a chain, the first chunk takes n-1 hops and the rest
// follows at the speed of one link: (n-1)·(h+c) + S - c. The chain is chosen
// when that is less, which is so for
//
//	S > c  and  S > ((n-1)·(h+c) - c - K·h) / (K-1)
//
// For chunks of 256 KiB the bound is 256 KiB at 3 ranks, 544 KiB at 4, 832 KiB
// at 8 and 3.5 MiB at 64. For one or two ranks both shapes are the same, and the
// result is Binomial.
//
// bytes and chunk are at least 0, size at least 1.
func Choose(bytes, chunk int64, size int) Algorithm {
	if size <= 2 || bytes <= chunk {
		return Binomial
	}
	hops := int64(size) - 1
	rounds := int64(bits.Len64(uint64(hops))) // K
	if chunk > math.MaxInt64/hops-hopBytes {
		return Binomial // (n-1)·(h+c) is beyond any number of bytes times K
	}
	if bytes > (hops*(hopBytes+chunk)-chunk-rounds*hopBytes)/(rounds-1) {
		return Chain
	}
	return Binomial
}

// Limit is the greatest number of bytes for which Choose prefers Binomial, or
// false if that is any number.
func Limit(chunk int64, size int) (int64, bool) {
	if Choose(math.MaxInt64, chunk, size) == Binomial {
		return 0, false
	}
	lo, hi := int64(0), int64(math.MaxInt64) // Binomial, Chain
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; Choose(mid, chunk, size) == Chain {
			hi = mid
		} else {
			lo = mid
		}
	}
	return lo, true
}
