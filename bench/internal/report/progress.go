package report

import (
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far a run is, on standard error, when that is a terminal.
// The nil *Progress shows nothing. It draws only inside its methods, so it does
// not disturb what is being timed.
type Progress struct{ bar *progressbar.ProgressBar }

// NewProgress returns a progress display of steps steps on f, or nil when f is
// not a terminal.
func NewProgress(f *os.File, steps int) *Progress {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &Progress{progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false),
	)}
}

// Begin says what is being measured now.
func (p *Progress) Begin(what string) {
	if p != nil {
		p.bar.Describe(what)
	}
}

// Step counts one thing done and leaves the line empty, so that other output
// may follow.
func (p *Progress) Step() {
	if p != nil {
		_ = p.bar.Add(1)
		_ = p.bar.Clear()
	}
}

// Close removes the display.
func (p *Progress) Close() {
	if p != nil {
		_ = p.bar.Finish()
	}
}
