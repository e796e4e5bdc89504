package faults

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// Report gathers what campaigns have found.
type Report struct {
	out      io.Writer
	load     string
	failures int

	losses     []*Result
	mismatches []*Disagreements
	soaks      []*Soaked
	notes      []string // of other campaigns
}

// NewReport prints a line about each campaign to out.
func NewReport(out io.Writer) *Report {
	r := &Report{out: out, load: "unknown"}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.load, _, _ = strings.Cut(string(text), " ")
	}
	return r
}

// Failures is the number of trials in which something was not as promised.
func (r *Report) Failures() int { return r.failures }

// The trials of a campaign unless the command line says otherwise.
const (
	usualKills  = 500
	usualTrials = 100
)

func or(n, usual int) int {
	if n > 0 {
		return n
	}
	return usual
}

// Run carries out the campaigns of a name on one wire.
func (r *Report) Run(name string, cfg *Config) error {
	switch name {
	case "kill":
		cfg.Trials = or(cfg.Trials, usualKills)
		return r.lose(cfg, Kill)
	case "exit", "crash", "stop", "cut-in", "cut-out", "link-down":
		cfg.Trials = or(cfg.Trials, usualTrials)
		return r.lose(cfg, Kind(name))
	case "soak":
		return r.soak(cfg)
	case "mismatch":
		return r.disagree(cfg)
	case "cut":
		cfg.Trials = or(cfg.Trials, usualTrials)
		for _, kind := range []Kind{Both, In, Out, Down} {
			if err := r.lose(cfg, kind); err != nil {
				return err
			}
		}
		return nil
	case "cut-both":
		cfg.Trials = or(cfg.Trials, usualTrials)
		return r.lose(cfg, Both)
	}
	return fmt.Errorf("no campaign %q", name)
}

func (r *Report) lose(cfg *Config, kind Kind) error {
	res, err := cfg.Lose(kind)
	if err != nil {
		return err
	}
	r.losses = append(r.losses, res)
	r.failures += res.Failures
	if len(r.losses) == 1 {
		fmt.Fprint(r.out, lossHead)
	}
	fmt.Fprint(r.out, res.row())
	return nil
}

func (r *Report) soak(cfg *Config) error {
	s, err := cfg.Soak()
	if err != nil {
		return err
	}
	r.failures += s.Failures
	if len(r.soaks) == 0 {
		fmt.Fprint(r.out, soakHead)
	}
	r.soaks = append(r.soaks, s)
	fmt.Fprint(r.out, s.row())
	return nil
}

const soakHead = `
| wire | time | communicators | calls | failures | heap, first | heap, last | descriptors, first | descriptors, last | goroutines, first | goroutines, last |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

func (s *Soaked) row() string {
	return fmt.Sprintf("| %s | %v | %d | %d | %d | %d KiB | %d KiB | %d | %d | %d | %d |\n", s.Transport, s.Took.Round(time.Second),
		s.Worlds, s.Calls, s.Failures, s.First.Heap>>10, s.Last.Heap>>10, s.First.Descriptors, s.Last.Descriptors, s.First.Goroutines, s.Last.Goroutines)
}

func (r *Report) disagree(cfg *Config) error {
	found, err := cfg.Disagree()
	if err != nil {
		return err
	}
	fmt.Fprint(r.out, mismatchHead)
	for _, d := range found {
		r.failures += d.Failures
		fmt.Fprint(r.out, d.row())
	}
	r.mismatches = append(r.mismatches, found...)
	return nil
}

const mismatchHead = `
| collective | cases | as promised | a rank had no error | a buffer was written | usable afterwards | took, median | took, max |
|---|---:|---:|---:|---:|---:|---:|---:|
`

func (d *Disagreements) row() string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %s | %s |\n", d.Collective, d.Cases, d.Cases-d.Failures,
		d.Silent, d.Written, d.Usable, short(Median(d.Took)), short(Max(d.Took)))
}

const lossHead = `| what | wire | trials | as promised | hangs | wrong values | wrong name | too late | leaks | noticed, median | noticed, max | allowed | went on, median | went on, max |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

func (r *Result) row() string {
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %d | %s | %s | %s | %s | %s |\n", r.Kind, r.Transport,
		r.Trials, r.Trials-r.Failures, r.Hung, r.Wrong, r.Misnamed, r.Slow, r.Leaks,
		short(Median(r.Notice)), short(Max(r.Notice)), short(r.Limit), short(Median(r.Shrink)), short(Max(r.Shrink)))
}

// short writes a time with as many digits as matter.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// Machine describes this one.
func Machine() string {
	kernel := runtime.GOOS
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel += " " + strings.TrimSpace(string(release))
	}
	return fmt.Sprintf("%d cores, %s, %s, %s", runtime.NumCPU(), runtime.GOARCH, kernel, runtime.Version())
}

// Marks of the part of a page that WriteInto replaces.
const (
	begin = "<!-- written by bench faults: begin -->\n"
	end   = "<!-- written by bench faults: end -->\n"
)

// Note adds what another campaign has found, and whether it was not as promised.
func (r *Report) Note(title, text string, failure error) {
	if failure != nil {
		r.failures++
		text += "Not as promised: " + failure.Error() + "\n"
	}
	text = fmt.Sprintf("\n%s: %s", title, text)
	fmt.Fprint(r.out, text)
	r.notes = append(r.notes, text)
}

// WriteInto replaces the tables in a page.
func (r *Report) WriteInto(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	from, to := bytes.Index(page, []byte(begin)), bytes.Index(page, []byte(end))
	if from < 0 || to < from {
		return fmt.Errorf("%s has no place for the tables, between %q and %q", file, begin, end)
	}
	var b bytes.Buffer
	b.Write(page[:from+len(begin)])
	r.write(&b)
	b.Write(page[to:])
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func (r *Report) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "\nOn %s; the load was %s when it began.\n", Machine(), r.load)
	if len(r.losses) > 0 {
		fmt.Fprintf(b, "\n%s", lossHead)
		for _, res := range r.losses {
			b.WriteString(res.row())
		}
	}
	if len(r.mismatches) > 0 {
		b.WriteString(mismatchHead)
		for _, d := range r.mismatches {
			b.WriteString(d.row())
		}
	}
	if len(r.soaks) > 0 {
		b.WriteString(soakHead)
		for _, s := range r.soaks {
			b.WriteString(s.row())
		}
	}
	for _, note := range r.notes {
		b.WriteString(note)
	}
	b.WriteString("\n")
}
