/* Every collective and message of a communicator against sums and copies by hand. */
#ifndef COLLECTIVES_H_
#define COLLECTIVES_H_

#include "values.h"

static inline size_t at_offset(size_t i, int type) { return i * size_of(type); }
#define AT(buffer_, i) ((void *)((char *)(buffer_).at + at_offset(i, type)))

/* given is the element that a rank gives: 1, 2 or 3, and 1 or 2 of types with few bits, so
 * that every type holds all sums and products of four ranks. */
static inline double given(int rank, size_t i, int type) {
	return (double)((rank * 7 + i * 5 + i / 3) % (type >= e4m3 ? 2 : 3) + 1);
}

static inline double reduced(int op, int n, size_t i, int type) {
	double v = given(0, i, type);
	for (int r = 1; r < n; r++) {
		double w = given(r, i, type);
		v = op == ncclProd ? v * w : op == ncclMax ? fmax(v, w) : op == ncclMin ? fmin(v, w) : v + w;
	}
	return v;
}

static inline int is_integer(int type) { return type <= ncclUint64; }

/* near tells whether a mean is right: integers are cut, floats rounded. */
static inline int near(double got, double want, int type) {
	if (is_integer(type))
		return got == trunc(want);
	double most = type == ncclFloat64 ? 1e-15 : type == ncclFloat32 ? 1e-6 : type == ncclFloat16 ? 1e-3 : 2e-1;
	return fabs(got - want) <= most * want;
}

static inline int right(buffer b, size_t at, int op, int n, size_t from, size_t count, int type) {
	for (size_t i = 0; i < count; i++) {
		double want = reduced(op, n, from + i, type), got = get(b.at, at + i, type);
		if (op == ncclAvg ? !near(got, want / n, type) : got != want) {
			fprintf(stderr, "type %d op %d element %zu: %g, not %g\n", type, op, i, got, want);
			return 0;
		}
	}
	return 1;
}

static inline void give(buffer b, size_t at, int rank, size_t from, size_t count, int type) {
	for (size_t i = 0; i < count; i++)
		set(b.at, at + i, type, given(rank, from + i, type));
}

static inline int has(buffer b, size_t at, int rank, size_t from, size_t count, int type) {
	for (size_t i = 0; i < count; i++)
		if (get(b.at, at + i, type) != given(rank, from + i, type))
			return 0;
	return 1;
}

static inline void done(buffer b) {
	MUST(intact(b));
	free(b.whole);
}

static inline void check_reductions(ncclComm_t comm, int n, int rank, size_t count, int type, int op) {
	for (int in_place = 0; in_place < 2; in_place++) {
		buffer in = make(count, type), out = in_place ? in : make(count, type);
		give(in, 0, rank, 0, count, type);
		OK(ncclAllReduce(in.at, out.at, count, type, op, comm, NULL));
		MUST(right(out, 0, op, n, 0, count, type));
		MUST(in_place || has(in, 0, rank, 0, count, type));
		int root = (int)(count % n);
		give(in, 0, rank, 0, count, type);
		memset(out.at, poison, in_place ? 0 : out.bytes);
		OK(ncclReduce(in.at, rank == root || in_place ? out.at : NULL, count, type, op, root, comm, NULL));
		MUST(rank == root ? right(out, 0, op, n, 0, count, type) : in_place || untouched(out));
		MUST(rank == root || has(in, 0, rank, 0, count, type));
		done(in);
		if (!in_place)
			done(out);
		buffer wide = make(count * n, type), part = make(count, type);
		give(wide, 0, rank, 0, count * n, type);
		void *to = in_place ? AT(wide, rank * count) : part.at;
		OK(ncclReduceScatter(wide.at, to, count, type, op, comm, NULL));
		MUST(right(in_place ? wide : part, in_place ? rank * count : 0, op, n, rank * count, count, type));
		done(wide);
		done(part);
	}
}

static inline void check_copies(ncclComm_t comm, int n, int rank, size_t count, int type) {
	int root = (int)(count % n);
	buffer one = make(count, type), two = make(count, type), wide = make(count * n, type), far = make(count * n, type);
	give(one, 0, rank, 0, count, type);
	OK(ncclBroadcast(rank == root ? one.at : NULL, two.at, count, type, root, comm, NULL));
	MUST(has(two, 0, root, 0, count, type) && has(one, 0, rank, 0, count, type));
	give(two, 0, rank, 0, count, type);
	OK(ncclBcast(two.at, count, type, root, comm, NULL));
	MUST(has(two, 0, root, 0, count, type));

	OK(ncclAllGather(one.at, wide.at, count, type, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(has(wide, r * count, r, 0, count, type));
	give(far, rank * count, rank, 0, count, type);
	OK(ncclAllGather(AT(far, rank * count), far.at, count, type, comm, NULL));
	MUST(memcmp(wide.at, far.at, wide.bytes) == 0);

	/* To everybody at once, from groups of messages. */
	give(wide, 0, rank, 0, count * n, type);
	memset(far.at, poison, far.bytes);
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++) {
		OK(ncclSend(AT(wide, r * count), count, type, r, comm, NULL));
		OK(ncclRecv(AT(far, r * count), count, type, r, comm, NULL));
	}
	OK(ncclGroupEnd());
	for (int r = 0; r < n; r++)
		MUST(has(far, r * count, r, rank * count, count, type));
	if (n > 1 && rank < 2) { /* and from one to another */
		if (rank == 0)
			OK(ncclSend(one.at, count, type, 1, comm, NULL));
		else
			OK(ncclRecv(two.at, count, type, 0, comm, NULL));
		MUST(rank == 0 || has(two, 0, 0, 0, count, type));
	}
#if NCCL_VERSION_CODE >= 22800
	memset(far.at, poison, far.bytes);
	OK(ncclAlltoAll(wide.at, far.at, count, type, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(has(far, r * count, r, rank * count, count, type));
	memset(far.at, poison, far.bytes);
	OK(ncclGather(one.at, rank == root ? far.at : NULL, count, type, root, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(rank != root || has(far, r * count, r, 0, count, type));
	MUST(rank == root || untouched(far));
	memset(two.at, poison, two.bytes);
	OK(ncclScatter(rank == root ? wide.at : NULL, two.at, count, type, root, comm, NULL));
	MUST(has(two, 0, root, rank * count, count, type));
#endif
	done(one);
	done(two);
	done(wide);
	done(far);
}

/* Several calls at once: messages, collectives, and one inside another group. */
static inline void check_group(ncclComm_t comm, int n, int rank) {
	int type = ncclFloat32;
	size_t count = 1000;
	buffer sum = make(count, type), most = make(count, type), out = make(count, type), in = make(count, type);
	give(sum, 0, rank, 0, count, type);
	give(most, 0, rank, 0, count, type);
	give(out, 0, rank, 0, count, type);
	OK(ncclGroupStart());
	OK(ncclAllReduce(sum.at, sum.at, count, type, ncclSum, comm, NULL));
	OK(ncclGroupStart());
	OK(ncclSend(out.at, count, type, (rank + 1) % n, comm, NULL));
	OK(ncclRecv(in.at, count, type, (rank + n - 1) % n, comm, NULL));
	OK(ncclGroupEnd());
	OK(ncclAllReduce(most.at, most.at, count, type, ncclMax, comm, NULL));
	OK(ncclGroupEnd());
	MUST(right(sum, 0, ncclSum, n, 0, count, type) && right(most, 0, ncclMax, n, 0, count, type));
	MUST(has(in, 0, (rank + n - 1) % n, 0, count, type));
	done(sum);
	done(most);
	done(out);
	done(in);
}

/* An operator with a factor of each rank's own, destroyed before the group ends. */
static inline void check_factor(ncclComm_t comm, int n, int rank) {
	float factor = (float)(rank + 2), want = 0;
	for (int r = 0; r < n; r++)
		want += (float)(r + 2) * (float)given(r, 0, ncclFloat32);
	for (int residence = 0; residence < 2; residence++) {
		buffer b = make(1, ncclFloat32);
		give(b, 0, rank, 0, 1, ncclFloat32);
		ncclRedOp_t op;
		OK(ncclRedOpCreatePreMulSum(&op, &factor, ncclFloat32, (ncclScalarResidence_t)residence, comm));
		MUST((int)op >= ncclNumOps);
		OK(ncclGroupStart());
		OK(ncclAllReduce(b.at, b.at, 1, ncclFloat32, op, comm, NULL));
		OK(ncclRedOpDestroy(op, comm));
		OK(ncclGroupEnd());
		MUST(get(b.at, 0, ncclFloat32) == want);
		GIVES(ncclInvalidArgument, ncclRedOpDestroy(op, comm), "operator");
		done(b);
	}
}

static inline void check_all(ncclComm_t comm, int n, int rank) {
	static const size_t counts[] = {0, 1, 7, 1000, 70001};
	int types = NCCL_VERSION_CODE >= 22400 ? 12 : bfloat16 + 1;
	for (int type = 0; type < types; type++) {
		for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
			if (counts[c] > 1000 && type != ncclFloat32 && type != ncclInt8)
				continue;
			for (int op = ncclSum; op <= ncclAvg; op++)
				check_reductions(comm, n, rank, counts[c], type, op);
			check_copies(comm, n, rank, counts[c], type);
		}
	}
	check_group(comm, n, rank);
	check_factor(comm, n, rank);
}

#endif
