package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/strided/dtype"
)

func TestDefaultsAreThoseOfNcclTests(t *testing.T) {
	c, err := Parse([]string{"all_reduce"})
	require.NoError(t, err)
	require.Equal(t, &Config{
		Verb: Measure,
		Case: Case{
			Collective: AllReduce, Layout: layouts.Contiguous, Mode: Both, Device: CPU, Transport: Auto, Algorithm: BySize, Protection: Unprotected,
			Ops: []dtype.Op{dtype.Sum}, DTypes: []dtype.DType{dtype.Float32},
		},
		Sweep: Sweep{Min: 32 << 20, Max: 32 << 20, Step: 1 << 20, Factor: 1},
		Iters: 20, Warmup: 5, Check: 1, NP: 2, Rounds: 9, Bind: true, Aggregate: 1, Average: 3, Cycles: 1,
	}, c)
}

func TestFlagsAsNcclTestsUsersTypeThem(t *testing.T) {
	for _, args := range [][]string{
		{"all_reduce", "-b", "8", "-e", "64M", "-f", "8", "-n", "7", "-w", "3", "-c", "2", "-o", "max", "-d", "half", "-r", "1", "-i", "4K", "-np", "4"},
		{"-b8", "-e64M", "-f8", "-n7", "-w3", "-c2", "-omax", "-dhalf", "-r1", "-i4K", "-np4", "all_reduce"},
		{"-b=8", "-e=64M", "-f=8", "all_reduce", "-n=7", "-w=3", "-c=2", "-o=max", "-d=half", "-r=1", "-i=4K", "-np=4"},
		{
			"--minbytes", "8", "--maxbytes", "64M", "--stepfactor", "8", "--iters", "7", "--warmup_iters", "3", "--check", "2",
			"--op", "max", "--datatype", "half", "--root", "1", "--stepbytes", "4K", "--np", "4", "all_reduce_perf",
		},
	} {
		c, err := Parse(args)
		require.NoError(t, err, args)
		require.Equal(t, AllReduce, c.Case.Collective)
		require.Equal(t, Sweep{Min: 8, Max: 64 << 20, Step: 4 << 10, Factor: 8}, c.Sweep)
		require.Equal(t, []int{7, 3, 2, 4, 1}, []int{c.Iters, c.Warmup, c.Check, c.NP, c.Case.Root})
		require.True(t, c.NPGiven)
		require.Equal(t, []dtype.Op{dtype.Max}, c.Case.Ops)
		require.Equal(t, []dtype.DType{dtype.Float16}, c.Case.DTypes)
	}
}

// TestPastedLines: nccl-tests' own flags, also those that change nothing here.
func TestPastedLines(t *testing.T) {
	c, err := Parse(strings.Fields("all_reduce_perf -b 8 -e 128M -f 2 -g 1 -t 1 -p 1 -G 0 -C 0 -m 4 -a 1 -z 1 -N 2 -R 1 -o mulsum"))
	require.NoError(t, err)
	require.Equal(t, []dtype.Op{oracle.MulSum}, c.Case.Ops)
	require.Equal(t, []int{4, 1, 2}, []int{c.Aggregate, c.Average, c.Cycles})
	require.True(t, c.Blocking && c.Register)
	c, err = Parse(strings.Fields("all_reduce --ngpus 1 --nthreads=1 --parallel_init 0 --cudagraph 0 --report_cputime 0 --agg_iters 1 --average 0 --blocking 0 --run_cycles 0 --local_register 0"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 0, 0}, []int{c.Aggregate, c.Average, c.Cycles})
	require.False(t, c.Blocking || c.Register)
	for _, collective := range Collectives() {
		require.Contains(t, Usage(), string(collective))
	}
}

func TestAll(t *testing.T) {
	c, err := Parse([]string{"broadcast", "-o", "all", "-d", "all", "-r", "all"})
	require.NoError(t, err)
	require.Equal(t, oracle.Ops(), c.Case.Ops)
	require.Equal(t, dtype.All(), c.Case.DTypes)
	require.Equal(t, AllRoots, c.Case.Root)
}

func TestOwnFlags(t *testing.T) {
	c, err := Parse([]string{"broadcast", "--layout", "mixed", "--mode", "in_place", "--transport", "tcp", "--device", "cuda", "--logical_order", "--json", "-", "-T", "90"})
	require.NoError(t, err)
	require.Equal(t, CUDA, c.Case.Device)
	require.Equal(t, layouts.Mixed, c.Case.Layout)
	require.Equal(t, InPlace, c.Case.Mode)
	require.Equal(t, TCP, c.Case.Transport)
	require.True(t, c.Case.LogicalOrder)
	require.Equal(t, "-", c.JSON)
	require.Equal(t, 90*time.Second, c.Timeout)
	c, err = Parse([]string{"broadcast", "--timeout", "1m30s"})
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, c.Timeout)
}

func TestEveryLayoutIsAccepted(t *testing.T) {
	for _, name := range layouts.Names() {
		c, err := Parse([]string{"all_reduce", "--layout", string(name)})
		require.NoError(t, err)
		require.Equal(t, name, c.Case.Layout)
	}
}

func TestEveryTypeNameIsAccepted(t *testing.T) {
	for _, dt := range dtype.All() {
		c, err := Parse([]string{"all_reduce", "-d", dt.String()})
		require.NoError(t, err)
		require.Equal(t, []dtype.DType{dt}, c.Case.DTypes)
	}
	for name, dt := range otherNames {
		c, err := Parse([]string{"all_reduce", "-d", name})
		require.NoError(t, err)
		require.Equal(t, []dtype.DType{dt}, c.Case.DTypes)
	}
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "no collective given: want one of all_reduce, all_gather, alltoall, broadcast"},
		{[]string{"all_gatherr"}, `"all_gatherr" is not a collective`},
		{[]string{"all_reduce", "broadcast"}, `unexpected argument "broadcast" after all_reduce`},
		{[]string{"all_reduce", "--frobnicate"}, "unknown flag: --frobnicate"},
		{[]string{"all_reduce", "-x"}, "unknown shorthand flag: 'x' in -x"},
		{[]string{"all_reduce", "-g", "2"}, "-np N sets their number"},
		{[]string{"all_reduce", "--ngpus", "8"}, "-np N sets their number"},
		{[]string{"all_reduce", "-t", "2"}, "-np N sets their number"},
		{[]string{"all_reduce", "-G", "1"}, "CUDA graphs"},
		{[]string{"all_reduce", "-C", "1"}, "no column"},
		{[]string{"all_reduce", "-p", "2"}, "side by side"},
		{[]string{"all_reduce", "-a", "4"}, "want a number from 0 to 3"},
		{[]string{"all_reduce", "-z", "2"}, "want a number from 0 to 1"},
		{[]string{"all_reduce", "-R", "3"}, "want a number from 0 to 2"},
		{[]string{"all_reduce", "-m", "0"}, "--agg_iters 0: want at least 1"},
		{[]string{"all_reduce", "-N", "-1"}, "--run_cycles -1"},
		{[]string{"sendrecv", "-m", "2"}, "sendrecv is made of groups already"},
		{[]string{"all_reduce", "--limit", "-m", "2"}, "the others have no --agg_iters"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "-N", "2"}, "ratio has --rounds"},
		{[]string{"ratio", "all_reduce", "--vs", "-m 2"}, "only the collective's own flags may differ"},
		{[]string{"all_reduce", "-b"}, "flag needs an argument: 'b' in -b"},
		{[]string{"all_reduce", "-b", "12Q"}, `"12Q" is not a size`},
		{[]string{"all_reduce", "-b", "64M", "-e", "8"}, "--minbytes 64M is above --maxbytes 8"},
		{[]string{"all_reduce", "-b", "8", "-i", "0"}, "--stepbytes 0 never reaches --maxbytes"},
		{[]string{"all_reduce", "-b", "8", "-i", "1"}, "makes more than 16384 sizes"},
		{[]string{"all_reduce", "-f", "0"}, "--stepfactor 0: want at least 1"},
		{[]string{"all_reduce", "-f", "-2"}, "--stepfactor -2: want at least 1"},
		{[]string{"all_reduce", "-n", "0"}, "--iters 0: want at least 1"},
		{[]string{"all_reduce", "-n", "many"}, `invalid argument "many" for "-n, --iters"`},
		{[]string{"all_reduce", "-w", "-1"}, "--warmup_iters -1: want 0 or more"},
		{[]string{"all_reduce", "-c", "-1"}, "--check -1: want 0 or more"},
		{[]string{"all_reduce", "--connections", "65"}, "--connections 65: want 1 to 64"},
		{[]string{"all_reduce", "-np", "0"}, "-np 0: want at least 1"},
		{[]string{"all_reduce", "-o", "mulsun"}, `"mulsun" is not a reduction operator: want one of sum, prod, max, min, avg, mulsum, or all`},
		{[]string{"all_reduce", "-d", "complex"}, `"complex" is not an element type: want one of int8`},
		{[]string{"broadcast", "-r", "-1"}, `"-1" is not a root: want a rank, or all`},
		{[]string{"all_reduce", "--layout", "diagonal"}, `"diagonal" is not a layout: want one of contiguous, transpose`},
		{[]string{"all_reduce", "--transport", "ib"}, `"ib" is not a transport: want one of auto, shm, rdma, tcp`},
		{[]string{"all_reduce", "--mode", "sideways"}, `"sideways" is not a mode`},
		{[]string{"all_reduce", "--timeout", "soon"}, `"soon" is not a time`},
		{[]string{"all_reduce", "--timeout", "-3s"}, `"-3s" is not a time`},
		{[]string{"all_reduce", "--rounds", "3"}, "--rounds belongs to ratio"},
		{[]string{"all_reduce", "--layouts", "slice,column"}, "--layouts belongs to ratio"},
		{[]string{"all_reduce", "--device", "tpu"}, `"tpu" is not a device: want one of cpu, cuda`},
		{[]string{"sendrecv", "--mode", "in_place"}, "--mode in_place: sendrecv has no such form"},
		{[]string{"scatter", "--limit"}, "--limit: there is none for scatter"},
		{[]string{"all_gather", "--peers", "gloo", "--transport", "tcp"}, "--peers gloo: it does not do all_gather here"},
		{[]string{"hypercube", "--peers", "openmpi"}, "--peers openmpi: it does not do hypercube here"},
		{[]string{"ratio", "all_reduce"}, "give either --layouts A,B or --vs FLAGS"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice"}, "names 1 layouts: want two"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,flat"}, `"flat" is not a layout`},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "--vs", "-o max"}, "give either --layouts A,B or --vs FLAGS"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "--layout", "mixed"}, "leave --layout out"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,slice"}, "both configurations are the same"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "-o", "all"}, "name them instead of all"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "--rounds", "0"}, "--rounds 0: want at least 1"},
		{[]string{"ratio", "all_reduce", "--layouts", "slice,column", "--max_ratio", "-1"}, "--max_ratio -1: want a positive ratio"},
		{[]string{"ratio", "all_reduce", "--vs", "--layout diagonal"}, `--vs "--layout diagonal": invalid argument "diagonal"`},
		{[]string{"ratio", "all_reduce", "--vs", "-np 3"}, "only the collective's own flags may differ"},
		{[]string{"ratio", "all_reduce", "--vs", "-b 8"}, "only the collective's own flags may differ"},
		{[]string{"ratio", "all_reduce", "--vs", "broadcast"}, `unexpected argument "broadcast"`},
	} {
		_, err := Parse(tc.args)
		require.ErrorContains(t, err, tc.want, tc.args)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"all_reduce", "-b", "8", "--help"}} {
		_, err := Parse(args)
		require.ErrorIs(t, err, ErrHelp)
	}
	require.Contains(t, Usage(), "-b, --minbytes size")
	require.Contains(t, Usage(), "(default 32M)")
}

func TestRatio(t *testing.T) {
	c, err := Parse([]string{"ratio", "--layouts", "transpose,contiguous", "-b", "64M", "-e", "64M", "-np", "2", "--rounds", "5", "all_reduce"})
	require.NoError(t, err)
	require.Equal(t, Ratio, c.Verb)
	require.Equal(t, 5, c.Rounds)
	require.Equal(t, layouts.Transpose, c.Case.Layout)
	require.Equal(t, layouts.Contiguous, c.Base.Layout)
	require.Equal(t, InPlace, c.Case.Mode)
	require.Equal(t, InPlace, c.Base.Mode)

	c, err = Parse([]string{"ratio", "all_reduce", "--layout", "slice", "-d", "half", "-np", "3", "--vs", "--layout column -d float --mode out_of_place --logical_order --connections 4"})
	require.NoError(t, err)
	require.True(t, c.NPGiven)
	require.Equal(t, layouts.Slice, c.Case.Layout)
	require.Equal(t, layouts.Column, c.Base.Layout)
	require.Equal(t, []dtype.DType{dtype.Float32}, c.Base.DTypes)
	require.Equal(t, OutOfPlace, c.Base.Mode)
	require.True(t, c.Base.LogicalOrder)
	require.False(t, c.Case.LogicalOrder)
	require.Equal(t, 4, c.Base.Connections)
	require.Zero(t, c.Case.Connections)
}
