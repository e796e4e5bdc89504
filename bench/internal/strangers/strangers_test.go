package strangers

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Word {
		if err := Agent(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestCampaign is a small one: what it looks at is right with strangers, too.
func TestCampaign(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	cfg := Config{Program: program, Ranks: 2, Connections: 700, Rate: 200, Seed: 7}
	res, err := cfg.Run()
	require.NoError(t, err)
	require.Positive(t, res.Joining)
	require.GreaterOrEqual(t, res.Connections, int64(300), "few have come")
	require.NotEmpty(t, res.Busy, "none came while the job reduced")
	require.NotEmpty(t, res.Beside)
	require.LessOrEqual(t, res.Memory[1], res.Memory[0]+64<<20)
	t.Log(res.Text())
}
