package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// asProgram makes the test binary run main.
const asProgram = "MONEL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestProgram(t *testing.T) {
	id, err := engine.NewLocalUniqueID()
	require.NoError(t, err)
	const size = 3
	ranks := make([]*exec.Cmd, size)
	outs := make([]bytes.Buffer, size)
	for rank := range ranks {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), asProgram+"=1",
			fmt.Sprint("MONEL_RANK=", rank), fmt.Sprint("MONEL_SIZE=", size), "MONEL_ID="+id.Text())
		cmd.Stdout, cmd.Stderr = &outs[rank], os.Stderr
		require.NoError(t, cmd.Start())
		ranks[rank] = cmd
	}
	for rank, cmd := range ranks {
		require.NoError(t, cmd.Wait())
		require.Equal(t, fmt.Sprintf("rank %d of 3 has [3 6 9 12 15 18]\n", rank), outs[rank].String())
	}
}

// The program that the README shows is this one.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found, "the README has no Go program")
	shown, _, found := strings.Cut(after, "```")
	require.True(t, found)
	require.Equal(t, string(source), shown)
}
