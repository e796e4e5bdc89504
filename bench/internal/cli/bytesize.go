package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a flag value: a number of bytes with an optional binary suffix
// K, M or G in either case, as nccl-tests reads it. "1.5M" is 1572864.
type ByteSize int64

// maxByteSize keeps every later computation with sizes inside an int64.
const maxByteSize = 1 << 48

// ParseByteSize reads a size such as 8, 32M or 1g.
func ParseByteSize(s string) (ByteSize, error) {
	number := strings.TrimSpace(s)
	unit := 1.0
	if number != "" {
		switch number[len(number)-1] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
		if unit > 1 {
			number = strings.TrimSpace(number[:len(number)-1])
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !decimal(number) {
		return 0, fmt.Errorf("%q is not a size: want a number of bytes, with K, M or G for binary multiples", s)
	}
	bytes := math.Floor(value * unit)
	if bytes > maxByteSize {
		return 0, fmt.Errorf("%q is too large: at most 256 TiB", s)
	}
	return ByteSize(bytes), nil
}

// decimal reports whether s has only digits and at most one point, which rules
// out signs, exponents, hexadecimal and "Inf".
func decimal(s string) bool {
	if strings.Count(s, ".") > 1 || strings.Trim(s, ".") == "" {
		return false
	}
	return strings.Trim(s, "0123456789.") == ""
}

// Set implements pflag.Value.
func (b *ByteSize) Set(s string) error {
	v, err := ParseByteSize(s)
	if err != nil {
		return err
	}
	*b = v
	return nil
}

// Type implements pflag.Value.
func (*ByteSize) Type() string { return "size" }

// String writes the size with the largest suffix that divides it.
func (b ByteSize) String() string {
	switch {
	case b == 0:
		return "0"
	case b%(1<<30) == 0:
		return strconv.FormatInt(int64(b>>30), 10) + "G"
	case b%(1<<20) == 0:
		return strconv.FormatInt(int64(b>>20), 10) + "M"
	case b%(1<<10) == 0:
		return strconv.FormatInt(int64(b>>10), 10) + "K"
	default:
		return strconv.FormatInt(int64(b), 10)
	}
}
