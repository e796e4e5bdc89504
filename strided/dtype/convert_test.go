package dtype

import (
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"
)

// format describes a narrow float independently of the conversions under test:
// the field widths and what its largest exponent means.
type format struct {
	name               string
	expBits, fracBits  int
	bias               int
	infinities         bool // the largest exponent holds infinity and NaN
	saturate           bool
	canonicalNaN       uint16
	widen              func(uint16) float32
	narrow             func(float32) uint16
	values             []*big.Float // finite, non-negative, by bit pattern
	overflow, infinite uint16
}

func formats() []*format {
	fs := []*format{
		{name: "F16", expBits: 5, fracBits: 10, bias: 15, infinities: true, canonicalNaN: 0x7e00,
			widen:  func(b uint16) float32 { return F16(b).Float32() },
			narrow: func(f float32) uint16 { return uint16(F16FromFloat32(f)) }},
		{name: "BF16", expBits: 8, fracBits: 7, bias: 127, infinities: true, canonicalNaN: 0x7fc0,
			widen:  func(b uint16) float32 { return BF16(b).Float32() },
			narrow: func(f float32) uint16 { return uint16(BF16FromFloat32(f)) }},
		{name: "E4M3", expBits: 4, fracBits: 3, bias: 7, saturate: true, canonicalNaN: 0x7f,
			widen:  func(b uint16) float32 { return E4M3(b).Float32() },
			narrow: func(f float32) uint16 { return uint16(E4M3FromFloat32(f)) }},
		{name: "E5M2", expBits: 5, fracBits: 2, bias: 15, infinities: true, saturate: true, canonicalNaN: 0x7f,
			widen:  func(b uint16) float32 { return E5M2(b).Float32() },
			narrow: func(f float32) uint16 { return uint16(E5M2FromFloat32(f)) }},
	}
	for _, f := range fs {
		for bits := uint16(0); bits < f.signBit(); bits++ {
			v := f.value(bits)
			if v == nil {
				break // infinity and NaN lie above all finite patterns
			}
			f.values = append(f.values, v)
		}
		f.infinite = uint16(len(f.values))
		f.overflow = f.infinite
		if f.saturate {
			f.overflow--
		}
	}
	return fs
}

func (f *format) signBit() uint16 { return 1 << (f.expBits + f.fracBits) }

// value decodes a non-negative pattern by the definition of the format:
// (1 + frac/2^F) * 2^(exp-bias), or frac/2^F * 2^(1-bias) when exp is 0. It is
// nil for infinity and NaN.
func (f *format) value(bits uint16) *big.Float {
	exp := int(bits >> f.fracBits)
	frac := int64(bits & (1<<f.fracBits - 1))
	top := 1<<f.expBits - 1
	if f.infinities && exp == top || !f.infinities && exp == top && frac == 1<<f.fracBits-1 {
		return nil
	}
	if exp == 0 {
		exp = 1
	} else {
		frac += 1 << f.fracBits
	}
	v := new(big.Float).SetPrec(400).SetInt64(frac)
	return v.SetMantExp(v, exp-f.bias-f.fracBits)
}

// nearest rounds by search among all values and exact comparison of distances.
func (f *format) nearest(x float32) uint16 {
	if x != x {
		return f.canonicalNaN
	}
	var sign uint16
	if math.Signbit(float64(x)) {
		sign, x = f.signBit(), -x
	}
	last := len(f.values) - 1
	if math.IsInf(float64(x), 1) {
		return sign | f.overflow
	}
	v := exact(x)
	hi := sort.Search(len(f.values), func(i int) bool { return f.values[i].Cmp(v) >= 0 })
	if hi == 0 {
		return sign
	}
	lo := hi - 1
	var above *big.Float
	if hi > last { // the next value if the exponent range went on
		step := new(big.Float).SetPrec(400).Sub(f.values[last], f.values[last-1])
		above = step.Add(step, f.values[last])
	} else {
		above = f.values[hi]
	}
	down := new(big.Float).SetPrec(400).Sub(v, f.values[lo])
	up := new(big.Float).SetPrec(400).Sub(above, v)
	c := down.Cmp(up)
	if c < 0 || c == 0 && lo%2 == 0 {
		return sign | uint16(lo)
	}
	if hi > last {
		return sign | f.overflow
	}
	return sign | uint16(hi)
}

func exact(x float32) *big.Float { return new(big.Float).SetPrec(400).SetFloat64(float64(x)) }

func TestWidenEveryPattern(t *testing.T) {
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			for i := 0; i < 2*int(f.signBit()); i++ {
				bits := uint16(i)
				mag, negative := bits&^f.signBit(), bits&f.signBit() != 0
				got := f.widen(bits)
				if got == got && math.Signbit(float64(got)) != negative {
					t.Fatalf("%#x: sign of %v", bits, got)
				}
				abs := float32(math.Abs(float64(got)))
				switch {
				case int(mag) < len(f.values):
					if exact(abs).Cmp(f.values[mag]) != 0 {
						t.Fatalf("%#x: got %v, want %v", bits, got, f.values[mag])
					}
				case f.infinities && mag == f.infinite:
					if !math.IsInf(float64(abs), 1) {
						t.Fatalf("%#x: got %v, want infinity", bits, got)
					}
				case got == got:
					t.Fatalf("%#x: got %v, want NaN", bits, got)
				}
			}
		})
	}
}

// TestNarrowInvertsWiden covers every pattern; NaNs become canonical and, where
// the format saturates, infinity becomes the largest finite value.
func TestNarrowInvertsWiden(t *testing.T) {
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			for i := 0; i < 2*int(f.signBit()); i++ {
				bits := uint16(i)
				want := bits
				switch mag := bits &^ f.signBit(); {
				case int(mag) < len(f.values):
				case f.infinities && mag == f.infinite:
					want = bits&f.signBit() | f.overflow
				default:
					want = f.canonicalNaN
				}
				if got := f.narrow(f.widen(bits)); got != want {
					t.Fatalf("%#x: got %#x, want %#x", bits, got, want)
				}
			}
		})
	}
}

// TestNarrowAtEveryBoundary checks the only places where rounding changes its
// mind: each midpoint between neighbouring values and the float32 on either side.
func TestNarrowAtEveryBoundary(t *testing.T) {
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			for i := range f.values {
				lo := f.widen(uint16(i))
				above := 2*float64(lo) - float64(f.widen(uint16(max(i, 1)-1)))
				if i+1 < len(f.values) {
					above = float64(f.widen(uint16(i + 1)))
				}
				hi, mid := float32(above), float32((float64(lo)+above)/2)
				inf := float32(math.Inf(1))
				for _, x := range []float32{lo, math.Nextafter32(lo, inf), math.Nextafter32(mid, 0), mid, math.Nextafter32(mid, inf), math.Nextafter32(hi, 0)} {
					for _, y := range []float32{x, -x} {
						if got, want := f.narrow(y), f.nearest(y); got != want {
							t.Fatalf("%v (%#x): got %#x, want %#x", y, math.Float32bits(y), got, want)
						}
					}
				}
			}
		})
	}
}

func TestNarrowRandomBits(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			for range 50_000 {
				x := math.Float32frombits(rng.Uint32())
				if got, want := f.narrow(x), f.nearest(x); got != want {
					t.Fatalf("seed %d: %v (%#x): got %#x, want %#x", seed, x, math.Float32bits(x), got, want)
				}
			}
		})
	}
}

func TestNarrowSpecialValues(t *testing.T) {
	special := []uint32{0, 1 << 31, 1, 1<<31 | 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
		0x7f800000, 0xff800000, 0x7f800001, 0xff800001, 0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff}
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			for _, b := range special {
				x := math.Float32frombits(b)
				if got, want := f.narrow(x), f.nearest(x); got != want {
					t.Errorf("%#x: got %#x, want %#x", b, got, want)
				}
			}
		})
	}
}

func BenchmarkNarrow(b *testing.B) {
	for _, f := range formats() {
		b.Run(f.name, func(b *testing.B) {
			var sink uint16
			for i := range b.N {
				sink += f.narrow(float32(i) * 0x1p-10)
			}
			_ = sink
		})
	}
}
