// Jobs whose operands all lie in one piece.

#pragma once

#include "combine.h"

// unit_mask says which elements of unit u there are.
template <int ES> DEVICE u32 unit_mask(const Run &r, u32 u)
{
	constexpr i32 K = 16 / ES;
	i32 e = (i32)(u * K - r.skew);
	return between<K>(-e, (i32)r.count - e);
}

// copy moves count bytes from src to out.
DEVICE void copy(Grid g, const Run &r)
{
	constexpr u32 per = 4; // units of a thread, to have as many loads under way
	u64 out = TRANSLATE(r.out) - r.skew, src = TRANSLATE(r.src) - r.skew;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Words<4> v[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				if (u < r.units)
					v[i] = fetch_anywhere<1>(src + (u64)u * 16, unit_mask<1>(r, u));
			}
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				if (u < r.units)
					put<1>(out + (u64)u * 16, v[i], true, unit_mask<1>(r, u));
			}
		}
	}
}

// reduce stores in (+) src to out and, unless that is 0, to out2.
template <int ES> DEVICE void reduce(Grid g, const Run &r)
{
	constexpr u32 per = 2;
	const u64 before = (u64)r.skew * ES;
	u64 out = TRANSLATE(r.out) - before, in = TRANSLATE(r.in) - before, src = TRANSLATE(r.src) - before;
	u64 out2 = r.out2 ? TRANSLATE(r.out2) - before : 0;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Words<4> x[per], y[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				if (u >= r.units)
					continue;
				x[i] = fetch_anywhere<ES>(in + (u64)u * 16, unit_mask<ES>(r, u));
				y[i] = fetch_anywhere<ES>(src + (u64)u * 16, unit_mask<ES>(r, u));
			}
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				if (u >= r.units)
					continue;
				Words<4> z = combine<ES>(r.arithmetic, x[i], y[i]);
				put<ES>(out + (u64)u * 16, z, true, unit_mask<ES>(r, u));
				if (out2)
					put_anywhere<ES>(out2 + (u64)u * 16, z, unit_mask<ES>(r, u));
			}
		}
	}
}
