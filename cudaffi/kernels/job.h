// What a launch is told, laid out as job.go has it: plain numbers, addresses as
// the GPU sees them.

#pragma once

#include "device.h"

// The element types and operators, numbered as in nccl.h. AVG is the last step of
// an average: the sum, divided by the number of ranks.
enum Type : u32 { INT8, UINT8, INT32, UINT32, INT64, UINT64, HALF, FLOAT, DOUBLE, BFLOAT16, F8E4M3, F8E5M2 };
enum Op : u32 { SUM, PROD, MAX, MIN, AVG };

// Arithmetic is what to compute.
struct Arithmetic {
	u32 type, op;
	i32 ranks;
	// A v of 32 or 64 bits over ranks is (high(magic, v) + v) >> (shift + 1), the
	// sum having a bit more.
	u32 shift, magic32, unused;
	u64 magic64;
	double inverse; // 1 / ranks
};

// Run is a job whose operands all lie in one piece. Addresses that are not used
// are 0. Unit u is the elements [u*K - skew, u*K - skew + K) that exist, where K
// elements have 16 bytes; those of out begin at a multiple of 16.
struct Run {
	u64 out, out2, in, src;
	u32 count; // elements, at most 2^30
	u32 skew;
	u32 units;
	u32 unused;
	Arithmetic arithmetic;
};

// Dim is a dimension, or the steps from tile to tile along one. The quotient of
// v < 2^31 by size is (high(magic, v) + v) >> shift.
struct Dim {
	u32 size, magic, shift;
	i32 step; // of tiles: elements of the walk
	i64 a, b; // bytes, in each of the two views
};

constexpr u32 max_dims = 33;

// Job is a job on one or two strided views and slots.
struct Job {
	u64 a, b;    // the first elements of the views, at index 0 of all dimensions
	u64 in, out; // the slots, which begin with element lo
	i32 lo, hi;  // what to do, in elements of the walk, all below 2^31
	u32 flags;
	u32 dims;    // how many of dim there are
	i32 first;   // the element that the first unit begins with, or the first tile
	u32 count;   // of units or tiles
	Arithmetic arithmetic;

	// What follows is of tiles. A tile has 2^log_rows rows and 2^log_columns
	// columns. In the walk, columns are next to each other.
	i32 rows, columns;         // of the views
	i32 row_skew, column_skew; // rows and columns of the first tiles before those
	u32 log_rows, log_columns;
	u32 row_dim;  // which of dim counts tiles along the rows; dim 0 is that of columns
	i32 row_step; // elements of the walk from one row to the next
	i64 row_a, row_b, column_a, column_b; // bytes
	u32 steps[6]; // what to do with each tile, up to the first 0
	u32 unused[2];

	Dim dim[max_dims]; // innermost first
};

// Flags of jobs.
enum : u32 {
	READS_A = 1,   // view a is read
	WRITES_B = 2,  // view b is written
	READS_IN = 4,  // slot in is read
	WRITES_OUT = 8,
	REDUCES = 16,  // in (+) a is computed, else what is read is moved
	IN_WIDE = 32,  // the units of in begin at multiples of 16
	OUT_WIDE = 64,
	WHOLE_UNITS = 128, // dim counts units, which lie in one piece in both views
};

// Steps. One loads a tile from memory to a buffer in shared memory, combines two
// buffers, or stores one.
enum : u32 {
	STEP = 1,
	STORE = 2,     // buffer 0 to b, or out if it is SLOT; else a load from a or in
	COMBINE = 4,   // buffer 0 = buffer 1 (+) buffer 0
	SLOT = 8,
	BUFFER1 = 16,  // loads go to buffer 1
	DOWN = 32,     // columns lie in one piece in memory; else rows do
	WIDE = 64,     // 16 bytes at a time, else as few as a word in shared memory has
	WORDS = 128,   // these words begin at multiples of 4
	BARRIER_NEXT = 256, // the next step needs what other threads have done
};
