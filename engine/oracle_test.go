package engine_test

import (
	"encoding/binary"
	"math"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// scalar is one value of the oracle: an integer or a float64, whichever the
// dtype is made of.
type scalar struct {
	i int64
	f float64
}

func isFloat(dt strided.DType) bool {
	switch dt {
	case dtype.Int8, dtype.Uint8, dtype.Int32, dtype.Uint32, dtype.Int64, dtype.Uint64:
		return false
	}
	return true
}

// store writes the value as an element of the given type, wrapping integers.
func (s scalar) store(dt strided.DType, b []byte) {
	le := binary.LittleEndian
	switch dt {
	case dtype.Int8, dtype.Uint8:
		b[0] = byte(s.i)
	case dtype.Int32, dtype.Uint32:
		le.PutUint32(b, uint32(s.i))
	case dtype.Int64, dtype.Uint64:
		le.PutUint64(b, uint64(s.i))
	case dtype.Float32:
		le.PutUint32(b, math.Float32bits(float32(s.f)))
	case dtype.Float64:
		le.PutUint64(b, math.Float64bits(s.f))
	case dtype.Float16:
		le.PutUint16(b, uint16(dtype.F16FromFloat32(float32(s.f))))
	case dtype.BFloat16:
		le.PutUint16(b, uint16(dtype.BF16FromFloat32(float32(s.f))))
	case dtype.Float8E4M3:
		b[0] = byte(dtype.E4M3FromFloat32(float32(s.f)))
	case dtype.Float8E5M2:
		b[0] = byte(dtype.E5M2FromFloat32(float32(s.f)))
	}
}

// input is rank's value of logical element i. Values are small integers chosen
// so that every partial result of up to 8 ranks is exact in every dtype, and
// the oracle therefore needs no tolerance: |sum| <= 8 fits the 2 fraction bits
// of fp8 e5m2, and products are powers of two up to 2^8. Neighbouring elements
// and ranks differ, so that a misplaced element shows.
func input(dt strided.DType, op engine.Op, rank, i int) scalar {
	h := uint64(rank+1)*0x9e3779b97f4a7c15 ^ uint64(i+1)*0xbf58476d1ce4e5b9
	h ^= h >> 31
	h *= 0x94d049bb133111eb
	h ^= h >> 29
	var v int64
	switch {
	case op == engine.Prod:
		v = []int64{1, 2, 1, -1}[h%4]
	case dt == dtype.Float8E5M2 && (op == engine.Sum || op == engine.Avg):
		v = int64(h%3) - 1
	case op == engine.Sum || op == engine.Avg:
		v = int64(h%5) - 2
	default:
		v = int64(h%13) - 6
	}
	if unsigned := dt == dtype.Uint8 || dt == dtype.Uint32 || dt == dtype.Uint64; unsigned && v < 0 {
		v += 8
	}
	return scalar{v, float64(v)}
}

// reduce is the oracle of an all_reduce over size ranks: element i, one rank
// after the other, in int64 or float64.
func reduce(dt strided.DType, op engine.Op, size, i int) scalar {
	acc := input(dt, op, 0, i)
	for rank := 1; rank < size; rank++ {
		v := input(dt, op, rank, i)
		switch op {
		case engine.Sum, engine.Avg:
			acc = scalar{acc.i + v.i, acc.f + v.f}
		case engine.Prod:
			acc = scalar{acc.i * v.i, acc.f * v.f}
		case engine.Max:
			acc = scalar{max(acc.i, v.i), max(acc.f, v.f)}
		case engine.Min:
			acc = scalar{min(acc.i, v.i), min(acc.f, v.f)}
		}
	}
	if op == engine.Avg {
		acc.i = wrap(dt, acc.i) / int64(size)
		if dt == dtype.Float64 {
			acc.f /= float64(size)
		} else if isFloat(dt) {
			acc.f = float64(float32(acc.f) / float32(size))
		}
	}
	return acc
}

// wrap is the value that an integer dtype holds for v.
func wrap(dt strided.DType, v int64) int64 {
	switch dt {
	case dtype.Int8:
		return int64(int8(v))
	case dtype.Uint8:
		return int64(uint8(v))
	case dtype.Int32:
		return int64(int32(v))
	case dtype.Uint32:
		return int64(uint32(v))
	}
	return v
}
