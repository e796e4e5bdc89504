package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContest(t *testing.T) {
	c, err := Parse([]string{"all_reduce", "--peers", "openmpi,torch,openmpi", "--transport", "tcp", "--limit", "--plot", "a.SVG", "--results", "r.md"})
	require.NoError(t, err)
	require.Equal(t, Contest{Peers: []Peer{OpenMPI, Torch}, Limit: true, Plot: "a.SVG", Results: "r.md", ShortIters: shortIters, Settle: settle}, c.Contest)
	require.Equal(t, contestRounds, c.Rounds)
	require.Equal(t, InPlace, c.Case.Mode)
	require.Equal(t, shortIters, c.ItersOf(ShortBytes))
	require.Equal(t, 20, c.ItersOf(ShortBytes+1))
	require.Equal(t, 5, c.WarmupFor(0))
	require.Equal(t, 5, c.WarmupFor(1))
	require.Equal(t, 1000, c.WarmupFor(10e-6))

	c, err = Parse([]string{"all_reduce", "--peers", "torch", "--transport", "auto"})
	require.NoError(t, err)
	require.Equal(t, Auto, c.Case.Transport)

	c, err = Parse([]string{"broadcast", "--peers", "mpich", "--rounds", "3", "--mode", "out_of_place", "-n", "7", "-w", "3"})
	require.NoError(t, err)
	require.Equal(t, 3, c.Rounds)
	require.Equal(t, OutOfPlace, c.Case.Mode)
	require.Equal(t, 7, c.ItersOf(8))
	require.Equal(t, 3, c.WarmupFor(10e-6))

	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"all_reduce", "--peers", "rccl"}, `"rccl" is not a peer: want one of openmpi, mpich, gloo, torch, nccl`},
		{[]string{"all_reduce", "--peers", "nccl"}, "give --device cuda"},
		{[]string{"all_reduce", "--peers", "openmpi", "--device", "cuda"}, "on GPUs there is nccl alone"},
		{[]string{"all_reduce", "--peers", "gloo"}, "--peers gloo: it has TCP only: give --transport tcp, so that all use the same medium, or --transport auto"},
		{[]string{"all_reduce", "--peers", "torch", "--transport", "shm"}, "--peers torch: it has TCP only"},
		{[]string{"all_reduce", "--peers", "mpich", "-o", "max"}, "all contenders reduce with sum"},
		{[]string{"all_reduce", "--limit", "-d", "all"}, "one element type"},
		{[]string{"all_reduce", "--limit", "--device", "cuda"}, "leave it or --device out"},
		{[]string{"all_reduce", "--limit", "--rounds", "0"}, "--rounds 0: want at least 1"},
		{[]string{"all_reduce", "--plot", "a.pdf"}, "--plot a.pdf: want a name that ends in .svg or .png"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "--limit"}, "leave --peers, --limit, --plot and --results out"},
		{[]string{"all_reduce", "--rounds", "3"}, "--rounds belongs to ratio"},
	} {
		_, err := Parse(tc.args)
		require.ErrorContains(t, err, tc.want, tc.args)
	}
}
