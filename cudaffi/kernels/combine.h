// The operators on words of several elements.

#pragma once

#include "access.h"
#include "numbers.h"

// each sets every element of a result to f of the elements of x and y.
template <class N, int W, class F> DEVICE Words<W> each(const Words<W> &x, const Words<W> &y, F f)
{
	constexpr int size = N::size;
	Words<W> z = {};
	UNROLL
	for (int k = 0; k < 4 * W / size; k++) {
		if constexpr (size == 8)
			set_pair(z, k, f(pair(x, k), pair(y, k)));
		else if constexpr (size == 4)
			z.w[k] = f(x.w[k], y.w[k]);
		else {
			constexpr int per = 4 / size;
			u32 v = f(element<size>(x, k), element<size>(y, k)) & ((1u << 8 * size % 32) - 1);
			z.w[k / per] |= v << 8 * size * (k % per);
		}
	}
	return z;
}

// combine_late is combine of floats that are rounded after the last operation.
template <class N, int W> DEVICE Words<W> combine_late(const Arithmetic &f, const Words<W> &x, const Words<W> &y)
{
	constexpr int n = 4 * W / N::size;
	float v[n];
	UNROLL
	for (int k = 0; k < n; k++) {
		float p = N::widen(element<N::size>(x, k)), q = N::widen(element<N::size>(y, k));
		v[k] = f.op == PROD ? p * q : p + q;
	}
	if (f.op == AVG) {
		UNROLL
		for (int k = 0; k < n; k++)
			v[k] = divided(f, v[k]);
	}
	Words<W> z = {};
	UNROLL
	for (int k = 0; k < n; k++)
		z.w[k * N::size / 4] |= N::narrow(v[k]) << 8 * (k * N::size % 4);
	return z;
}

// combine is x (+) y, element by element.
template <class N, int W> DEVICE Words<W> combine(const Arithmetic &f, const Words<W> &x, const Words<W> &y)
{
	using U = typename N::Bits;
	if constexpr (N::size < 4 && W > 1) {
		// The words go round, so that one word's code does for all.
		Words<W> p = x, q = y;
		ROLL
		for (int i = 0; i < W; i++) {
			push(p, combine<N, 1>(f, {p.w[0]}, {q.w[0]}).w[0]);
			push(q, 0);
		}
		return p;
	} else {
		if (f.op == MAX || f.op == MIN) {
			U flip = f.op == MIN ? ~(U)0 : 0;
			return each<N>(x, y, [=](U p, U q) { return N::select(p, q, flip); });
		}
		if constexpr (N::rounds_late)
			return combine_late<N>(f, x, y);
		else {
			if (f.op == PROD)
				return each<N>(x, y, [](U p, U q) { return N::product(p, q); });
			Words<W> z = each<N>(x, y, [](U p, U q) { return N::sum(p, q); });
			if (f.op == AVG)
				z = each<N>(z, z, [&](U p, U) { return N::divide(f, p); });
			return z;
		}
	}
}

// combine is x (+) y of elements of ES bytes, whose type f says.
template <int ES, int W> DEVICE Words<W> combine(const Arithmetic &f, const Words<W> &x, const Words<W> &y)
{
	if constexpr (ES == 1) {
		switch (f.type) {
		case INT8:
			return combine<Int8>(f, x, y);
		case UINT8:
			return combine<Uint8>(f, x, y);
		case F8E4M3:
			return combine<Float8E4M3>(f, x, y);
		}
		return combine<Float8E5M2>(f, x, y);
	} else if constexpr (ES == 2) {
		return f.type == HALF ? combine<Float16>(f, x, y) : combine<BFloat16>(f, x, y);
	} else if constexpr (ES == 4) {
		switch (f.type) {
		case INT32:
			return combine<Int32>(f, x, y);
		case UINT32:
			return combine<Uint32>(f, x, y);
		}
		return combine<Float32>(f, x, y);
	} else if constexpr (ES == 8) {
		switch (f.type) {
		case INT64:
			return combine<Int64>(f, x, y);
		case UINT64:
			return combine<Uint64>(f, x, y);
		}
		return combine<Float64>(f, x, y);
	}
	return x; // larger elements are only moved
}
