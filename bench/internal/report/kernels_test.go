package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKernelTable(t *testing.T) {
	var out, records bytes.Buffer
	table := KernelTable{Counts: "one core, GB/s", Out: &out, JSON: &records, Yardsticks: []string{"copy", "gcc"}}
	require.NoError(t, table.Head("program", "about", 9))
	r := KernelRecord{
		Kernel: "pack", DType: "float", Op: "none", Layout: "transpose", Chunk: 262144, Bytes: 8, Rate: 10.5,
		Beside: map[string]float64{"copy": 21}, Ratios: map[string]float64{"copy": 0.5},
	}
	require.NoError(t, table.Add(r, "256K"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Equal(t, []string{"pack", "float", "none", "transpose", "256K", "10.50", "21.00", "0.50", "-", "-", "0"}, strings.Fields(lines[len(lines)-1]))
	require.Equal(t, len(lines[len(lines)-1]), len(lines[len(lines)-2]), "columns stand under their names")

	require.Contains(t, out.String(), "# one core, GB/s, medians of 9 rounds")

	table.Slots, r.Slots = true, "pinned"
	out.Reset()
	records.Reset()
	require.NoError(t, table.Head("program", "about", 9))
	require.NoError(t, table.Add(r, "256K"))
	lines = strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Equal(t, []string{"transpose", "pinned", "256K"}, strings.Fields(lines[len(lines)-1])[3:6])
	require.Equal(t, len(lines[len(lines)-1]), len(lines[len(lines)-2]), "columns stand under their names")

	var back KernelRecord
	require.NoError(t, json.Unmarshal(records.Bytes(), &back))
	require.Equal(t, r, back)
}
