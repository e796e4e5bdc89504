package environ

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values is the set of values that a variable takes.
type Values struct {
	text string // as the page says it
	// parse reads a value. With a value besides the error, that is what the rest says,
	// without the part that the error is about.
	parse func(string) (any, error)
}

// String says in Markdown what the values are.
func (v Values) String() string { return v.text }

// text takes anything.
func text(what string) Values {
	return Values{what, func(s string) (any, error) { return s, nil }}
}

// noSuch takes nothing, and says why.
func noSuch(why string) Values {
	return Values{"none", func(string) (any, error) { return nil, errors.New(why) }}
}

// number takes whole numbers, as NCCL does: also with 0x or 0 in front, for
// hexadecimal and octal ones. What follows a number there is not read; here it is an
// error, since 4M is not 4.
func number(lo, hi int64) Values {
	what := fmt.Sprintf("a number from %d to %d", lo, hi)
	if hi == math.MaxInt64 {
		what = fmt.Sprintf("a number from %d", lo)
	}
	return Values{what, func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 0, 64)
		if err != nil || n < lo || n > hi {
			return nil, fmt.Errorf("want %s", what)
		}
		return n, nil
	}}
}

// flag takes 0 and other numbers, which all mean yes.
func flag() Values {
	return Values{"`0` or `1`", func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("want 0 or 1")
		}
		return n != 0, nil
	}}
}

// oneOf takes one of some words, in any case; the value is the word as listed.
func oneOf(words ...string) Values {
	return Values{"`" + strings.Join(words, "`, `") + "`", func(s string) (any, error) {
		if i := indexFold(words, s); i >= 0 {
			return words[i], nil
		}
		return nil, fmt.Errorf("want one of %s", strings.Join(words, ", "))
	}}
}

func indexFold(words []string, s string) int {
	return slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
}

// List is the value of a variable that lists words.
type List struct {
	Except bool     // all but those listed
	Words  []string // as the table lists them
}

// Has reports whether the list selects a word.
func (l List) Has(word string) bool { return slices.Contains(l.Words, word) != l.Except }

// listOf takes words separated by commas, in any case; "^" in front means all but
// those. Words that it does not know are left out.
func listOf(words ...string) Values {
	what := "a list of `" + strings.Join(words, "`, `") + "`; `^` in front: all but those"
	return Values{what, func(s string) (any, error) {
		l, err := parseList(s, words)
		if len(l.Words) == 0 {
			return nil, err
		}
		return l, err
	}}
}

// parseList reads a list. It returns what it knows of it, with an error about the rest.
func parseList(s string, words []string) (List, error) {
	var l List
	var strange []error
	s, l.Except = strings.CutPrefix(s, "^")
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		if i := indexFold(words, word); i >= 0 {
			l.Words = append(l.Words, words[i])
		} else {
			strange = append(strange, fmt.Errorf("%q is none of %s", word, strings.Join(words, ", ")))
		}
	}
	if len(l.Words) == 0 && strange == nil {
		return List{}, fmt.Errorf("want some of %s", strings.Join(words, ", "))
	}
	return l, joined(strange)
}

// joined is several errors in one line, nil if there are none.
func joined(errs []error) error {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	if texts == nil {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

// duration takes seconds, or a number with a unit as Go writes it.
func duration() Values {
	return Values{"seconds, or with a unit: `90s`, `10m`, `1h30m`", func(s string) (any, error) {
		d, err := time.ParseDuration(s)
		if n, failed := strconv.ParseFloat(s, 64); failed == nil && n < float64(math.MaxInt64/time.Second) {
			d, err = time.Duration(n*float64(time.Second)), nil
		}
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("want a positive duration such as 600, 90s or 10m")
		}
		return d, nil
	}}
}
