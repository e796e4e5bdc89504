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

// Every tick in the catalogue stands for a case of TestCatalogue, or a test, of
// that name, and every case has its row. That they pass is what the tests of
// engine say.
func TestCatalogueRowsAreTests(t *testing.T) {
	_, section, found := strings.Cut(read(t, "../README.md"), "## The catalogue")
	require.True(t, found)
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| .* \\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(section, -1) {
		rows[m[1]] = strings.HasPrefix(m[2], "✓")
	}
	require.Len(t, rows, 10)

	cases := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(?:catalogue\(t, |t\.Run\()"([^"]+)"`).FindAllStringSubmatch(read(t, "../engine/catalogue_test.go"), -1) {
		cases[m[1]] = true
	}
	require.NotEmpty(t, cases)
	for name := range cases {
		require.Contains(t, rows, name, "the README has no row for this case")
	}
	tests := testFunctions(t, "../engine")
	for name, ticked := range rows {
		require.Equal(t, ticked, cases[name] || tests[name], "row %s", name)
	}
}

// testFunctions are the names of a package's tests.
func testFunctions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, file := range files {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			names[m[1]] = true
		}
	}
	return names
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
