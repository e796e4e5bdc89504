// Loads and stores of up to 16 bytes of elements, some of which may not be there.

#pragma once

#include "device.h"

template <int W> struct Words {
	u32 w[W];
};

// element is element k of v; elements have ES bytes, 4 at most.
template <int ES, int W> DEVICE u32 element(const Words<W> &v, int k)
{
	if constexpr (ES == 4)
		return v.w[k];
	constexpr int per = 4 / ES;
	return v.w[k / per] >> 8 * ES * (k % per) & ((1u << 8 * (ES % 4)) - 1);
}

// pair is element k of 8 bytes, and set_pair replaces it.
template <int W> DEVICE u64 pair(const Words<W> &v, int k) { return (u64)v.w[2 * k + 1] << 32 | v.w[2 * k]; }

template <int W> DEVICE void set_pair(Words<W> &v, int k, u64 x)
{
	v.w[2 * k] = (u32)x;
	v.w[2 * k + 1] = (u32)(x >> 32);
}

template <int W> DEVICE Words<W> load_words(u64 at)
{
	Words<W> v;
	if constexpr (W == 1) {
		v.w[0] = load<u32>(at);
	} else if constexpr (W == 2) {
		words2 x = load<words2>(at);
		v.w[0] = x[0], v.w[1] = x[1];
	} else {
		words4 x = load<words4>(at);
		v.w[0] = x[0], v.w[1] = x[1], v.w[2] = x[2], v.w[3] = x[3];
	}
	return v;
}

template <int W> DEVICE void store_words(u64 at, const Words<W> &v)
{
	if constexpr (W == 1)
		store<u32>(at, v.w[0]);
	else if constexpr (W == 2)
		store<words2>(at, words2{v.w[0], v.w[1]});
	else
		store<words4>(at, words4{v.w[0], v.w[1], v.w[2], v.w[3]});
}

// load_element reads one element into element k of v, which is 0 there.
template <int ES, int W> DEVICE void load_element(Words<W> &v, int k, u64 at)
{
	if constexpr (ES == 1)
		v.w[k / 4] |= (u32)load<u8>(at) << 8 * (k % 4);
	else if constexpr (ES == 2)
		v.w[k / 2] |= (u32)load<u16>(at) << 16 * (k % 2);
	else {
		constexpr int words = ES / 4;
		Words<words> x = load_words<words>(at);
		for (int i = 0; i < words; i++)
			v.w[words * k + i] = x.w[i];
	}
}

template <int ES, int W> DEVICE void store_element(u64 at, const Words<W> &v, int k)
{
	if constexpr (ES == 1)
		store<u8>(at, (u8)(v.w[k / 4] >> 8 * (k % 4)));
	else if constexpr (ES == 2)
		store<u16>(at, (u16)(v.w[k / 2] >> 16 * (k % 2)));
	else {
		constexpr int words = ES / 4;
		Words<words> x;
		for (int i = 0; i < words; i++)
			x.w[i] = v.w[words * k + i];
		store_words<words>(at, x);
	}
}

// push drops the first word of v and puts w behind the others.
template <int W> DEVICE void push(Words<W> &v, u32 w)
{
	UNROLL
	for (int i = 1; i < W; i++)
		v.w[i - 1] = v.w[i];
	v.w[W - 1] = w;
}

// full is the mask of all elements of W words.
template <int ES, int W> constexpr u32 full = (1u << 4 * W / ES) - 1;

// between is the mask of the elements [first,end), both clamped to [0,K].
template <int K> DEVICE u32 between(i32 first, i32 end)
{
	first = most(first, 0), end = least(end, K);
	return first < end ? ((1u << end) - 1) & ~((1u << first) - 1) : 0;
}

// fetch reads those of the elements at address at that mask has. aligned says
// that all of them can be read at once.
template <int ES, int W> DEVICE Words<W> fetch(u64 at, bool aligned, u32 mask)
{
	if (aligned && mask == full<ES, W>)
		return load_words<W>(at);
	Words<W> v = {};
	if constexpr (ES < 4) {
		// The words go round, so that one word's code does for all.
		constexpr int per = 4 / ES;
		ROLL
		for (int i = 0; i < W; i++, mask >>= per, at += 4) {
			Words<1> w = {};
			UNROLL
			for (int k = 0; k < per; k++)
				if (mask >> k & 1)
					load_element<ES>(w, k, at + k * ES);
			push(v, w.w[0]);
		}
	} else {
		UNROLL
		for (int k = 0; k < 4 * W / ES; k++)
			if (mask >> k & 1)
				load_element<ES>(v, k, at + k * ES);
	}
	return v;
}

// put writes those elements of v that mask has.
template <int ES, int W> DEVICE void put(u64 at, Words<W> v, bool aligned, u32 mask)
{
	if (aligned && mask == full<ES, W>) {
		store_words<W>(at, v);
	} else if constexpr (ES < 4) {
		constexpr int per = 4 / ES;
		ROLL
		for (int i = 0; i < W; i++, mask >>= per, at += 4) {
			UNROLL
			for (int k = 0; k < per; k++)
				if (mask >> k & 1)
					store_element<ES>(at + k * ES, v, k);
			push(v, 0);
		}
	} else {
		UNROLL
		for (int k = 0; k < 4 * W / ES; k++)
			if (mask >> k & 1)
				store_element<ES>(at + k * ES, v, k);
	}
}

DEVICE u32 either(bool first, u32 a, u32 b) { return first ? a : b; }

// shifted is the 16 bytes that begin behind bytes into a, and end in b.
DEVICE Words<4> shifted(const Words<4> &a, const Words<4> &b, u32 behind)
{
	// Down by the binary digits of behind. Arrays would not be kept in registers.
	const bool eight = behind & 8, four = behind & 4;
	u32 w0 = either(eight, a.w[2], a.w[0]), w1 = either(eight, a.w[3], a.w[1]), w2 = either(eight, b.w[0], a.w[2]);
	u32 w3 = either(eight, b.w[1], a.w[3]), w4 = either(eight, b.w[2], b.w[0]), w5 = either(eight, b.w[3], b.w[1]);
	w0 = either(four, w1, w0), w1 = either(four, w2, w1), w2 = either(four, w3, w2);
	w3 = either(four, w4, w3), w4 = either(four, w5, w4);
	const u32 pick = 0x3210 + 0x1111 * (behind & 3);
	return {permute(w0, w1, pick), permute(w1, w2, pick), permute(w2, w3, pick), permute(w3, w4, pick)};
}

// store_anywhere writes 16 bytes of elements to wherever they begin.
template <int ES> DEVICE void store_anywhere(u64 at, const Words<4> &v)
{
	if ((at & 15) == 0)
		store_words<4>(at, v);
	else if ((at & 3) == 0) {
		UNROLL
		for (int i = 0; i < 4; i++)
			store<u32>(at + 4 * i, v.w[i]);
	} else
		put<ES>(at, v, false, full<ES, 4>);
}
