package kernels

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/monel-dev/monel/cudaffi"
)

// machine is where the kernels are tested: the host, or a GPU.
type machine interface {
	// place copies b to memory number k, shift bytes behind a multiple of 256, and
	// returns where that is.
	place(t testing.TB, k int, b []byte, shift int) cudaffi.DevicePtr
	// fetch copies what has become of it to b.
	fetch(t testing.TB, k int, b []byte, shift int)
	// do carries out an order.
	do(o order) error
}

// memories is how many memories a machine has.
const memories = 4

// seeded returns a generator whose seed is printed when the test fails, and is
// taken from MONEL_TEST_SEED when that is set.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("MONEL_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatalf("MONEL_TEST_SEED: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with MONEL_TEST_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
