package limit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJobs(t *testing.T) {
	j, err := parse("time broadcast double 100 in_place 2 5 20 10,10 10,1 64 228")
	require.NoError(t, err)
	require.Equal(t, job{name: "broadcast double 100 in_place 2", collective: "broadcast", bytes: 800, root: 2, warmup: 5, iters: 20}, j)
	for _, line := range []string{"", "time", "time broadcast double x in_place 2 5 20", "time broadcast word 1 in_place 2 5 20"} {
		_, err := parse(line)
		require.Error(t, err, line)
	}
}

func TestLoad(t *testing.T) {
	load := func(rank int, line string) [2]int64 {
		j, err := parse(line)
		require.NoError(t, err)
		send, recv := (&member{rank: rank, size: 4}).load(j)
		return [2]int64{send, recv}
	}
	for rank := range 4 {
		require.Equal(t, [2]int64{600, 600}, load(rank, "time all_reduce float 100 in_place 0 5 20"))
	}
	// A chain that begins at the root.
	const broadcast = "time broadcast float 100 in_place 2 5 20"
	require.Equal(t, [2]int64{400, 0}, load(2, broadcast))
	require.Equal(t, [2]int64{400, 400}, load(3, broadcast))
	require.Equal(t, [2]int64{400, 400}, load(0, broadcast))
	require.Equal(t, [2]int64{0, 400}, load(1, broadcast))
}
