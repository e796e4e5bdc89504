//go:build !race

// The agents of campaigns are real processes; what they do is raced in its packages.

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// row are the cells of a line of a table that begins with them.
func row(t *testing.T, text string, first ...string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) > len(first)+1 && strings.Join(cells[1:len(first)+1], "|") == strings.Join(first, "|") {
			return cells[len(first)+1:]
		}
	}
	t.Fatalf("no row %v in\n%s", first, text)
	return nil
}

// promised runs campaigns and requires that everything was as promised. Where the
// machine is busy with other tests, as here, a survivor may be slow: how fast they are is
// for the whole campaign to say, on a machine that is quiet.
func promised(t *testing.T, kinds []string, wires []string, args ...string) {
	t.Helper()
	r := invoke(t, append([]string{"faults"}, args...)...)
	for _, kind := range kinds {
		for _, wire := range wires {
			cells := row(t, r.stdout, kind, wire)
			trials, err := strconv.Atoi(cells[0])
			require.NoError(t, err)
			require.Positive(t, trials)
			for i, name := range []string{"hangs", "wrong values", "wrong name"} {
				require.Equal(t, "0", cells[2+i], "%s of %s over %s\n%s", name, kind, wire, r.stderr)
			}
			require.Equal(t, "0", cells[6], "leaks\n%s", r.stderr)
		}
	}
}

func TestKillCampaign(t *testing.T) {
	promised(t, []string{"kill"}, []string{"tcp", "shm"}, "kill", "--trials", "20")
	promised(t, []string{"exit", "crash"}, []string{"tcp", "shm"}, "exit,crash", "--trials", "5")
}

func TestStopCampaign(t *testing.T) {
	t.Parallel() // it waits most of the time
	promised(t, []string{"stop"}, []string{"tcp", "shm"}, "stop", "--trials", "6")
}

// TestCutCampaign needs the rights to make network namespaces, and says so where it has
// them not.
func TestCutCampaign(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("needs root, for network namespaces")
	}
	t.Parallel()
	promised(t, []string{"cut", "cut-in", "cut-out", "link-down"}, []string{"tcp"}, "cut", "--trials", "4")
}

func TestMismatchCampaign(t *testing.T) {
	r := invoke(t, "faults", "mismatch", "--trials", "100")
	require.Zero(t, r.status, r.stderr)
	require.Regexp(t, regexp.MustCompile(`\| all_reduce \| \d+ \|`), r.stdout)
}

func TestSoak(t *testing.T) {
	r := invoke(t, "faults", "soak", "--time", "1s")
	require.Zero(t, r.status, r.stderr)
	for _, wire := range []string{"tcp", "shm"} {
		cells := row(t, r.stdout, wire)
		require.Equal(t, "0", cells[3], "failures")
	}
}

// TestFaultsWriteTheirTables: the campaign puts its tables where a page has the place.
func TestFaultsWriteTheirTables(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	const head, tail = "before\n<!-- written by bench faults: begin -->\n", "<!-- written by bench faults: end -->\nafter\n"
	require.NoError(t, os.WriteFile(page, []byte(head+"old\n"+tail), 0o644))
	r := invoke(t, "faults", "mismatch", "--trials", "5", "--write", page)
	require.Zero(t, r.status, r.stderr)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), head) && strings.HasSuffix(string(text), tail), string(text))
	require.NotContains(t, string(text), "old")
	require.Contains(t, string(text), "| all_reduce |")

	require.NoError(t, os.WriteFile(page, []byte("no place"), 0o644))
	r = invoke(t, "faults", "mismatch", "--trials", "5", "--write", page)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "no place for the tables")
}
