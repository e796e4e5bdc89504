// The element types, and the operators on single elements. Bit for bit, results
// are those of package strided: integers wrap; the 16-bit and 8-bit floats are
// computed in float and rounded once, to nearest even, the 8-bit ones saturating;
// MAX and MIN select one operand's bits, where a NaN loses to a number, two NaNs
// give the canonical one, and -0 is below +0. Only the payload of a NaN sum or
// product of float and double is whatever the processor makes of it.

#pragma once

#include "job.h"

// Order is how the bits of a type are compared: sign is the top bit; magnitudes
// above top are NaN.
template <class U, U sign, U top, U nan, bool is_float> struct Order {
	// key is an unsigned number whose order is that of the values.
	DEVICE U key(U v)
	{
		if constexpr (is_float)
			return v & sign ? (U)(~v & (sign | (sign - 1))) : (U)(v | sign);
		return v ^ sign;
	}

	// select is the greater of x and y, or the lesser if flip has all bits.
	DEVICE U select(U x, U y, U flip)
	{
		constexpr U magnitude = (U)(sign - 1);
		bool first = (key(x) ^ flip) >= (key(y) ^ flip);
		if constexpr (!is_float)
			return first ? x : y;
		bool x_nan = (x & magnitude) > top, y_nan = (y & magnitude) > top;
		if (x_nan)
			return y_nan ? nan : y;
		return y_nan || first ? x : y;
	}
};

// quotient is v over the number of ranks.
DEVICE u64 quotient(const Arithmetic &f, u64 v)
{
	u64 h = high(f.magic64, v);
	return (((v - h) >> 1) + h) >> f.shift;
}

DEVICE u32 quotient(const Arithmetic &f, u32 v)
{
	u32 h = high(f.magic32, v);
	return (((v - h) >> 1) + h) >> f.shift;
}

// divided is x over the number of ranks, rounded once.
DEVICE float divided(const Arithmetic &f, float x)
{
#ifdef __CUDA__
	// The compilers' own division calls a function where numbers are subnormal,
	// for which registers have to be kept. This is the quotient of doubles, right
	// to the last bit (Markstein: once corrected by the exact remainder), which has
	// enough bits that rounding it again gives float's. Infinity and zero are right
	// at once.
	double q = x * f.inverse;
	double rest = __builtin_fma(-q, (double)f.ranks, (double)x);
	double better = __builtin_fma(rest, f.inverse, q);
	return (float)(rest > 0 || rest < 0 ? better : q);
#else
	return x / (float)f.ranks;
#endif
}

// Integer is an integer in the low bits of a U, whose signed sibling is I.
template <class U, class I, int bits, bool is_signed> struct Integer
	: Order<U, (U)(is_signed ? (U)1 << (bits - 1) : 0), 0, 0, false> {
	using Bits = U;
	static constexpr int size = bits / 8;
	static constexpr bool rounds_late = false;

	DEVICE U sum(U x, U y) { return x + y; }
	DEVICE U product(U x, U y) { return x * y; }
	DEVICE U divide(const Arithmetic &f, U v)
	{
		constexpr int rest = 8 * sizeof(U) - bits;
		if constexpr (!is_signed)
			return quotient(f, (U)(v << rest) >> rest);
		I n = (I)(v << rest) >> rest;
		U sign = (U)(n >> (8 * sizeof(U) - 1));
		return (quotient(f, ((U)n ^ sign) - sign) ^ sign) - sign;
	}
};

using Int8 = Integer<u32, i32, 8, true>;
using Uint8 = Integer<u32, i32, 8, false>;
using Int32 = Integer<u32, i32, 32, true>;
using Uint32 = Integer<u32, i32, 32, false>;
using Int64 = Integer<u64, i64, 64, true>;
using Uint64 = Integer<u64, i64, 64, false>;

struct Float32 : Order<u32, 0x80000000, 0x7f800000, 0x7fc00000, true> {
	using Bits = u32;
	static constexpr int size = 4;
	static constexpr bool rounds_late = false;

	DEVICE u32 sum(u32 x, u32 y) { return as_bits(as_float(x) + as_float(y)); }
	DEVICE u32 product(u32 x, u32 y) { return as_bits(as_float(x) * as_float(y)); }
	DEVICE u32 divide(const Arithmetic &f, u32 v) { return as_bits(divided(f, as_float(v))); }
};

struct Float64 : Order<u64, 1ull << 63, 0x7ffull << 52, 0x7ff8ull << 48, true> {
	using Bits = u64;
	static constexpr int size = 8;
	static constexpr bool rounds_late = false;

	DEVICE u64 sum(u64 x, u64 y) { return as_bits(as_double(x) + as_double(y)); }
	DEVICE u64 product(u64 x, u64 y) { return as_bits(as_double(x) * as_double(y)); }
	DEVICE u64 divide(const Arithmetic &f, u64 v) { return as_bits(as_double(v) / (double)f.ranks); }
};

// The narrow floats are widened to float and narrowed again.

struct Float16 : Order<u32, 0x8000, 0x7c00, 0x7e00, true> {
	using Bits = u32;
	static constexpr int size = 2;
	static constexpr bool rounds_late = true;

	DEVICE float widen(u32 h)
	{
#ifdef __CUDA__
		float f;
		asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"((u16)h));
		return f;
#else
		u32 sign = (h & 0x8000) << 16, m = h & 0x7fff;
		if (m < 0x400) // zero or subnormal: a multiple of 2^-24
			return as_float(sign | as_bits((float)m * 0x1p-24f));
		return as_float(sign | (m < 0x7c00 ? (m << 13) + (112u << 23) : 0x7f800000 | m << 13));
#endif
	}

	DEVICE u32 narrow(float f)
	{
#ifdef __CUDA__
		u16 h;
		asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
		return f != f ? 0x7e00 : h;
#else
		u32 b = as_bits(f), sign = b >> 16 & 0x8000, m = b & 0x7fffffff;
		if (m > 0x7f800000)
			return 0x7e00;
		if (m >= 0x477ff000) // 65520 becomes infinite
			return sign | 0x7c00;
		if (m >= 0x38800000) { // 2^-14, the smallest normal number
			m -= 112u << 23;
			return sign | (m + 0xfff + (m >> 13 & 1)) >> 13;
		}
		// The spacing of subnormals, 2^-24, is one unit in the last place of 0.5.
		return sign | (as_bits(as_float(m) + 0.5f) - as_bits(0.5f));
#endif
	}
};

struct BFloat16 : Order<u32, 0x8000, 0x7f80, 0x7fc0, true> {
	using Bits = u32;
	static constexpr int size = 2;
	static constexpr bool rounds_late = true;

	DEVICE float widen(u32 h) { return as_float(h << 16); }
	DEVICE u32 narrow(float f)
	{
		u32 b = as_bits(f);
		return f != f ? 0x7fc0 : (b + 0x7fff + (b >> 16 & 1)) >> 16;
	}
};

// Float8 has E exponent bits and largest value top. Its exponent and fraction,
// put where float has them, make a float that is 2^(127-bias) times too small.
template <int E, u32 top, u32 inf> struct Float8 : Order<u32, 0x80, inf, 0x7f, true> {
	using Bits = u32;
	static constexpr int size = 1;
	static constexpr bool rounds_late = true;
	static constexpr int bias = (1 << (E - 1)) - 1;
	static constexpr int low = 16 + E; // bits of float's fraction beyond ours

	DEVICE float widen(u32 v)
	{
		u32 m = v & 0x7f;
		u32 b = as_bits(as_float(m << low) * as_float((u32)(254 - bias) << 23));
		if (m > top)
			b = m > inf ? 0x7fc00000 : 0x7f800000;
		return as_float(b | (v & 0x80) << 24);
	}

	DEVICE u32 narrow(float f)
	{
		u32 b = as_bits(f), sign = b >> 24 & 0x80, m = b & 0x7fffffff;
		// Normal numbers: round the fraction, which may carry into the exponent.
		u32 n = m - ((u32)(127 - bias) << 23);
		n = least((n + ((1u << (low - 1)) - 1) + (n >> low & 1)) >> low, top);
		// The spacing of subnormals is one unit in the last place of this float.
		constexpr u32 least_normal = (u32)(128 - bias) << 23, one = (u32)(127 - bias + 1 + low) << 23;
		if (m < least_normal)
			n = as_bits(as_float(m) + as_float(one)) - one;
		return f != f ? 0x7f : sign | n;
	}
};

using Float8E4M3 = Float8<4, 0x7e, 0x7e>;
using Float8E5M2 = Float8<5, 0x7b, 0x7c>;
