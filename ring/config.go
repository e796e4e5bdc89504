package ring

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Config describes one collective to one rank. Everything but Rank must be
// equal on all ranks; the header that travels with each chunk should carry
// Step.Send, so that a difference is noticed rather than reduced.
type Config struct {
	// Size is the number of ranks in the ring, at least 1.
	Size int
	// Rank is this rank's position in the ring, 0 to Size-1.
	Rank int
	// Count is the number of elements, at least 0: of the whole tensor for an
	// all-reduce, of each rank's block for an all-gather or reduce-scatter.
	Count int64
	// Counts, if not nil, is the number of elements of each position's block, for an
	// all-gather whose blocks differ; Count is ignored then. The plan keeps the
	// slice.
	Counts []int64
	// Chunk is the largest number of elements in one message, at least 1: what
	// a slot of the links holds.
	Chunk int64
	// Align is the number of elements whose multiples chunks should start and
	// end on, counted from element 0; at least 1. The end of the last chunk is
	// the only one that need not be a multiple. If Align exceeds Chunk, it is
	// ignored.
	Align int64
	// Depth is how many slots per link the plan may count on, at least 2: the
	// ranks never deadlock if every link has at least so many. More depth
	// starts the next loop earlier and so keeps more messages in flight; beyond
	// 2·Size-2 it changes nothing.
	Depth int
}

// Prev is the position from which this rank receives.
func (c Config) Prev() int { return (c.Rank + c.Size - 1) % c.Size }

// Next is the position to which this rank sends.
func (c Config) Next() int { return (c.Rank + 1) % c.Size }

// ErrConfig is what every error of this package wraps.
var ErrConfig = errors.New("invalid ring configuration")

// ConfigError says which field of a Config cannot be planned for.
type ConfigError struct {
	Rank  int    // Config.Rank, whatever it is
	Field string // the field's name
	Value int64  // its value
	Want  string // what would be accepted
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("ring: rank %d: %s is %d, want %s", e.Rank, e.Field, e.Value, e.Want)
}

// Unwrap returns ErrConfig.
func (e *ConfigError) Unwrap() error { return ErrConfig }

const (
	// maxSize is far beyond any communicator and keeps 2·Size within an int
	// on every platform.
	maxSize = 1 << 29
	// maxMessages is how many messages of a link a uint32 can tell apart.
	maxMessages = math.MaxUint32 + 1
)

// longest is the number of elements of the largest block, negative if any block's
// is.
func (c Config) longest() int64 {
	if c.Counts == nil {
		return c.Count
	}
	if least := slices.Min(c.Counts); least < 0 {
		return least
	}
	return slices.Max(c.Counts)
}

func (c Config) validate() error {
	bad := func(field string, value int64, want string) error {
		return &ConfigError{Rank: c.Rank, Field: field, Value: value, Want: want}
	}
	switch {
	case c.Size < 1 || c.Size > maxSize:
		return bad("Size", int64(c.Size), fmt.Sprintf("1 to %d", maxSize))
	case c.Rank < 0 || c.Rank >= c.Size:
		return bad("Rank", int64(c.Rank), fmt.Sprintf("0 to %d", c.Size-1))
	case c.Counts == nil && c.Count < 0:
		return bad("Count", c.Count, "at least 0")
	case c.Counts != nil && len(c.Counts) != c.Size:
		return bad("Counts", int64(len(c.Counts)), fmt.Sprintf("%d of them, one per position", c.Size))
	case c.longest() < 0:
		return bad("Counts", c.longest(), "at least 0, each of them")
	case c.Chunk < 1:
		return bad("Chunk", c.Chunk, "at least 1")
	case c.Align < 1:
		return bad("Align", c.Align, "at least 1")
	case c.Depth < 2:
		return bad("Depth", int64(c.Depth), "at least 2: a rank holds one slot while it fills the next")
	}
	return nil
}
