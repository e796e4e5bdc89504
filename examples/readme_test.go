// Package examples_test checks what the README says.
package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// Every tick in the catalogue stands for a test case of that name, and every
// case has its row. That the cases pass is what the tests of engine say.
func TestCatalogueRowsAreTestCases(t *testing.T) {
	_, section, found := strings.Cut(read(t, "../README.md"), "## The catalogue")
	require.True(t, found)
	row := regexp.MustCompile("(?m)^\\| .* \\| `([^`]+)` \\| (.*) \\|$")
	rows := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		rows[m[1]] = strings.HasPrefix(m[2], "✓")
	}
	require.Len(t, rows, 10)

	source := read(t, "../engine/catalogue_test.go")
	cases := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:catalogue\(t|t\.Run\(|dies\(t), ?"((?:[A-Za-z]+-)+[0-9][^"]*)"|t\.Run\("((?:[A-Za-z]+-)+[0-9][^"]*)"`).FindAllStringSubmatch(source, -1) {
		cases[m[1]+m[2]] = true
	}
	for name, ticked := range rows {
		require.Equal(t, ticked, cases[name], "row %s", name)
	}
	for name := range cases {
		require.Contains(t, rows, name, "the README has no row for this case")
	}
}

func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, document := range []string{"README.md", "CONTRIBUTING.md", "bench/README.md"} {
		for _, m := range link.FindAllStringSubmatch(read(t, filepath.Join("..", document)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join("..", filepath.Dir(document), m[1])
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", document, m[1])
		}
	}
}
