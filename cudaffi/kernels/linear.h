// Jobs whose operands all lie in one piece.

#pragma once

#include "combine.h"

// unit_mask says which elements of unit u there are: none beyond the last unit.
template <int ES> DEVICE u32 unit_mask(const Run &r, u32 u)
{
	constexpr i32 K = 16 / ES;
	i32 e = (i32)(u * K - r.skew);
	return between<K>(-e, (i32)r.count - e);
}

// Source is memory that is read, from begin to end. Units begin behind bytes after
// multiples of 16.
struct Source {
	u64 begin, end, unit0;
	u32 behind;
};

DEVICE Source source(u64 begin, u64 bytes, u64 skew)
{
	u64 unit0 = begin - skew;
	return {begin, begin + bytes, unit0, (u32)unit0 & 15};
}

// Pieces are the one or two aligned pieces of 16 bytes that hold a unit. They are
// put together apart from being loaded, so that more loads can be under way.
struct Pieces {
	Words<4> a, b;
};

// in_pieces reports whether unit u can be loaded so, without touching anything
// outside the source.
template <int ES> DEVICE bool in_pieces(const Source &s, u32 u, u32 mask)
{
	const u64 first = s.unit0 + (u64)u * 16 - s.behind;
	return mask == full<ES, 4> && s.begin <= first && first + (s.behind ? 32 : 16) <= s.end;
}

template <int ES> DEVICE Pieces load_pieces(const Source &s, u32 u, u32 mask)
{
	const u64 at = s.unit0 + (u64)u * 16;
	Pieces p = {};
	if (in_pieces<ES>(s, u, mask)) {
		p.a = load_words<4>(at - s.behind);
		if (s.behind)
			p.b = load_words<4>(at - s.behind + 16);
	} else
		p.a = fetch<ES, 4>(at, false, mask);
	return p;
}

template <int ES> DEVICE Words<4> joined(const Source &s, const Pieces &p, u32 u, u32 mask)
{
	return s.behind && in_pieces<ES>(s, u, mask) ? shifted(p.a, p.b, s.behind) : p.a;
}

// next puts what is behind the first in its place.
DEVICE void next(Pieces (&p)[2])
{
	UNROLL
	for (int i = 0; i < 4; i++)
		p[0].a.w[i] = p[1].a.w[i], p[0].b.w[i] = p[1].b.w[i];
}

// copy moves count bytes from src to out.
DEVICE void copy(Grid g, const Run &r)
{
	constexpr u32 per = 4; // units of a thread
	const Source src = source(TRANSLATE(r.src), r.count, r.skew);
	const u64 out = TRANSLATE(r.out) - r.skew;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Pieces p[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t;
				p[i] = load_pieces<1>(src, u, unit_mask<1>(r, u));
			}
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t, mask = unit_mask<1>(r, u);
				put<1>(out + (u64)u * 16, joined<1>(src, p[i], u, mask), true, mask);
			}
		}
	}
}

// reduce stores in (+) src to out and, unless that is 0, to out2.
template <int ES> DEVICE void reduce(Grid g, const Run &r)
{
	constexpr u32 per = 2;
	const u64 skew = (u64)r.skew * ES, bytes = (u64)r.count * ES;
	const Source in = source(TRANSLATE(r.in), bytes, skew), src = source(TRANSLATE(r.src), bytes, skew);
	const u64 out = TRANSLATE(r.out) - skew, out2 = r.out2 ? TRANSLATE(r.out2) - skew : 0;
	for (u32 base = g.block * per * threads; base < r.units; base += g.blocks * per * threads) {
		EACH_THREAD(t)
		{
			Pieces x[per], y[per];
			UNROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t, mask = unit_mask<ES>(r, u);
				x[i] = load_pieces<ES>(in, u, mask);
				y[i] = load_pieces<ES>(src, u, mask);
			}
			ROLL
			for (u32 i = 0; i < per; i++) {
				u32 u = base + i * threads + t, mask = unit_mask<ES>(r, u);
				Words<4> z = combine<ES>(r.arithmetic, joined<ES>(in, x[0], u, mask), joined<ES>(src, y[0], u, mask));
				next(x), next(y);
				put<ES>(out + (u64)u * 16, z, true, mask);
				if (out2 && mask == full<ES, 4>)
					store_anywhere<ES>(out2 + (u64)u * 16, z);
				else if (out2)
					put<ES>(out2 + (u64)u * 16, z, false, mask);
			}
		}
	}
}
