package oracle

// Classes is the number of distinct (inputs, result) pairs in a tensor.
const Classes = 1 << classBits

const classBits = 10

// Class is the class of logical element i.
func Class(seed uint64, i int64) int {
	return int(Mix(seed, uint64(i)) >> (64 - classBits))
}

// Mix is a hash of (seed, x): the finaliser of SplitMix64 on a Weyl sequence,
// https://prng.di.unimi.it/splitmix64.c, seeded.
func Mix(seed, x uint64) uint64 {
	z := seed + (x+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
