package ring_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/ring"
)

// The files in testdata explain the package by example. Their commands take
// size, count, chunk, align (1), depth (2) and, where it matters, rank:
//
//	steps   one line per step of the program, one column per rank
//	chunks  the chunks of each loop and their owners
//	link    the messages of the link from rank to its successor, in order
//	order   in which order the ranks' elements are added, for each chunk
//	traffic what each rank sends
//	run     simulate all ranks over links with the given number of slots
//	plan    plan for one rank, to show errors
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c := ring.Config{Size: 1, Chunk: 1, Align: 1, Depth: 2}
			d.MaybeScanArgs(t, "size", &c.Size)
			d.MaybeScanArgs(t, "rank", &c.Rank)
			d.MaybeScanArgs(t, "count", &c.Count)
			d.MaybeScanArgs(t, "chunk", &c.Chunk)
			d.MaybeScanArgs(t, "align", &c.Align)
			d.MaybeScanArgs(t, "depth", &c.Depth)
			switch d.Cmd {
			case "steps":
				return showSteps(t, c)
			case "chunks":
				return showChunks(t, c)
			case "link":
				return showLink(t, c)
			case "order":
				return showOrder(t, c)
			case "traffic":
				return showTraffic(t, c)
			case "run":
				var slots int
				d.ScanArgs(t, "slots", &slots)
				return showRun(t, c, slots)
			case "plan":
				return showPlan(c)
			}
			t.Fatalf("%s: unknown command %q", filepath.Base(path), d.Cmd)
			return ""
		})
	})
	_, err := os.Stat("testdata") // Walk is silent about a missing folder
	require.NoError(t, err)
}

// stepsOf returns the whole program of one rank.
func stepsOf(t *testing.T, c ring.Config, rank int) []ring.Step {
	t.Helper()
	c.Rank = rank
	plan, err := ring.AllReduce(c)
	require.NoError(t, err)
	var steps []ring.Step
	for s := range plan.Steps() {
		steps = append(steps, s)
	}
	return steps
}

// loopOf tells which loop a step belongs to, from its message index.
func loopOf(c ring.Config, s ring.Step) int {
	index := s.Send
	if !s.Action.Sends() {
		index = s.Recv
	}
	return int(index) / (2*c.Size - 2)
}

func bounds(s ring.Step) string { return fmt.Sprintf("[%d,%d)", s.Lo, s.Hi) }

func showSteps(t *testing.T, c ring.Config) string {
	programs := make([][]ring.Step, c.Size)
	head := []any{"loop", "action", "recv", "send"}
	for r := range programs {
		programs[r] = stepsOf(t, c, r)
		head = append(head, fmt.Sprint("rank ", r))
	}
	tab := newTable(head...)
	for i, s := range programs[0] {
		row := []any{loopOf(c, s), s.Action, "-", "-"}
		if s.Action.Receives() {
			row[2] = s.Recv
		}
		if s.Action.Sends() {
			row[3] = s.Send
		}
		for _, p := range programs {
			require.Equal(t, s.Action, p[i].Action)
			row = append(row, bounds(p[i]))
		}
		tab.row(row...)
	}
	return tab.String()
}

func showChunks(t *testing.T, c ring.Config) string {
	head := []any{"loop"}
	var loops [][]any
	for r := range c.Size {
		head = append(head, fmt.Sprint("chunk ", r))
		for _, s := range stepsOf(t, c, r) {
			if s.Action != ring.RecvReduceCopySend {
				continue
			}
			l := loopOf(c, s)
			if l == len(loops) {
				loops = append(loops, []any{l})
			}
			loops[l] = append(loops[l], bounds(s))
		}
	}
	tab := newTable(head...)
	for _, row := range loops {
		tab.row(row...)
	}
	return tab.String()
}

func showLink(t *testing.T, c ring.Config) string {
	tab := newTable("message", "loop", "elements", "sender", "receiver")
	var received []ring.Step
	for _, s := range stepsOf(t, c, (c.Rank+1)%c.Size) {
		if s.Action.Receives() {
			received = append(received, s)
		}
	}
	for _, s := range stepsOf(t, c, c.Rank) {
		if s.Action.Sends() {
			require.Equal(t, s.Send, received[0].Recv)
			tab.row(s.Send, loopOf(c, s), bounds(s), s.Action, received[0].Action)
			received = received[1:]
		}
	}
	require.Empty(t, received)
	return tab.String()
}

func showOrder(t *testing.T, c ring.Config) string {
	type sum struct {
		lo, hi int64
		terms  []int // ranks by hop
	}
	sums := map[int64]*sum{} // by first element
	for r := range c.Size {
		for _, s := range stepsOf(t, c, r) {
			if s.Action.Receives() && !s.Action.Reduces() {
				continue
			}
			if sums[s.Lo] == nil {
				sums[s.Lo] = &sum{lo: s.Lo, hi: s.Hi, terms: make([]int, c.Size)}
			}
			hop := 0
			if s.Action.Receives() {
				hop = int(s.Recv)%(2*c.Size-2) + 1
			}
			sums[s.Lo].terms[hop] = r
		}
	}
	tab := newTable("elements", "sum", "owner")
	for _, lo := range slices.Sorted(maps.Keys(sums)) {
		s := sums[lo]
		text := fmt.Sprint(s.terms[0])
		for _, r := range s.terms[1:] {
			text = fmt.Sprintf("(%s+%d)", text, r)
		}
		tab.row(fmt.Sprintf("[%d,%d)", s.lo, s.hi), text, s.terms[c.Size-1])
	}
	return tab.String()
}

func showTraffic(t *testing.T, c ring.Config) string {
	m := newMachine(t, c, c.Depth)
	require.NoError(t, m.run(nil))
	n := int64(c.Size)
	tab := newTable("rank", "messages", "elements", "2(n-1)/n*count")
	for r := range m.nodes {
		tab.row(r, m.nodes[r].msgs, m.nodes[r].sent, fmt.Sprintf("%.1f", float64(2*(n-1)*c.Count)/float64(n)))
	}
	return tab.String()
}

func showRun(t *testing.T, c ring.Config, slots int) string {
	m := newMachine(t, c, slots)
	err := m.run(nil)
	if err == nil {
		return "completes"
	}
	require.ErrorIs(t, err, errStuck)
	tab := newTable("rank", "waits in", "of", "loop", "elements")
	for r, n := range m.nodes {
		tab.row(r, n.phase, n.step.Action, loopOf(c, n.step), bounds(n.step))
	}
	return "deadlock\n" + tab.String()
}

func showPlan(c ring.Config) string {
	plan, err := ring.AllReduce(c)
	if err != nil {
		if !errors.Is(err, ring.ErrConfig) {
			return "not an ErrConfig: " + err.Error()
		}
		return err.Error()
	}
	first, ok := plan.Next()
	if !ok {
		return "no steps"
	}
	return fmt.Sprintf("from %d to %d, first %v %s", c.Prev(), c.Next(), first.Action, bounds(first))
}

// table aligns columns.
type table struct {
	buf bytes.Buffer
	tab *tabwriter.Writer
}

func newTable(head ...any) *table {
	t := &table{}
	t.tab = tabwriter.NewWriter(&t.buf, 0, 0, 2, ' ', 0)
	t.row(head...)
	return t
}

func (t *table) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(t.tab, "%v\t", c)
	}
	fmt.Fprintln(t.tab)
}

func (t *table) String() string {
	t.tab.Flush()
	var lines []string
	for line := range strings.Lines(t.buf.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n")
}
