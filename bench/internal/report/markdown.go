package report

import (
	"fmt"
	"io"
	"strings"
)

// Machine is what measurements were made on.
type Machine struct {
	CPU    string
	Cores  int
	Kernel string
	Load   string // of the last minute before the measurement
	Date   string
}

// Section is one contest in a file of results.
type Section struct {
	Title      string
	Machine    Machine
	Command    string // the command line
	Rounds     int
	Contenders []Contender
	Matches    []Match
}

// ResultsHead starts a file of results.
const ResultsHead = `# Results

Measured, verified and written by the bench command; see its README for what is timed. Times are medians over the rounds, in microseconds per call. A ratio is our time divided by the other's, as the median over the rounds: below 1, ours is faster. "To best" compares with the peer that was fastest in that round. The limit moves the same bytes and computes nothing.
`

// Write writes the section in Markdown.
func (s Section) Write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
	fmt.Fprintf(&b, "- machine: %d cores, %s, %s\n", s.Machine.Cores, s.Machine.CPU, s.Machine.Kernel)
	fmt.Fprintf(&b, "- load before: %s\n- date: %s\n- command: `%s`\n- rounds: %d, all contenders in turns\n", s.Machine.Load, s.Machine.Date, s.Command, s.Rounds)
	for _, c := range s.Contenders {
		fmt.Fprintf(&b, "- %s: %s\n", c.Label(), c.Version)
	}
	s.times(&b)
	s.bandwidths(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (s Section) times(b *strings.Builder) {
	head, rule := "| bytes | ours µs |", "| ---: | ---: |"
	for _, c := range s.Contenders[1:] {
		head += fmt.Sprintf(" %s µs | ours ÷ %s |", c.Label(), c.Label())
		rule += " ---: | ---: |"
	}
	fmt.Fprintf(b, "\n%s to best | wrong |\n%s ---: | ---: |\n", head, rule)
	for _, m := range s.Matches {
		fmt.Fprintf(b, "| %d | %s |", m.Bytes, fit(m.Time(0)*1e6, 10))
		for i := 1; i < len(s.Contenders); i++ {
			fmt.Fprintf(b, " %s | %s |", fit(m.Time(i)*1e6, 10), times(m.Ratio(i)))
		}
		wrong := "not checked"
		if m.Wrong[0] != Unchecked {
			wrong = fmt.Sprint(m.WrongValues())
		}
		fmt.Fprintf(b, " %s | %s |\n", times(m.ToBest(s.Contenders)), wrong)
	}
}

func (s Section) bandwidths(b *strings.Builder) {
	head, rule := "| busbw, GB/s |", "| ---: |"
	for _, c := range s.Contenders {
		head += " " + c.Label() + " |"
		rule += " ---: |"
	}
	fmt.Fprintf(b, "\n%s\n%s\n", head, rule)
	for _, m := range s.Matches {
		fmt.Fprintf(b, "| %d |", m.Bytes)
		for i := range s.Contenders {
			fmt.Fprintf(b, " %.3g |", m.Result(i).BusBW)
		}
		b.WriteString("\n")
	}
}
