// Jobs on layouts that are transposed: the elements next to each other in a
// view's memory are rows, those next to each other in the walk, and so in slots,
// are columns. A tile of both passes through shared memory, so that either side
// is accessed many neighbours at a time.
//
// What is done with a tile is a list of steps: loads of it to shared memory, down
// the columns or across the rows; a combination of two such loads; stores.

#pragma once

#include "strided.h"

constexpr int tile_bytes = 16384;

// Tile is where a tile lies. Row r, column c is element e + r*row_step + c.
struct Tile {
	i64 e;
	u64 a, b, in, out;    // addresses of row 0, column 0
	i32 top, bottom;      // the rows that there are
	i32 left, right;      // the columns that there are
	bool whole;           // all of these are in [lo,hi)
	bool empty;           // none is
};

template <int ES> DEVICE Tile tile_of(const Job &j, u32 n)
{
	Tile t = {};
	t.e = -(i64)j.row_skew * j.row_step - j.column_skew;
	i64 a = 0, b = 0;
	i32 r0 = -j.row_skew, c0 = -j.column_skew;
	for (u32 d = 0; d < j.dims; d++) {
		i32 i = (i32)divide(j.dim[d], n);
		t.e += (i64)i * j.dim[d].step;
		a += i * j.dim[d].a;
		b += i * j.dim[d].b;
		if (d == 0)
			c0 += i << j.log_columns;
		if (d == j.row_dim)
			r0 += i << j.log_rows;
	}
	t.a = j.flags & READS_A ? TRANSLATE(j.a) + a : 0;
	t.b = j.flags & WRITES_B ? TRANSLATE(j.b) + b : 0;
	t.in = j.flags & READS_IN ? TRANSLATE(j.in) + (t.e - j.lo) * ES : 0;
	t.out = j.flags & WRITES_OUT ? TRANSLATE(j.out) + (t.e - j.lo) * ES : 0;
	t.top = most(-r0, 0), t.bottom = least(j.rows - r0, 1 << j.log_rows);
	t.left = most(-c0, 0), t.right = least(j.columns - c0, 1 << j.log_columns);
	i64 first = t.e + (i64)t.top * j.row_step, last = t.e + (i64)(t.bottom - 1) * j.row_step;
	if (first > last) {
		i64 x = first;
		first = last, last = x;
	}
	first += t.left, last += t.right - 1;
	t.whole = j.lo <= first && last < j.hi;
	t.empty = j.hi <= first || last < j.lo;
	return t;
}

// Shape is how elements of ES bytes lie in shared memory: columns of words, each
// of which holds Q rows and has S words of 4 bytes. The odd number of words from
// column to column keeps neighbours in either direction in different banks.
template <int ES> struct Shape {
	static constexpr int S = ES < 4 ? 1 : ES / 4, Q = ES < 4 ? 4 / ES : 1;
	static constexpr int log_Q = Q == 4 ? 2 : Q == 2 ? 1 : 0;

	DEVICE u32 pitch(const Job &j) { return (1u << (j.log_rows - log_Q)) + 1; }
	DEVICE u32 place(const Job &j, u32 r, u32 c) { return (c * pitch(j) + (r >> log_Q)) * S; }
	// words is the size of a buffer, in words of 4 bytes.
	DEVICE u32 words(const Job &j) { return (pitch(j) << j.log_columns) * S; }
};

template <int S> DEVICE Words<S> load_shared(const u32 *at)
{
	Words<S> v;
	if constexpr (S == 1)
		v.w[0] = *at;
	else if constexpr (S == 2) {
		words2 x = *(const words2 *)at;
		v.w[0] = x[0], v.w[1] = x[1];
	} else {
		words4 x = *(const words4 *)at;
		v.w[0] = x[0], v.w[1] = x[1], v.w[2] = x[2], v.w[3] = x[3];
	}
	return v;
}

template <int S> DEVICE void store_shared(u32 *at, const Words<S> &v)
{
	if constexpr (S == 1)
		*at = v.w[0];
	else if constexpr (S == 2)
		*(words2 *)at = words2{v.w[0], v.w[1]};
	else
		*(words4 *)at = words4{v.w[0], v.w[1], v.w[2], v.w[3]};
}

// part is the S words of v from word k on, and their replacement.
template <int S, int W> DEVICE Words<S> part(const Words<W> &v, int k)
{
	Words<S> p;
	UNROLL
	for (int i = 0; i < S; i++)
		p.w[i] = v.w[k + i];
	return p;
}

template <int S, int W> DEVICE void part(Words<W> &v, int k, const Words<S> &p)
{
	UNROLL
	for (int i = 0; i < S; i++)
		v.w[k + i] = p.w[i];
}

constexpr int log2(int n) { return n <= 1 ? 0 : 1 + log2(n / 2); }

// turn transposes Q rows of W words of narrow elements: row r of the result has
// byte or half r of each of the Q*W words of a column. It undoes itself.
template <int ES, int W, int Q> DEVICE void turn(Words<W> (&v)[Q])
{
	UNROLL
	for (int k = 0; k < W; k++) {
		if constexpr (Q == 2) {
			u32 x = v[0].w[k], y = v[1].w[k];
			v[0].w[k] = permute(x, y, 0x5410);
			v[1].w[k] = permute(x, y, 0x7632);
		} else if constexpr (Q == 4) {
			u32 x = permute(v[0].w[k], v[1].w[k], 0x5140), y = permute(v[2].w[k], v[3].w[k], 0x5140);
			u32 p = permute(v[0].w[k], v[1].w[k], 0x7362), q = permute(v[2].w[k], v[3].w[k], 0x7362);
			v[0].w[k] = permute(x, y, 0x5410);
			v[1].w[k] = permute(x, y, 0x7632);
			v[2].w[k] = permute(p, q, 0x5410);
			v[3].w[k] = permute(p, q, 0x7632);
		}
	}
}

// Units are the pieces that a thread loads or stores: W words down one column, or
// across as many rows as a word in shared memory holds. A thread takes batch
// units at a time, to have as many loads under way.

// down_mask says which of the n rows from r on there are in column c.
template <int n> DEVICE u32 down_mask(const Job &j, const Tile &tile, i32 r, i32 c)
{
	u32 mask = tile.left <= c && c < tile.right ? between<n>(tile.top - r, tile.bottom - r) : 0;
	if (tile.whole)
		return mask;
	i64 e = tile.e + (i64)r * j.row_step + c;
	for (int k = 0; k < n; k++, e += j.row_step)
		mask &= ~((u32)(e < j.lo || e >= j.hi) << k);
	return mask;
}

// across_mask says which of the n columns from c on there are in row r.
template <int n> DEVICE u32 across_mask(const Job &j, const Tile &tile, i32 r, i32 c)
{
	u32 mask = tile.top <= r && r < tile.bottom ? between<n>(tile.left - c, tile.right - c) : 0;
	if (tile.whole)
		return mask;
	i64 e = tile.e + (i64)r * j.row_step + c;
	i64 first = most<i64>(j.lo - e, 0), end = least<i64>(j.hi - e, n);
	return first < end ? mask & between<n>((i32)first, (i32)end) : 0;
}

template <int ES, int W> DEVICE void load_down(const Job &j, const Tile &tile, u32 step, u32 *to, u32 t)
{
	constexpr int n = 4 * W / ES, S = Shape<ES>::S; // rows at a time
	constexpr u32 units = tile_bytes / (4 * W) / threads, batch = 4;
	const u32 log = j.log_rows - log2(n);
	const bool aligned = W > S || ES >= 4 || step & WORDS;
	ROLL
	for (u32 from = 0; from < units; from += batch) {
		Words<W> v[batch];
		UNROLL
		for (u32 i = 0; i < batch; i++) {
			u32 u = t + (from + i) * threads;
			i32 r = (i32)((u & ((1u << log) - 1)) * n), c = (i32)(u >> log);
			v[i] = fetch<ES, W>(tile.a + c * j.column_a + r * ES, aligned, down_mask<n>(j, tile, r, c));
		}
		UNROLL
		for (u32 i = 0; i < batch; i++) {
			u32 u = t + (from + i) * threads;
			i32 r = (i32)((u & ((1u << log) - 1)) * n), c = (i32)(u >> log);
			u32 *s = to + Shape<ES>::place(j, r, c);
			UNROLL
			for (int k = 0; k < W; k += S)
				store_shared<S>(s + k, part<S>(v[i], k));
		}
	}
}

template <int ES, int W> DEVICE void store_down(const Job &j, const Tile &tile, u32 step, const u32 *buffer, u32 t)
{
	constexpr int n = 4 * W / ES, S = Shape<ES>::S;
	constexpr u32 units = tile_bytes / (4 * W) / threads;
	const u32 log = j.log_rows - log2(n);
	const bool aligned = W > S || ES >= 4 || step & WORDS;
	ROLL
	for (u32 i = 0; i < units; i++) {
		u32 u = t + i * threads;
		i32 r = (i32)((u & ((1u << log) - 1)) * n), c = (i32)(u >> log);
		const u32 *s = buffer + Shape<ES>::place(j, r, c);
		Words<W> v;
		UNROLL
		for (int k = 0; k < W; k += S)
			part<S>(v, k, load_shared<S>(s + k));
		put<ES>(tile.b + c * j.column_b + r * ES, v, aligned, down_mask<n>(j, tile, r, c));
	}
}

template <int ES, int W> DEVICE void load_across(const Job &j, const Tile &tile, u32 step, u32 *to, u32 t)
{
	constexpr int n = 4 * W / ES, S = Shape<ES>::S, Q = Shape<ES>::Q; // columns, words, rows at a time
	constexpr u32 units = tile_bytes / (4 * W * Q) / threads, batch = 4 / Q;
	const u32 log = j.log_columns - log2(n);
	const bool aligned = W > S || ES >= 4 || step & WORDS;
	const u64 at = step & SLOT ? tile.in : tile.a;
	const i64 stride = step & SLOT ? (i64)j.row_step * ES : j.row_a;
	ROLL
	for (u32 from = 0; from < units; from += batch) {
		Words<W> v[batch][Q];
		UNROLL
		for (u32 i = 0; i < batch; i++) {
			u32 u = t + (from + i) * threads;
			i32 c = (i32)((u & ((1u << log) - 1)) * n), r = (i32)(u >> log) * Q;
			UNROLL
			for (int q = 0; q < Q; q++)
				v[i][q] = fetch<ES, W>(at + (r + q) * stride + c * ES, aligned, across_mask<n>(j, tile, r + q, c));
		}
		UNROLL
		for (u32 i = 0; i < batch; i++) {
			u32 u = t + (from + i) * threads;
			i32 c = (i32)((u & ((1u << log) - 1)) * n), r = (i32)(u >> log) * Q;
			turn<ES>(v[i]);
			UNROLL
			for (int k = 0; k < n; k++) {
				u32 *s = to + Shape<ES>::place(j, r, c + k);
				if constexpr (Q == 1)
					store_shared<S>(s, part<S>(v[i][0], k * S));
				else
					*s = v[i][k % Q].w[k / Q];
			}
		}
	}
}

template <int ES, int W> DEVICE void store_across(const Job &j, const Tile &tile, u32 step, const u32 *buffer, u32 t)
{
	constexpr int n = 4 * W / ES, S = Shape<ES>::S, Q = Shape<ES>::Q;
	constexpr u32 units = tile_bytes / (4 * W * Q) / threads;
	const u32 log = j.log_columns - log2(n);
	const bool aligned = W > S || ES >= 4 || step & WORDS;
	const u64 at = step & SLOT ? tile.out : tile.b;
	const i64 stride = step & SLOT ? (i64)j.row_step * ES : j.row_b;
	ROLL
	for (u32 i = 0; i < units; i++) {
		u32 u = t + i * threads;
		i32 c = (i32)((u & ((1u << log) - 1)) * n), r = (i32)(u >> log) * Q;
		Words<W> v[Q];
		UNROLL
		for (int k = 0; k < n; k++) {
			const u32 *s = buffer + Shape<ES>::place(j, r, c + k);
			if constexpr (Q == 1)
				part<S>(v[0], k * S, load_shared<S>(s));
			else
				v[k % Q].w[k / Q] = *s;
		}
		turn<ES>(v);
		UNROLL
		for (int q = 0; q < Q; q++)
			put<ES>(at + (r + q) * stride + c * ES, v[q], aligned, across_mask<n>(j, tile, r + q, c));
	}
}

// combine_buffers computes all words of buffer 0, those between the columns and
// those that were not loaded included.
template <int ES> DEVICE void combine_buffers(const Job &j, u32 *buffer, u32 t)
{
	const u32 words = Shape<ES>::words(j);
	ROLL
	for (u32 i = 4 * t; i < words; i += 4 * threads)
		store_shared<4>(buffer + i, combine<ES>(j.arithmetic, load_shared<4>(buffer + words + i), load_shared<4>(buffer + i)));
}

template <int ES, int W> DEVICE void move_tile(const Job &j, const Tile &tile, u32 step, u32 t)
{
	u32 *buffer = shared() + (step & BUFFER1 ? Shape<ES>::words(j) : 0);
	if (step & STORE) {
		if (step & DOWN)
			store_down<ES, W>(j, tile, step, buffer, t);
		else
			store_across<ES, W>(j, tile, step, buffer, t);
	} else if (step & DOWN)
		load_down<ES, W>(j, tile, step, buffer, t);
	else
		load_across<ES, W>(j, tile, step, buffer, t);
}

template <int ES> DEVICE void tiled(Grid g, const Job &j)
{
	constexpr int S = Shape<ES>::S;
	for (u32 n = g.block; n < j.count; n += g.blocks) {
		const Tile tile = tile_of<ES>(j, j.first + n);
		if (tile.empty)
			continue;
		for (u32 s = 0; j.steps[s]; s++) {
			const u32 step = j.steps[s];
			EACH_THREAD(t)
			{
				if (step & COMBINE) {
					if constexpr (ES <= 8)
						combine_buffers<ES>(j, shared(), t);
				} else if (S == 4 || step & WIDE)
					move_tile<ES, 4>(j, tile, step, t);
				else
					move_tile<ES, S>(j, tile, step, t);
			}
			if (step & BARRIER_NEXT) {
				BARRIER();
			}
		}
	}
}
