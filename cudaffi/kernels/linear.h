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
	const u64 out = TRANSLATE(r.out) - r.skew, src = TRANSLATE(r.src) - r.skew;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Words<4> v[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				u32 mask = u < r.units ? unit_mask<1>(r, u) : 0;
				if (mask == full<1, 4>)
					v[i] = load_anywhere(src + (u64)u * 16);
			}
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				u32 mask = u < r.units ? unit_mask<1>(r, u) : 0;
				if (mask == full<1, 4>)
					store_words<4>(out + (u64)u * 16, v[i]);
				else if (mask)
					put<1>(out + (u64)u * 16, fetch<1, 4>(src + (u64)u * 16, false, mask), false, mask);
			}
		}
	}
}

// reduce stores in (+) src to out and, unless that is 0, to out2.
template <int ES> DEVICE void reduce(Grid g, const Run &r)
{
	constexpr u32 per = 2;
	const u64 before = (u64)r.skew * ES;
	const u64 out = TRANSLATE(r.out) - before, in = TRANSLATE(r.in) - before, src = TRANSLATE(r.src) - before;
	const u64 out2 = r.out2 ? TRANSLATE(r.out2) - before : 0;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Words<4> x[per], y[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				u32 mask = u < r.units ? unit_mask<ES>(r, u) : 0;
				if (mask == full<ES, 4>) {
					x[i] = load_anywhere(in + (u64)u * 16);
					y[i] = load_anywhere(src + (u64)u * 16);
				} else {
					x[i] = fetch<ES, 4>(in + (u64)u * 16, false, mask);
					y[i] = fetch<ES, 4>(src + (u64)u * 16, false, mask);
				}
			}
			ROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				u32 mask = u < r.units ? unit_mask<ES>(r, u) : 0;
				Words<4> z = combine<ES>(r.arithmetic, x[0], y[0]);
				x[0] = x[1], y[0] = y[1];
				put<ES>(out + (u64)u * 16, z, true, mask);
				if (out2 && mask == full<ES, 4>)
					store_anywhere<ES>(out2 + (u64)u * 16, z);
				else if (out2)
					put<ES>(out2 + (u64)u * 16, z, false, mask);
			}
		}
	}
}
