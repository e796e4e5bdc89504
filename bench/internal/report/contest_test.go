package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var contenders = []Contender{{Ours, "v0", ""}, {"mpich", "MPICH 4", ""}, {Limit, "memcpy", ""}, {"torch", "PyTorch 2", ""}}

// match has rounds in which the fastest peer is not always the same.
func match() Match {
	return Match{
		Bytes: 4096, Count: 1024, DType: "float", Op: "sum", InPlace: true, Factor: 1,
		Times: [][]float64{{4e-6, 6e-6, 2e-6}, {8e-6, 3e-6, 2e-6}, {1e-6, 1e-6, 1e-6}, {4e-6, 5e-6, 8e-6}},
		Wrong: []int64{0, 2, Unchecked, 1},
	}
}

func TestMatch(t *testing.T) {
	m := match()
	require.InDelta(t, 4e-6, m.Time(0), 1e-12)
	require.InDelta(t, 1, m.Ratio(0), 1e-12)
	require.InDelta(t, 1, m.Ratio(1), 1e-12, "of 0.5, 2 and 1")
	require.InDelta(t, 4, m.Ratio(2), 1e-12, "of 4, 6 and 2")
	require.InDelta(t, 1, m.ToBest(contenders), 1e-12, "of 4/4, 6/3 and 2/2: the limit is no peer")
	require.True(t, math.IsNaN(m.ToBest(contenders[:1])))
	require.Equal(t, int64(3), m.WrongValues())
}

func TestContestTable(t *testing.T) {
	var b strings.Builder
	table := ContestTable{Out: &b, Contenders: contenders}
	require.NoError(t, table.Head("bench", "all_reduce", 2, 3, 20, 200, 5, 10*time.Millisecond))
	require.NoError(t, table.Add(match()))
	require.NoError(t, table.Close())
	require.Equal(t, `# bench
# all_reduce
# mpich: MPICH 4
# limit: memcpy
# torch: PyTorch 2
# ranks 2, rounds 3 (all interleaved), iters 20, up to 64 KiB 200, warmup iters 5 or 10ms
# times are medians over the rounds, ratios are ours / theirs per round
#
#       size         count        ours       mpich    ratio       limit    ratio       torch    ratio  to best  #wrong
#        (B)    (elements)        (us)        (us)   median        (us)   median        (us)   median   median        
        4096          1024        4.00        3.00    1.000        1.00    4.000        5.00    1.000    1.000       3
# Wrong values of all contenders: 3
`, b.String())
}

// TestTwoMedia: whoever uses another medium than ours is said to everywhere.
func TestTwoMedia(t *testing.T) {
	two := []Contender{{Ours, "v0", ""}, {"torch", "PyTorch 2", "tcp"}}
	m := match()
	m.Times, m.Wrong = m.Times[:2], m.Wrong[:2]
	var b strings.Builder
	table := ContestTable{Out: &b, Contenders: two}
	require.NoError(t, table.Head("bench", "all_reduce", 2, 3, 20, 200, 5, 0))
	require.Contains(t, b.String(), "# torch/tcp: PyTorch 2\n")
	require.Contains(t, b.String(), "#       size         count        ours   torch/tcp    ratio  to best  #wrong\n")
	b.Reset()
	require.NoError(t, Section{Contenders: two, Matches: []Match{m}}.Write(&b))
	require.Contains(t, b.String(), "| bytes | ours µs | torch/tcp µs | ours ÷ torch/tcp | to best | wrong |")
	require.Contains(t, b.String(), "| busbw, GB/s | ours | torch/tcp |")
	b.Reset()
	require.NoError(t, NewJSON(&b).AddMatch(Context{Transport: "shm"}, two, m))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Contains(t, lines[0], `"transport":"shm"`)
	require.Contains(t, lines[1], `"transport":"tcp"`)
	require.Contains(t, lines[1], `"contender":"torch"`)
}

func TestMatchAsJSON(t *testing.T) {
	var b strings.Builder
	about := Context{Collective: "all_reduce", Transport: "tcp", Layout: "transpose", Device: "cpu", Ranks: 2}
	require.NoError(t, NewJSON(&b).AddMatch(about, contenders[:2], match()))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"collective":"all_reduce","ranks":2,"transport":"tcp","layout":"contiguous","device":"cpu","dtype":"float",
		"op":"sum","bytes":4096,"count":1024,"time_us":3,"algbw":1.3653333333333333,"busbw":1.3653333333333333,"wrong":2,"inplace":true,
		"contender":"mpich","version":"MPICH 4","rounds_us":[8,3,2],"ratio":1}`, lines[1])
	require.Contains(t, lines[0], `"layout":"transpose"`)
	require.Contains(t, lines[0], `"wrong":0`)
}
