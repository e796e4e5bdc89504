package chart

import (
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/report"
)

func some() ([]report.Contender, []report.Match) {
	contenders := []report.Contender{{Name: report.Ours}, {Name: "mpich"}, {Name: report.Limit}}
	var matches []report.Match
	for bytes := int64(0); bytes <= 16<<20; bytes = max(8*bytes, 8) {
		t := 10e-6 + float64(bytes)/4e9
		matches = append(matches, report.Match{
			Bytes: bytes, Factor: 1, Times: [][]float64{{t}, {2 * t}, {t / 2}}, Wrong: []int64{0, 0, 0},
		})
	}
	return contenders, matches
}

func TestSVG(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.svg")
	contenders, matches := some()
	require.NoError(t, Write(file, "all_reduce of 2 ranks", contenders, matches))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
	for _, want := range []string{"all_reduce of 2 ranks", "ours", "mpich", "limit", "GB/s", "32K", "2M"} {
		require.Contains(t, string(text), ">"+want+"<")
	}
}

func TestPNG(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.png")
	contenders, matches := some()
	require.NoError(t, Write(file, "all_reduce", contenders, matches[3:4]))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(t, err)
	seen := map[any]bool{}
	for x := range picture.Bounds().Dx() {
		for y := range picture.Bounds().Dy() {
			seen[picture.At(x, y)] = true
		}
	}
	for i, name := range []string{"ours", "mpich"} {
		require.True(t, seen[palette[i]], "%s is drawn", name)
	}
}

func TestNothingToDraw(t *testing.T) {
	contenders, matches := some()
	require.ErrorContains(t, Write(filepath.Join(t.TempDir(), "a.svg"), "", contenders, matches[:1]), "nothing to draw")
	require.ErrorContains(t, Write("a.pdf", "", contenders, matches), "want a name that ends in .svg or .png")
}

func TestSizes(t *testing.T) {
	labels := func(least, most float64) (all []string) {
		for _, tick := range (sizes{}).Ticks(least, most) {
			if tick.Label != "" {
				all = append(all, tick.Label)
			}
		}
		return all
	}
	require.Equal(t, []string{"8", "16", "32"}, labels(6, 40))
	require.Equal(t, []string{"8", "64", "512", "4K", "32K", "256K", "2M", "16M"}, labels(8, 16<<20))
}
