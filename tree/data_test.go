package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/tree"
)

// The files in testdata explain the package by example. Their commands take
// size, root (0), algorithm (binomial) and, where it matters, count, chunk,
// align (1) and rank:
//
//	tree    the tree, a rank per line, with the round in which a single chunk
//	        reaches it when a rank sends to one other per round
//	steps   each rank's program
//	rounds  who sends what to whom, when a message takes a round, and a rank
//	        receives and sends at most one per round
//	choose  the shape chosen for each number of bytes given
//	plan    plan for one rank, to show errors
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c := tree.Config{Size: 1, Chunk: 1, Align: 1}
			d.MaybeScanArgs(t, "size", &c.Size)
			d.MaybeScanArgs(t, "rank", &c.Rank)
			d.MaybeScanArgs(t, "root", &c.Root)
			d.MaybeScanArgs(t, "count", &c.Count)
			d.MaybeScanArgs(t, "chunk", &c.Chunk)
			d.MaybeScanArgs(t, "align", &c.Align)
			var algorithm string
			if d.MaybeScanArgs(t, "algorithm", &algorithm) {
				c.Algorithm = parseAlgorithm(t, algorithm)
			}
			switch d.Cmd {
			case "tree":
				return showTree(t, c)
			case "steps":
				return showSteps(t, c)
			case "rounds":
				return showRounds(t, c)
			case "choose":
				return showChoices(t, d, c)
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

func parseAlgorithm(t *testing.T, name string) tree.Algorithm {
	t.Helper()
	for a := tree.Algorithm(0); a < 4; a++ { // one more than there are, for errors
		if a.String() == name {
			return a
		}
	}
	t.Fatalf("no algorithm is called %q", name)
	return 0
}

func planOf(t *testing.T, c tree.Config, rank int) tree.Plan {
	t.Helper()
	c.Rank = rank
	plan, err := tree.Broadcast(c)
	require.NoError(t, err)
	return plan
}

func bounds(s tree.Step) string { return fmt.Sprintf("[%d,%d)", s.Lo, s.Hi) }

func showTree(t *testing.T, c tree.Config) string {
	var b strings.Builder
	var visit func(rank, depth, round int)
	visit = func(rank, depth, round int) {
		fmt.Fprintf(&b, "%s%d", strings.Repeat("   ", depth), rank)
		if depth > 0 {
			fmt.Fprintf(&b, "  (round %d)", round)
		}
		b.WriteString("\n")
		plan := planOf(t, c, rank)
		for i, child := range plan.Children() {
			visit(child, depth+1, round+i+1)
		}
	}
	visit(c.Root, 0, 0)
	return b.String()
}

func showSteps(t *testing.T, c tree.Config) string {
	tab := newTable("rank", "from", "to", "action", "message", "elements")
	for r := range c.Size {
		plan := planOf(t, c, r)
		from, to := "-", "-"
		if plan.Parent() >= 0 {
			from = fmt.Sprint(plan.Parent())
		}
		if len(plan.Children()) > 0 {
			to = strings.Trim(fmt.Sprint(plan.Children()), "[]")
		}
		for s := range plan.Steps() {
			tab.row(r, from, to, s.Action, s.Index, bounds(s))
		}
	}
	return tab.String()
}

// showRounds runs all ranks in lockstep: in a round every rank that has
// something to send sends one message, which arrives at the end of the round.
func showRounds(t *testing.T, c tree.Config) string {
	type outgoing struct {
		to   int
		step tree.Step
	}
	todo := make([][]outgoing, c.Size)
	plans := make([]tree.Plan, c.Size)
	for r := range plans {
		plans[r] = planOf(t, c, r)
	}
	enqueue := func(r int) {
		s, ok := plans[r].Next()
		require.True(t, ok)
		for _, child := range plans[r].Children() {
			todo[r] = append(todo[r], outgoing{child, s})
		}
	}
	root := plans[c.Root]
	for range root.Steps() {
		enqueue(c.Root)
	}
	tab := newTable("round", "messages")
	for round := 1; ; round++ {
		var sent []string
		var arrived []int
		for r := range todo {
			if len(todo[r]) == 0 {
				continue
			}
			o := todo[r][0]
			todo[r] = todo[r][1:]
			sent = append(sent, fmt.Sprintf("%d>%d %s", r, o.to, bounds(o.step)))
			arrived = append(arrived, o.to)
		}
		if len(sent) == 0 {
			return tab.String()
		}
		for _, r := range arrived {
			enqueue(r)
		}
		tab.row(round, strings.Join(sent, "   "))
	}
}

func showChoices(t *testing.T, d *datadriven.TestData, c tree.Config) string {
	tab := newTable("bytes", "algorithm")
	for field := range strings.FieldsSeq(d.Input) {
		digits, unit := field, int64(1)
		if number, ok := strings.CutSuffix(field, "K"); ok {
			digits, unit = number, 1<<10
		} else if number, ok := strings.CutSuffix(field, "M"); ok {
			digits, unit = number, 1<<20
		}
		number, err := strconv.ParseInt(digits, 10, 64)
		require.NoError(t, err)
		tab.row(field, tree.Choose(number*unit, c.Chunk, c.Size))
	}
	return tab.String()
}

func showPlan(c tree.Config) string {
	plan, err := tree.Broadcast(c)
	if err != nil {
		if !errors.Is(err, tree.ErrConfig) {
			return "not an ErrConfig: " + err.Error()
		}
		return err.Error()
	}
	first, ok := plan.Next()
	if !ok {
		return "no steps"
	}
	return fmt.Sprintf("from %d to %v, first %v %s", plan.Parent(), plan.Children(), first.Action, bounds(first))
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
