package kernel

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/monel-dev/monel/strided/dtype"
)

// The reference works on one element at a time, on its bits, and shares no code
// with the kernels: 64-bit integers go through math/big, float32 arithmetic through
// float64, whose 53 bits make one more rounding harmless, and max and min
// compare values rather than bits.

func load(dt dtype.DType, b []byte, i int) uint64 {
	switch dt.Size() {
	case 1:
		return uint64(b[i])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b[2*i:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return binary.LittleEndian.Uint64(b[8*i:])
}

func store(dt dtype.DType, b []byte, i int, v uint64) {
	switch dt.Size() {
	case 1:
		b[i] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
}

func isFloat(dt dtype.DType) bool { return dt >= dtype.Float16 }

// value is the number that v's bits stand for, exactly; NaN for NaN.
func value(dt dtype.DType, v uint64) float64 {
	switch dt {
	case dtype.Float16:
		return float64(dtype.F16(v).Float32())
	case dtype.BFloat16:
		return float64(dtype.BF16(v).Float32())
	case dtype.Float8E4M3:
		return float64(dtype.E4M3(v).Float32())
	case dtype.Float8E5M2:
		return float64(dtype.E5M2(v).Float32())
	case dtype.Float32:
		return float64(math.Float32frombits(uint32(v)))
	}
	return math.Float64frombits(v)
}

var canonicalNaN = map[dtype.DType]uint64{
	dtype.Float16: 0x7e00, dtype.BFloat16: 0x7fc0, dtype.Float8E4M3: 0x7f, dtype.Float8E5M2: 0x7f,
	dtype.Float32: 0x7fc00000, dtype.Float64: 0x7ff8000000000000,
}

// round turns a float32 result, exact but for one harmless rounding to float64,
// into bits of dt.
func round(dt dtype.DType, x float32) uint64 {
	switch dt {
	case dtype.Float16:
		return uint64(dtype.F16FromFloat32(x))
	case dtype.BFloat16:
		return uint64(dtype.BF16FromFloat32(x))
	case dtype.Float8E4M3:
		return uint64(dtype.E4M3FromFloat32(x))
	case dtype.Float8E5M2:
		return uint64(dtype.E5M2FromFloat32(x))
	}
	return uint64(math.Float32bits(x))
}

// reference is a op b; ranks is 0 unless an average is to be finished.
func reference(op dtype.Op, dt dtype.DType, a, b uint64, ranks int) uint64 {
	if !isFloat(dt) {
		return referenceInt(op, dt, a, b, ranks)
	}
	x, y := value(dt, a), value(dt, b)
	switch op {
	case dtype.Max, dtype.Min:
		switch {
		case x != x && y != y:
			return canonicalNaN[dt]
		case x != x:
			return b
		case y != y:
			return a
		}
		aLess := x < y || x == y && math.Signbit(x) && !math.Signbit(y)
		if aLess == (op == dtype.Min) {
			return a
		}
		return b
	}
	r := x + y
	if op == dtype.Prod {
		r = x * y
	}
	if dt == dtype.Float64 {
		if ranks > 0 {
			r /= float64(ranks)
		}
		return math.Float64bits(r)
	}
	narrow := float32(r)
	if ranks > 0 {
		narrow = float32(float64(narrow) / float64(float32(ranks)))
	}
	return round(dt, narrow)
}

func referenceInt(op dtype.Op, dt dtype.DType, a, b uint64, ranks int) uint64 {
	bits := uint(8 * dt.Size())
	isSigned := dt == dtype.Int8 || dt == dtype.Int32 || dt == dtype.Int64
	if bits == 64 {
		return referenceBig(op, isSigned, a, b, ranks)
	}
	// Values of up to 32 bits, their sums and their products fit 64.
	wrap := func(v int64) int64 {
		v &= 1<<bits - 1
		if isSigned && v>>(bits-1) != 0 {
			v -= 1 << bits
		}
		return v
	}
	x, y := wrap(int64(a)), wrap(int64(b))
	var r int64
	switch op {
	case dtype.Sum, dtype.Avg:
		r = wrap(x + y)
	case dtype.Prod:
		r = wrap(x * y)
	case dtype.Max:
		r = max(x, y)
	case dtype.Min:
		r = min(x, y)
	}
	if ranks > 0 {
		r /= int64(ranks)
	}
	return uint64(r) & (1<<bits - 1)
}

func referenceBig(op dtype.Op, isSigned bool, a, b uint64, ranks int) uint64 {
	modulus := new(big.Int).Lsh(big.NewInt(1), 64)
	wrap := func(v *big.Int) *big.Int {
		v.Mod(v, modulus)
		if isSigned && v.Bit(63) == 1 {
			v.Sub(v, modulus)
		}
		return v
	}
	x, y := wrap(new(big.Int).SetUint64(a)), wrap(new(big.Int).SetUint64(b))
	r := new(big.Int)
	switch op {
	case dtype.Sum, dtype.Avg:
		wrap(r.Add(x, y))
	case dtype.Prod:
		wrap(r.Mul(x, y))
	default:
		if (x.Cmp(y) < 0) == (op == dtype.Min) {
			r.Set(x)
		} else {
			r.Set(y)
		}
	}
	if ranks > 0 {
		r.Quo(r, big.NewInt(int64(ranks)))
	}
	return r.Mod(r, modulus).Uint64()
}

// same compares results: NaN sums and products of float32 and float64 need only
// both be NaN, everything else agrees to the bit.
func same(op dtype.Op, dt dtype.DType, got, want uint64) bool {
	if got == want {
		return true
	}
	if (dt == dtype.Float32 || dt == dtype.Float64) && op != dtype.Max && op != dtype.Min {
		return math.IsNaN(value(dt, got)) && math.IsNaN(value(dt, want))
	}
	return false
}
