package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func header() Header {
	return Header{
		Program: "monel bench", Collective: "all_reduce", Transport: "tcp", Layout: "transpose", Mode: "both",
		Ranks:    []RankInfo{{Pid: 4711, Host: "alpha", CPUs: 2}, {Pid: 4712, Host: "beta", CPUs: 64, Device: " 0 [0000:1B:00.0] NVIDIA H100"}},
		MinBytes: 8, MaxBytes: 64 << 20, Step: 8, StepIs: "factor", Warmup: 5, Iters: 20, Check: 1,
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := NewTable(&out, header())
	table.Add(Row{
		Bytes: 8, Count: 2, DType: "float", Op: "sum", Root: -1,
		OutOfPlace: &Result{TimeUS: 9.876, AlgBW: 0.001, BusBW: 0.001},
		InPlace:    &Result{TimeUS: 123456.7, AlgBW: 1234.5, BusBW: 3},
	})
	table.Add(Row{
		Bytes: 64 << 20, Count: 16 << 20, DType: "bfloat16", Op: "none", Root: 3,
		InPlace: &Result{TimeUS: 20000, AlgBW: 3.3554, BusBW: 2, Wrong: Unchecked},
	})
	require.NoError(t, table.Close())
	want := `# monel bench
# Collective test starting: all_reduce
# nThread 1 nRanks 2 minBytes 8 maxBytes 67108864 step: 8(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1
# transport: tcp layout: transpose mode: both
#
# Using ranks
#  Rank  0 Group  0 Pid   4711 on      alpha device cpu [2 cores]
#  Rank  1 Group  0 Pid   4712 on       beta device  0 [0000:1B:00.0] NVIDIA H100
#
#                                                              out-of-place                       in-place          
#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)        
           8             2     float     sum      -1     9.88    0.00    0.00       0   123457  1234.5    3.00       0
    67108864      16777216  bfloat16    none       3        -       -       -       -  20000.0    3.36    2.00     N/A
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 1.667 
#
# Collective test concluded: all_reduce
`
	require.Equal(t, want, out.String())
}

// Scripts split nccl-tests' rows at white space and take the columns by number.
func TestEveryRowHasThirteenColumns(t *testing.T) {
	var out bytes.Buffer
	table := NewTable(&out, header())
	for _, res := range []*Result{nil, {}, {TimeUS: 1e12, AlgBW: 1e12, BusBW: math.Inf(1), Wrong: 1 << 40}, {Wrong: Unchecked}} {
		table.Add(Row{Bytes: 1 << 40, Count: 1 << 40, DType: "f8e4m3", Op: "prod", OutOfPlace: res, InPlace: res})
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			require.Len(t, strings.Fields(line), 13, line)
		}
	}
}

func TestWrongValuesFailTheTable(t *testing.T) {
	var out bytes.Buffer
	table := NewTable(&out, header())
	table.Add(Row{OutOfPlace: &Result{Wrong: 2}, InPlace: &Result{Wrong: 3}})
	require.NoError(t, table.Close())
	require.Contains(t, out.String(), "# Out of bounds values : 5 FAILED\n")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("pipe is broken") }

func TestTableReportsThatItCouldNotWrite(t *testing.T) {
	require.ErrorContains(t, NewTable(brokenPipe{}, header()).Close(), "pipe is broken")
}

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		x     float64
		width int
		want  string
	}{
		{0, 7, "0.00"}, {9.999, 6, "10.00"}, {1234.56, 7, "1234.56"}, {12345.67, 7, "12345.7"}, {123456.7, 7, "123457"},
		{1234567, 7, "1234567"}, {12345678, 7, "1.2e+07"}, {12345678, 6, "1e+07"}, {math.Inf(1), 6, "Inf"}, {math.NaN(), 6, "NaN"},
	} {
		require.Equal(t, tc.want, fit(tc.x, tc.width))
	}
}

func TestBandwidth(t *testing.T) {
	r := NewResult(4e9, 2, AllReduceFactor(4), 0)
	require.Equal(t, &Result{TimeUS: 2e6, AlgBW: 2, BusBW: 3}, r)
	require.Equal(t, 1.0, AllReduceFactor(2))
	require.Zero(t, AllReduceFactor(1))
	require.Equal(t, 0.75, BlocksFactor(4))
	require.Equal(t, 1.0, BroadcastFactor(7))
	require.Equal(t, &Result{Wrong: Unchecked}, NewResult(8, 0, 1, Unchecked))
}

func TestJSONHasExactlyTheKeys(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(&out)
	context := Context{Collective: "broadcast", Transport: "tcp", Layout: "mixed", Device: "cuda", Ranks: 4}
	require.NoError(t, j.Add(context, Row{
		Bytes: 8, Count: 2, DType: "float", Op: "none", Root: 0,
		OutOfPlace: &Result{TimeUS: 1.5, AlgBW: 2.5, BusBW: 3.5, Wrong: 7},
		InPlace:    &Result{Wrong: Unchecked},
	}))
	lines := slices.Collect(strings.Lines(out.String()))
	require.Len(t, lines, 2)

	var row map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &row))
	require.Equal(t, map[string]any{
		"collective": "broadcast", "ranks": 4.0, "transport": "tcp", "layout": "mixed", "device": "cuda",
		"dtype": "float", "op": "none", "bytes": 8.0, "count": 2.0, "time_us": 1.5, "algbw": 2.5, "busbw": 3.5,
		"wrong": 7.0, "inplace": false,
	}, row)
	clear(row)
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &row))
	require.Len(t, row, 14)
	require.Nil(t, row["wrong"])
	require.Equal(t, true, row["inplace"])
}

func TestProgressIsSilentWithoutATerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	defer f.Close()
	p := NewProgress(f, 3)
	require.Nil(t, p)
	p.Begin("nothing")
	p.Step()
	p.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	require.Zero(t, info.Size())
}

func TestRatio(t *testing.T) {
	r := Ratio{Bytes: 64, Count: 16, Times: []float64{3e-6, 2e-6, 8e-6}, Base: []float64{2e-6, 2e-6, 2e-6}}
	require.Equal(t, Spread{1.5, 1, 4}, r.Spread())
	require.Equal(t, Spread{2.5, 1, 4}, SpreadOf([]float64{4, 1, 2, 3}))

	var out bytes.Buffer
	table := RatioTable{&out}
	require.NoError(t, table.Head("monel bench", "transpose", "contiguous", 2, 3, 20, 5))
	require.NoError(t, table.Add(r))
	r.Wrong = Unchecked
	require.NoError(t, table.Add(r))
	require.Contains(t, out.String(), "          64            16        3.00        2.00    1.500    1.000    4.000       0\n")
	require.Contains(t, out.String(), "    1.500    1.000    4.000     N/A\n")
}
