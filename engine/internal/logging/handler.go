// Package logging makes a log/slog handler of NCCL's settings: which level is
// heard, of which subsystems, and where the lines go.
//
// A logger belongs to the subsystem that its attribute "subsys" names, which Of
// gives it; without one it belongs to INIT. Warnings are heard from all of them.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// The subsystems that log here, by NCCL's names.
const (
	Init      = "INIT"
	Bootstrap = "BOOTSTRAP"
	Env       = "ENV"
	Coll      = "COLL"
	Net       = "NET"
)

const subsystemKey = "subsys"

// Of returns a logger for a subsystem.
func Of(logger *slog.Logger, subsystem string) *slog.Logger {
	return logger.With(subsystemKey, subsystem)
}

// Levels is a set of what NCCL_DEBUG and NCCL_DEBUG_LEVELS ask for.
type Levels uint8

// The levels. NCCL's ATTN, notices that are no errors, are warnings here, and nothing has
// its ABORT.
const (
	Version Levels = 1 << iota // the version alone
	Warn
	Info
	Trace

	None Levels = 0
)

// LevelsUpTo is what a value of NCCL_DEBUG, in capitals, asks for: a level and those
// before it.
func LevelsUpTo(name string) Levels {
	switch name {
	case "VERSION":
		return Version
	case "WARN", "ATTN":
		return Version | Warn
	case "INFO", "ABORT":
		return Version | Warn | Info
	case "TRACE":
		return Version | Warn | Info | Trace
	}
	return None
}

// LevelNamed is what a word of NCCL_DEBUG_LEVELS, in capitals, asks for: a level by itself.
func LevelNamed(name string) Levels {
	switch name {
	case "VERSION":
		return Version
	case "WARN", "ATTN":
		return Warn
	case "INFO":
		return Info
	case "TRACE":
		return Trace
	}
	return None
}

// Has reports whether a level is asked for.
func (l Levels) Has(level Levels) bool { return l&level != 0 }

// LevelVersion is the level of the one message that tells the version.
const LevelVersion = slog.LevelError + 4

// Subsystems says which subsystems are heard.
type Subsystems interface{ Has(subsystem string) bool }

// Filter is a handler that hands on what the settings let through.
type Filter struct {
	next   slog.Handler
	levels Levels
	heard  Subsystems // nil: those that are heard by default
	asked  bool       // for the subsystem of this handler, by name
	silent bool       // this handler's subsystem is heard from warnings on only
	nested bool       // in a group, where attributes are not ours
}

// byDefault are heard if NCCL_DEBUG_SUBSYS does not say which.
var byDefault = []string{Init, Bootstrap, Env}

// New returns a handler that writes lines of text to w. heard may be nil.
func New(w io.Writer, levels Levels, heard Subsystems) *Filter {
	next := slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug - 4, ReplaceAttr: nameVersion})
	return (&Filter{next: next, levels: levels, heard: heard}).of(Init)
}

func nameVersion(_ []string, a slog.Attr) slog.Attr {
	if l, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && l == LevelVersion {
		a.Value = slog.StringValue("VERSION")
	}
	return a
}

// of is the handler for a subsystem.
func (f *Filter) of(subsystem string) *Filter {
	g := *f
	if f.heard == nil {
		g.asked, g.silent = false, !f.levels.Has(Trace) && !slices.Contains(byDefault, subsystem)
	} else {
		g.asked = f.heard.Has(subsystem)
		g.silent = !g.asked
	}
	return &g
}

// Enabled reports whether the settings let a message of the level through.
func (f *Filter) Enabled(_ context.Context, l slog.Level) bool {
	switch {
	case l >= LevelVersion:
		return f.levels.Has(Version)
	case l >= slog.LevelWarn:
		return f.levels.Has(Warn)
	case f.silent:
		return false
	case l >= slog.LevelInfo:
		return f.levels.Has(Info)
	}
	return f.levels.Has(Trace) || f.levels.Has(Info) && f.asked
}

// Handle hands a record on.
func (f *Filter) Handle(ctx context.Context, r slog.Record) error { return f.next.Handle(ctx, r) }

// WithAttrs returns a handler with attributes, and of another subsystem if one of
// them says so.
func (f *Filter) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *f
	for _, a := range attrs {
		if a.Key == subsystemKey && !f.nested {
			g = *g.of(a.Value.String())
		}
	}
	g.next = f.next.WithAttrs(attrs)
	return &g
}

// WithGroup returns a handler whose attributes are in a group.
func (f *Filter) WithGroup(name string) slog.Handler {
	g := *f
	g.next, g.nested = f.next.WithGroup(name), name != "" || f.nested
	return &g
}
