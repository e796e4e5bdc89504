package bootstrap

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// TestStrictFIPS: where Go forbids what connections need, ranks are told so, and nothing
// panics. The mode holds for a whole process, which is another one for that.
func TestStrictFIPS(t *testing.T) {
	const child = "MONEL_TEST_STRICT_FIPS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStrictFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestStrictFIPS")
		return
	}
	_, err := NewRoot(t.Context(), RootConfig{Addr: "127.0.0.1:0"})
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorContains(t, err, "fips140")
	_, _, err = Connect(t.Context(), Config{Rank: 1, Size: 2, Addr: "127.0.0.1:1", Secret: Secret{1}})
	require.ErrorIs(t, err, transport.ErrUnavailable)
}
