package rdma

import (
	"os"
	"testing"
)

// needDevice skips a test that needs an RDMA device, unless MONEL_TEST_RDMA=1 says
// that there is one, as it does in the virtual machine of make test-rdma.
func needDevice(t testing.TB) {
	t.Helper()
	if os.Getenv("MONEL_TEST_RDMA") != "1" {
		t.Skip("needs an RDMA device: make test-rdma runs this on one, in a virtual machine")
	}
}
