// Jobs on any layout: each thread takes some neighbours of the walk, 16 bytes in
// a slot, and finds the places of each in the views.

#pragma once

#include "combine.h"

// Operands are a job's addresses, for whoever runs it; 0 if not used.
struct Operands {
	u64 a, b, in, out;
};

DEVICE Operands operands(const Job &j)
{
	return {j.flags & READS_A ? TRANSLATE(j.a) : 0, j.flags & WRITES_B ? TRANSLATE(j.b) : 0,
		j.flags & READS_IN ? TRANSLATE(j.in) : 0, j.flags & WRITES_OUT ? TRANSLATE(j.out) : 0};
}

// divide replaces v by its quotient by d's size and returns the remainder.
DEVICE u32 divide(const Dim &d, u32 &v)
{
	u32 q = (high(d.magic, v) + v) >> d.shift;
	u32 rest = v - q * d.size;
	v = q;
	return rest;
}

// find sets at to the addresses of the n elements from e on in a view whose strides
// are stride; for elements outside [lo,hi), of the nearest one inside.
template <int n> DEVICE void find(const Job &j, i64 Dim::*stride, u64 base, i32 e, i32 lo, i32 hi, u64 (&at)[n])
{
	u32 v[n];
	UNROLL
	for (int k = 0; k < n; k++) {
		v[k] = (u32)most(least(e + k, hi - 1), lo);
		at[k] = base;
	}
	for (u32 d = 0; d < j.dims; d++) {
		UNROLL
		for (int k = 0; k < n; k++)
			at[k] += (u64)((i64)divide(j.dim[d], v[k]) * (j.dim[d].*stride));
	}
}

// find_unit is the address of the unit that begins with element e >= 0, of a view
// in which units lie in one piece.
template <int K> DEVICE u64 find_unit(const Job &j, i64 Dim::*stride, u64 base, i32 e)
{
	u64 at[1];
	find<1>(j, stride, base, e / K, 0, 0x7fffffff, at);
	return at[0];
}

// gather reads the elements of the unit that begins with e.
template <int ES> DEVICE Words<4> gather(const Job &j, u64 base, i32 e, u32 mask)
{
	constexpr int K = 16 / ES, n = K < 4 ? K : 4;
	if (j.flags & WHOLE_UNITS)
		return fetch<ES, 4>(find_unit<K>(j, &Dim::a, base, e), true, mask);
	// All loads come before the first use of what they bring.
	constexpr int W = ES < 4 ? 1 : ES / 4;
	Words<W> one[K];
	UNROLL
	for (int k = 0; k < K; k += n) {
		u64 at[n];
		find<n>(j, &Dim::a, base, e + k, j.lo, j.hi, at);
		UNROLL
		for (int i = 0; i < n; i++) {
			one[k + i] = {};
			load_element<ES>(one[k + i], 0, at[i]);
		}
	}
	Words<4> v = {};
	UNROLL
	for (int k = 0; k < K; k++)
		UNROLL
		for (int i = 0; i < W; i++)
			v.w[(k * ES + 4 * i) / 4] |= one[k].w[i] << 8 * (k * ES % 4);
	return v;
}

// scatter writes those elements that mask has of the unit that begins with e.
template <int ES> DEVICE void scatter(const Job &j, u64 base, i32 e, const Words<4> &v, u32 mask)
{
	constexpr int K = 16 / ES, n = K < 4 ? K : 4;
	if (j.flags & WHOLE_UNITS) {
		put<ES>(find_unit<K>(j, &Dim::b, base, e), v, true, mask);
		return;
	}
	UNROLL
	for (int k = 0; k < K; k += n) {
		u64 at[n];
		find<n>(j, &Dim::b, base, e + k, j.lo, j.hi, at);
		UNROLL
		for (int i = 0; i < n; i++)
			if (mask >> (k + i) & 1)
				store_element<ES>(at[i], v, k + i);
	}
}

template <int ES> DEVICE void strided(Grid g, const Job &j)
{
	constexpr int K = 16 / ES;
	const u32 flags = j.flags;
	const Operands o = operands(j);
	for (u32 base = g.block * threads; base < j.count; base += g.blocks * threads) {
		EACH_THREAD(t)
		{
			i32 e = j.first + (i32)(base + t) * K;
			u32 mask = base + t < j.count ? between<K>(j.lo - e, j.hi - e) : 0;
			if (mask) {
				i64 at = (i64)(e - j.lo) * ES;
				Words<4> x = {}, v = {};
				if (flags & READS_IN)
					x = fetch<ES, 4>(o.in + at, flags & IN_WIDE, mask);
				if (flags & READS_A)
					v = gather<ES>(j, o.a, e, mask);
				if (flags & REDUCES)
					v = combine<ES>(j.arithmetic, x, v);
				else if (flags & READS_IN)
					v = x;
				if (flags & WRITES_OUT)
					put<ES>(o.out + at, v, flags & OUT_WIDE, mask);
				if (flags & WRITES_B)
					scatter<ES>(j, o.b, e, v, mask);
			}
		}
	}
}
