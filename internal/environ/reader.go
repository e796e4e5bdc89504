package environ

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Setting is a variable that is set, and where.
type Setting struct {
	Name, Value string // Value is empty for secrets
	From        string // "environment", or the file's path
}

// Warning is about a value that could not be used.
type Warning struct {
	Name, Value string // Value is empty for secrets
	Why         string
	Partly      bool // the rest of the value is used
}

// Remark is about a value that is right, and of which a part has no effect here.
type Remark struct{ Name, What string }

// Reader reads variables. It may not be used by several goroutines at once.
type Reader struct {
	getenv   func(string) string
	files    []file
	settings []Setting
	warnings []Warning
	remarks  []Remark
}

// Open returns a reader of this process's environment and of NCCL's configuration
// files as they are now: first the one that NCCL_CONF_FILE names, or .nccl.conf in
// the user's home directory, then /etc/nccl.conf. What is set in the environment
// goes first.
func Open() *Reader { return OpenWith(os.Getenv) }

// OpenWith is Open where getenv says what the environment is.
func OpenWith(getenv func(string) string) *Reader {
	r := &Reader{getenv: getenv}
	home, _ := os.UserHomeDir()
	for _, path := range filePaths(getenv("NCCL_CONF_FILE"), home) {
		r.read(path)
	}
	return r
}

// Of returns a reader of variables that getenv knows, and of no files.
func Of(getenv func(string) string) *Reader { return &Reader{getenv: getenv} }

// lookup is a variable's value, without the space around it, and where it is from.
func (r *Reader) lookup(name string) (value, from string) {
	v, ok := table[name]
	if !ok {
		panic("environ: " + name + " is not in the table")
	}
	if value = strings.TrimSpace(r.getenv(name)); value != "" {
		return value, "environment"
	}
	if v.files {
		for _, f := range r.files {
			if value = f.values[name]; value != "" {
				return value, f.path
			}
		}
	}
	return "", ""
}

// Get is a variable's value as it stands, empty if it is not set. Like the other
// methods, it panics on a name that is not in the table.
func (r *Reader) Get(name string) string {
	value, from := r.lookup(name)
	if value == "" {
		return ""
	}
	s := Setting{name, value, from}
	if table[name].Secret {
		s.Value = ""
	}
	if !slices.Contains(r.settings, s) {
		r.settings = append(r.settings, s)
	}
	return value
}

// value is a variable's value as the table reads it.
func value[T any](r *Reader, name string) (v T, ok bool) {
	text := r.Get(name)
	if text == "" {
		return v, false
	}
	parsed := r.parse(name, text)
	if parsed == nil {
		return v, false
	}
	v, ok = parsed.(T)
	if !ok {
		panic(fmt.Sprintf("environ: %s is not of type %T", name, v))
	}
	return v, true
}

// parse is the value of a text, or of the part of it that can be used, and warns of the
// rest; nil if that is all.
func (r *Reader) parse(name, text string) any {
	parsed, err := table[name].Values.parse(text)
	if err != nil {
		r.warn(Warning{Name: name, Why: err.Error(), Partly: parsed != nil})
	}
	return parsed
}

// Text is the value of a variable that takes any text, or one of some words; empty
// if it is not set, or no such word.
func (r *Reader) Text(name string) string { v, _ := value[string](r, name); return v }

// Flag reports whether a variable that takes 0 or 1 is set to 1.
func (r *Reader) Flag(name string) bool { v, _ := value[bool](r, name); return v }

// Number is the value of a variable that takes a number; false if it is not set.
func (r *Reader) Number(name string) (int64, bool) { return value[int64](r, name) }

// Duration is the value of a variable that takes a time; 0 if it is not set.
func (r *Reader) Duration(name string) time.Duration { v, _ := value[time.Duration](r, name); return v }

// List is the value of a variable that takes a list; false if it is not set.
func (r *Reader) List(name string) (List, bool) { return value[List](r, name) }

// Warn reports that the value of a variable cannot be used, and why.
func (r *Reader) Warn(name, why string) { r.warn(Warning{Name: name, Why: why}) }

func (r *Reader) warn(w Warning) {
	if !table[w.Name].Secret {
		w.Value, _ = r.lookup(w.Name)
	}
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// Check reads all variables of a group, for what it warns about.
func (r *Reader) check(g Group) {
	for i := range g.Variables {
		v := &g.Variables[i]
		if text := r.Get(v.Name); text != "" {
			r.parse(v.Name, text)
		}
	}
}

// CheckRest reads the variables that nobody asks for: those that are accepted
// without effect, so that mistakes in them are reported, too.
func (r *Reader) CheckRest() {
	r.check(logging) // of which NCCL_DEBUG decides whether they are asked for
	r.check(rdma)
	r.check(accepted)
}

// Remark says of a variable that is used what may not be expected of it.
func (r *Reader) Remark(name, what string) {
	if m := (Remark{name, what}); !slices.Contains(r.remarks, m) {
		r.remarks = append(r.remarks, m)
	}
}

// Remarks lists what Remark has said.
func (r *Reader) Remarks() []Remark { return r.remarks }

// Settings lists what has been read and is set, in the order of reading.
func (r *Reader) Settings() []Setting { return r.settings }

// Warnings lists what has been read and could not be used.
func (r *Reader) Warnings() []Warning { return r.warnings }

// Unknown lists the names of an environment, as os.Environ returns it, that begin as
// NCCL's or Monel's do and are not in the table.
func Unknown(environment []string) []string {
	var names []string
	for _, e := range environment {
		name, _, _ := strings.Cut(e, "=")
		ours := strings.HasPrefix(name, "NCCL_") || strings.HasPrefix(name, "MONEL_")
		if ours && !Known(name) && !slices.ContainsFunc(ownPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ownPrefixes begin the names that the project's tests and its bench command use
// between processes of theirs.
var ownPrefixes = []string{"MONEL_TEST_", "MONEL_BENCH_", "MONEL_CUDASIM_", "MONEL_SEED"}
