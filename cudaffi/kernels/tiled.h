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

// Tile is where a tile lies. Its row r, column c is element r*row_step + c of the
// walk, counted from that of row 0, column 0. Something is done with the rows
// [top,bottom) and columns [left,right), and of these with elements [lo,hi).
struct Tile {
	u64 a, b, in, out; // addresses of row 0, column 0
	i32 top, bottom, left, right;
	i32 lo, hi;
	bool cut; // some elements of these rows and columns are not in [lo,hi)
};

DEVICE i32 clamp(i64 v) { return (i32)least<i64>(most<i64>(v, -(1ll << 31)), (1ll << 31) - 1); }

// tile_of is tile n of the job whose addresses at has.
template <int ES> DEVICE Tile tile_of(const Job &j, const Operands &at, u32 n)
{
	i64 e = -(i64)j.row_skew * j.row_step - j.column_skew;
	i64 a = -j.row_skew * j.row_a - j.column_skew * j.column_a, b = -j.row_skew * j.row_b - j.column_skew * j.column_b;
	i32 r0 = -j.row_skew, c0 = -j.column_skew;
	for (u32 d = 0; d < j.dims; d++) {
		i32 i = (i32)divide(j.dim[d], n);
		e += (i64)i * j.dim[d].step;
		a += i * j.dim[d].a;
		b += i * j.dim[d].b;
		if (d == 0)
			c0 += i << j.log_columns;
		if (d == j.row_dim)
			r0 += i << j.log_rows;
	}
	Tile t;
	t.a = at.a + a, t.b = at.b + b;
	t.in = at.in + (e - j.lo) * ES, t.out = at.out + (e - j.lo) * ES;
	t.top = most(-r0, 0), t.bottom = least(j.rows - r0, 1 << j.log_rows);
	t.left = most(-c0, 0), t.right = least(j.columns - c0, 1 << j.log_columns);
	t.lo = clamp(j.lo - e), t.hi = clamp(j.hi - e);
	i64 first = (i64)t.top * j.row_step, last = (i64)(t.bottom - 1) * j.row_step;
	t.cut = least(first, last) + t.left < t.lo || most(first, last) + t.right > t.hi;
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

// Side is one direction in which a tile is moved between memory and a buffer: down
// the columns, or across the rows. Threads move units: W words down one column, or
// across as many rows as a word of the buffer holds. Units of which all is there
// go first, several at a time, so that many loads are under way; those at the
// edges follow, element by element.
template <int ES, int W, bool is_down> struct Side {
	static constexpr int n = 4 * W / ES; // elements that lie in one piece
	static constexpr int S = Shape<ES>::S, Q = is_down ? 1 : Shape<ES>::Q;
	static constexpr int rows = is_down ? n : Q, columns = is_down ? 1 : n; // of a unit
	static constexpr u32 units = tile_bytes / (4 * W * Q) / threads;       // of a thread

	const Job &j;
	const Tile &tile;
	u32 *buffer;
	u64 at;       // row 0, column 0 in memory
	i64 apart;    // bytes from one column, or row, to the next
	bool aligned; // W words can be moved at once
	i32 lo, hi;   // where a unit's first element has to be for all of it to be there
	bool edges;   // some units are there in part

	METHOD Side(const Job &j, const Tile &t, u32 step, u32 *buffer, u64 at, i64 apart)
		: j(j), tile(t), buffer(buffer), at(at), apart(apart), aligned(W > S || ES >= 4 || step & WORDS)
	{
		const i64 down = (i64)(rows - 1) * j.row_step;
		lo = clamp(t.lo - least<i64>(down, 0));
		hi = clamp(t.hi - most<i64>(down, 0) - columns + 1);
		edges = rows * columns > 1 && (t.cut || (t.top | t.bottom) & (rows - 1) || (t.left | t.right) & (columns - 1));
	}

	// place is where unit u is.
	METHOD void place(u32 u, i32 &r, i32 &c) const
	{
		const u32 log = is_down ? j.log_rows - log2(n) : j.log_columns - log2(n);
		const u32 along = (u & ((1u << log) - 1)) * n, other = u >> log;
		r = (i32)(is_down ? along : other * Q);
		c = (i32)(is_down ? other : along);
	}

	METHOD u64 address(i32 r, i32 c) const { return at + (is_down ? c * apart + r * ES : r * apart + c * ES); }

	METHOD bool whole(i32 r, i32 c) const
	{
		i32 e = (i32)((u32)r * (u32)j.row_step) + c;
		return tile.top <= r && r + rows <= tile.bottom && tile.left <= c && c + columns <= tile.right && lo <= e && e < hi;
	}

	// mask says which elements are there of the n from row r, column c on.
	METHOD u32 mask(i32 r, i32 c) const
	{
		u32 m = 0;
		if (is_down && tile.left <= c && c < tile.right)
			m = between<n>(tile.top - r, tile.bottom - r);
		if (!is_down && tile.top <= r && r < tile.bottom)
			m = between<n>(tile.left - c, tile.right - c);
		if (!tile.cut)
			return m;
		u32 e = (u32)r * (u32)j.row_step + (u32)c;
		ROLL
		for (int k = 0; k < n; k++, e += is_down ? (u32)j.row_step : 1)
			if ((i32)e < tile.lo || (i32)e >= tile.hi)
				m &= ~(1u << k);
		return m;
	}

	METHOD Words<W> read(u64 from) const
	{
		return aligned ? load_words<W>(from) : fetch<ES, W>(from, false, full<ES, W>);
	}

	METHOD void write(u64 to, const Words<W> &v) const { put<ES>(to, v, aligned, full<ES, W>); }

	// keep puts a unit into the buffer, and recall takes it out.
	METHOD void keep(i32 r, i32 c, Words<W> (&v)[Q]) const
	{
		if constexpr (is_down) {
			u32 *s = buffer + Shape<ES>::place(j, r, c);
			UNROLL
			for (int k = 0; k < W; k += S)
				store_shared<S>(s + k, part<S>(v[0], k));
			return;
		}
		turn<ES>(v);
		UNROLL
		for (int k = 0; k < columns; k++) {
			u32 *s = buffer + Shape<ES>::place(j, r, c + k);
			if constexpr (Q == 1)
				store_shared<S>(s, part<S>(v[0], k * S % W));
			else
				*s = v[k % Q].w[k / Q];
		}
	}

	METHOD void recall(i32 r, i32 c, Words<W> (&v)[Q]) const
	{
		if constexpr (is_down) {
			const u32 *s = buffer + Shape<ES>::place(j, r, c);
			UNROLL
			for (int k = 0; k < W; k += S)
				part<S>(v[0], k, load_shared<S>(s + k));
			return;
		}
		UNROLL
		for (int k = 0; k < columns; k++) {
			const u32 *s = buffer + Shape<ES>::place(j, r, c + k);
			if constexpr (Q == 1)
				part<S>(v[0], k * S % W, load_shared<S>(s));
			else
				v[k % Q].w[k / Q] = *s;
		}
		turn<ES>(v);
	}

	METHOD void load(u32 t) const
	{
		constexpr u32 batch = 4 / Q;
		ROLL
		for (u32 from = 0; from < units; from += batch) {
			Words<W> v[batch][Q] = {};
			UNROLL
			for (u32 i = 0; i < batch; i++) {
				i32 r, c;
				place(t + (from + i) * threads, r, c);
				if (!whole(r, c))
					continue;
				UNROLL
				for (int q = 0; q < Q; q++)
					v[i][q] = read(address(r + q, c));
			}
			UNROLL
			for (u32 i = 0; i < batch; i++) {
				i32 r, c;
				place(t + (from + i) * threads, r, c);
				if (whole(r, c))
					keep(r, c, v[i]);
			}
		}
		if (!edges)
			return;
		ROLL
		for (u32 i = 0; i < units; i++) {
			i32 r, c;
			place(t + i * threads, r, c);
			if (whole(r, c))
				continue;
			u32 any = 0;
			Words<W> v[Q];
			UNROLL
			for (int q = 0; q < Q; q++) {
				u32 m = mask(r + q, c);
				v[q] = fetch<ES, W>(address(r + q, c), false, m);
				any |= m;
			}
			if (any)
				keep(r, c, v);
		}
	}

	METHOD void store(u32 t) const
	{
		ROLL
		for (u32 i = 0; i < units; i++) {
			i32 r, c;
			place(t + i * threads, r, c);
			const bool all = whole(r, c);
			if (!all && !edges)
				continue;
			Words<W> v[Q];
			recall(r, c, v);
			UNROLL
			for (int q = 0; q < Q; q++) {
				if (all)
					write(address(r + q, c), v[q]);
				else
					put<ES>(address(r + q, c), v[q], false, mask(r + q, c));
			}
		}
	}
};

template <int ES, int W> DEVICE void move_tile(const Job &j, const Tile &tile, u32 step, u32 t)
{
	u32 *buffer = shared() + (step & BUFFER1 ? Shape<ES>::words(j) : 0);
	if (step & DOWN) {
		if (step & STORE)
			Side<ES, W, true>(j, tile, step, buffer, tile.b, j.column_b).store(t);
		else
			Side<ES, W, true>(j, tile, step, buffer, tile.a, j.column_a).load(t);
		return;
	}
	const i64 row = (i64)j.row_step * ES; // of slots
	if (step & STORE)
		Side<ES, W, false>(j, tile, step, buffer, step & SLOT ? tile.out : tile.b, step & SLOT ? row : j.row_b).store(t);
	else
		Side<ES, W, false>(j, tile, step, buffer, step & SLOT ? tile.in : tile.a, step & SLOT ? row : j.row_a).load(t);
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

template <int ES> DEVICE void tiled(Grid g, const Job &j)
{
	constexpr int S = Shape<ES>::S;
	const Operands at = operands(j);
	for (u32 n = g.block; n < j.count; n += g.blocks) {
		const Tile tile = tile_of<ES>(j, at, j.first + n);
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
