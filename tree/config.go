package tree

import (
	"errors"
	"fmt"
	"math"
)

// Config describes one collective to one rank. Everything but Rank must be
// equal on all ranks.
type Config struct {
	// Size is the number of ranks, at least 1.
	Size int
	// Rank is this rank's position, 0 to Size-1.
	Rank int
	// Root is the position of the tree's root, 0 to Size-1.
	Root int
	// Count is the number of elements, at least 0.
	Count int64
	// Chunk is the largest number of elements in one message, at least 1: what
	// a slot of the links holds.
	Chunk int64
	// Align is the number of elements whose multiples chunks should start and
	// end on, counted from element 0; at least 1. The end of the last chunk is
	// the only one that need not be a multiple. If Align exceeds Chunk, it is
	// ignored.
	Align int64
	// Algorithm is the tree's shape.
	Algorithm Algorithm
}

// ErrConfig is what every error of this package wraps.
var ErrConfig = errors.New("invalid tree configuration")

// ConfigError says which field of a Config cannot be planned for.
type ConfigError struct {
	Rank  int    // Config.Rank, whatever it is
	Field string // the field's name
	Value int64  // its value
	Want  string // what would be accepted
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("tree: rank %d: %s is %d, want %s", e.Rank, e.Field, e.Value, e.Want)
}

// Unwrap returns ErrConfig.
func (e *ConfigError) Unwrap() error { return ErrConfig }

const (
	// maxSize is far beyond any communicator and keeps sums of two positions
	// within an int on every platform.
	maxSize = 1 << 29
	// maxMessages is how many messages of a link a uint32 can tell apart.
	maxMessages = math.MaxUint32 + 1
)

func (c Config) validate() error {
	bad := func(field string, value int64, want string) error {
		return &ConfigError{Rank: c.Rank, Field: field, Value: value, Want: want}
	}
	switch {
	case c.Size < 1 || c.Size > maxSize:
		return bad("Size", int64(c.Size), fmt.Sprintf("1 to %d", maxSize))
	case c.Rank < 0 || c.Rank >= c.Size:
		return bad("Rank", int64(c.Rank), fmt.Sprintf("0 to %d", c.Size-1))
	case c.Root < 0 || c.Root >= c.Size:
		return bad("Root", int64(c.Root), fmt.Sprintf("0 to %d", c.Size-1))
	case c.Count < 0:
		return bad("Count", c.Count, "at least 0")
	case c.Chunk < 1:
		return bad("Chunk", c.Chunk, "at least 1")
	case c.Align < 1:
		return bad("Align", c.Align, "at least 1")
	case c.Algorithm >= numAlgorithms:
		return bad("Algorithm", int64(c.Algorithm), "Binomial, Chain or Flat")
	}
	return nil
}
