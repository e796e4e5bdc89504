package cli

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseByteSize(t *testing.T) {
	for s, want := range map[string]ByteSize{
		"0": 0, "8": 8, "1k": 1 << 10, "32K": 32 << 10, "64M": 64 << 20, "64m": 64 << 20, "1G": 1 << 30, "2g": 2 << 30,
		"1.5M": 3 << 19, "0.5K": 512, "8 M": 8 << 20, ".5K": 512,
	} {
		got, err := ParseByteSize(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "M", ".", "-8", "+8", "8MB", "1e3", "0x10", "Inf", "NaN", "1.2.3", "8T", "1_000", "999999999999G"} {
		_, err := ParseByteSize(s)
		require.Error(t, err, s)
	}
}

func TestByteSizeString(t *testing.T) {
	for want, b := range map[string]ByteSize{"0": 0, "8": 8, "1000": 1000, "4K": 4096, "3M": 3 << 20, "1025M": 1025 << 20, "2G": 2 << 30} {
		require.Equal(t, want, b.String())
		back, err := ParseByteSize(want)
		require.NoError(t, err)
		require.Equal(t, b, back)
	}
}

func TestSweep(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sweep Sweep
		size  int
		want  []int64
	}{
		{"one size", Sweep{Min: 32, Max: 32, Step: 8, Factor: 1}, 4, []int64{8}},
		{"factor", Sweep{Min: 8, Max: 4096, Step: 1, Factor: 8}, 4, []int64{2, 16, 128, 1024}},
		{"factor stops below the end", Sweep{Min: 8, Max: 100, Step: 1, Factor: 8}, 8, []int64{1, 8}},
		{"step", Sweep{Min: 4, Max: 14, Step: 4, Factor: 1}, 2, []int64{2, 4, 6}},
		{"rounded down", Sweep{Min: 7, Max: 9, Step: 1, Factor: 1}, 4, []int64{1, 2, 2}},
		{"from zero by a factor", Sweep{Min: 0, Max: 64, Step: 1, Factor: 4}, 4, []int64{0, 1, 4, 16}},
		{"zero alone", Sweep{Min: 0, Max: 0, Step: 1, Factor: 1}, 4, []int64{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, slices.Collect(tc.sweep.Counts(tc.size)))
			require.Equal(t, slices.Max(tc.want), tc.sweep.MaxCount(tc.size))
			require.Equal(t, len(tc.want), tc.sweep.Len(tc.size))
		})
	}
}

func TestSweepEndsAtTheLargestSize(t *testing.T) {
	s := Sweep{Min: 1, Max: maxByteSize, Step: 1, Factor: 1 << 62}
	require.Equal(t, []int64{1}, slices.Collect(s.Counts(1)))
}
