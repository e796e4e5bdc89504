/* Single collectives, messages and operators of random programs, compared element by
 * element. */
#ifndef STEPS_H_
#define STEPS_H_

#include "places.h"

enum { all_reduce, reduce, reduce_scatter, broadcast, bcast, all_gather, all_to_all, gather, scatter, shift, kinds };

/* One operation of all ranks, and one rank's memory for it. */
typedef struct {
	int kind, type, op, root, in_place, by;
	size_t count;
} operation;

typedef struct {
	buffer in, out;
	placed far_in, far_out; /* of which one may be the other */
} memory;

static inline operation draw_operation(team *t) {
	static const size_t counts[] = {0, 1, 2, 3, 17, 100, 1000, 4097, 20011, 70001};
	uint64_t *c = &t->common;
	operation o = {below(c, kinds), below(c, 12), below(c, ncclNumOps), below(c, t->n), below(c, 2), below(c, t->n), counts[below(c, 10)]};
	if (o.count > 4097 && below(c, 4) != 0)
		o.count = (size_t)below(c, 4097);
	return o;
}

static inline memory lay_out(const operation *o, int n, int rank, int device) {
	size_t wide = o->count * (size_t)n;
	int type = o->type;
	memory m;
	switch (o->kind) {
	case all_reduce:
	case reduce:
		m.in = make(o->count, type);
		give(m.in, 0, rank, 0, o->count, type);
		m.out = o->in_place ? m.in : make(o->count, type);
		break;
	case reduce_scatter:
		m.in = make(wide, type), m.out = make(o->count, type);
		give(m.in, 0, rank, 0, wide, type);
		break;
	case all_gather:
		m.in = make(o->count, type), m.out = make(wide, type);
		give(m.in, 0, rank, 0, o->count, type);
		give(m.out, (size_t)rank * o->count, rank, 0, o->in_place ? o->count : 0, type);
		break;
	case gather:
		m.in = make(o->count, type), m.out = make(wide, type);
		give(m.in, 0, rank, 0, o->count, type);
		break;
	case all_to_all:
		m.in = make(wide, type), m.out = make(wide, type);
		give(m.in, 0, rank, 0, wide, type);
		break;
	case scatter:
		m.in = make(wide, type), m.out = make(o->count, type);
		give(m.in, 0, rank, 0, wide, type);
		break;
	default:
		m.in = make(o->count, type), m.out = make(o->count, type);
		give(m.in, 0, rank, 0, o->count, type);
		give(m.out, 0, rank, 0, o->kind == bcast ? o->count : 0, type);
	}
	m.far_in = place(m.in, device);
	m.far_out = m.out.whole == m.in.whole ? m.far_in : place(m.out, device);
	return m;
}

#define IN(p) at_place(m->in, m->far_in, (p))
#define OUT(p) at_place(m->out, m->far_out, (p))

static inline ncclResult_t issue(const operation *o, memory *m, int n, int rank, ncclComm_t comm) {
	int type = o->type, is_root = rank == o->root;
	void *in = IN(m->in.at), *out = OUT(m->out.at);
	void *own = o->in_place ? IN(AT(m->in, (size_t)rank * o->count)) : out;
	void *from = o->in_place ? OUT(AT(m->out, (size_t)rank * o->count)) : in;
	cudaStream_t s = m->far_in.device < 0 ? NULL : streams[m->far_in.device];
	switch (o->kind) {
	case all_reduce: return ncclAllReduce(in, out, o->count, type, o->op, comm, s);
	case reduce: return ncclReduce(in, is_root || o->in_place ? out : NULL, o->count, type, o->op, o->root, comm, s);
	case reduce_scatter: return ncclReduceScatter(in, own, o->count, type, o->op, comm, s);
	case broadcast: return ncclBroadcast(is_root ? in : NULL, out, o->count, type, o->root, comm, s);
	case bcast: return ncclBcast(out, o->count, type, o->root, comm, s);
	case all_gather: return ncclAllGather(from, out, o->count, type, comm, s);
	case all_to_all: return ncclAlltoAll(in, out, o->count, type, comm, s);
	case gather: return ncclGather(in, is_root ? out : NULL, o->count, type, o->root, comm, s);
	case scatter: return ncclScatter(is_root ? in : NULL, out, o->count, type, o->root, comm, s);
	default: {
		OK(ncclGroupStart()); /* inside of others, or not */
		OK(ncclSend(in, o->count, type, (rank + o->by) % n, comm, s));
		OK(ncclRecv(out, o->count, type, (rank + n - o->by) % n, comm, s));
		return ncclGroupEnd();
	}
	}
}

static inline void fetch(memory *m) {
	come_back(m->in, m->far_in);
	if (m->out.whole != m->in.whole)
		come_back(m->out, m->far_out);
}

static inline int is_right(const operation *o, memory *m, int n, int rank) {
	size_t count = o->count, at = (size_t)rank * count;
	int type = o->type;
	switch (o->kind) {
	case all_reduce: return right(m->out, 0, o->op, n, 0, count, type);
	case reduce: return rank == o->root ? right(m->out, 0, o->op, n, 0, count, type) : o->in_place || untouched(m->out);
	case reduce_scatter: return right(o->in_place ? m->in : m->out, o->in_place ? at : 0, o->op, n, at, count, type);
	case broadcast:
	case bcast: return has(m->out, 0, o->root, 0, count, type);
	case scatter: return has(m->out, 0, o->root, at, count, type);
	case shift: return has(m->out, 0, (rank + n - o->by) % n, 0, count, type);
	case gather:
		if (rank != o->root)
			return untouched(m->out);
	}
	for (int r = 0; r < n; r++)
		if (!has(m->out, (size_t)r * count, r, o->kind == all_to_all ? at : 0, count, type))
			return 0;
	return 1;
}

static inline void put_back(memory *m) {
	MUST(intact(m->in) && intact(m->out));
	if (m->out.whole != m->in.whole)
		free(m->out.whole);
	free(m->in.whole);
}

/* operations carries out some at once, in a group unless it is only one, possibly with a
 * call among them that is refused, and whose error the group returns. */
static inline void operations(team *t) {
	enum { most_operations = 6 };
	operation o[most_operations];
	memory m[most_operations][most_ranks];
	int k = below(&t->common, 3) == 0 ? 1 + below(&t->common, most_operations) : 1;
	int grouped = k > 1 || t->m > 1 || below(&t->own, 2), spoilt = grouped && below(&t->own, 8) == 0;
	for (int j = 0; j < k; j++) {
		o[j] = draw_operation(t);
		for (int i = 0; i < t->m; i++)
			m[j][i] = lay_out(&o[j], t->n, t->rank[i], devices > 0 && below(&t->own, 2) ? t->device[i] : -1);
	}
	if (grouped)
		OK(ncclGroupStart());
	for (int i = 0; i < t->m; i++) {
		be(t->device[i]);
		for (int j = 0; j < k; j++)
			OK(issue(&o[j], &m[j][i], t->n, t->rank[i], t->comm[i]));
		if (spoilt)
			MUST(ncclBroadcast(NULL, NULL, 1, ncclFloat, -1, t->comm[i], NULL) == ncclInvalidArgument);
	}
	if (grouped)
		MUST(ncclGroupEnd() == (spoilt ? ncclInvalidArgument : ncclSuccess));
	for (int j = 0; j < k; j++)
		for (int i = 0; i < t->m; i++)
			fetch(&m[j][i]);
	for (int j = 0; j < k; j++) {
		for (int i = 0; i < t->m; i++) {
			MUST(is_right(&o[j], &m[j][i], t->n, t->rank[i]));
			put_back(&m[j][i]);
		}
	}
}

/* factors reduces with an operator of each rank's own, made and destroyed around it. */
static inline void factors(team *t) {
	float x[most_ranks], factor[most_ranks], want = 0;
	ncclRedOp_t op[most_ranks];
	int residence = below(&t->own, 2);
	for (int r = 0; r < t->n; r++)
		want += (float)((r + 2) * (r + 1));
	for (int i = 0; i < t->m; i++) {
		factor[i] = (float)(t->rank[i] + 2);
		x[i] = (float)(t->rank[i] + 1);
		OK(ncclRedOpCreatePreMulSum(&op[i], &factor[i], ncclFloat, (ncclScalarResidence_t)residence, t->comm[i]));
	}
	TOGETHER(t, i, ncclSuccess, ncclAllReduce(&x[i], &x[i], 1, ncclFloat, op[i], t->comm[i], NULL));
	for (int i = 0; i < t->m; i++) {
		MUST(x[i] == want);
		OK(ncclRedOpDestroy(op[i], t->comm[i]));
	}
}

/* disagreement: one rank has another count, or buffers that overlap. All are told, and the
 * communicator goes on. */
static inline void disagreement(team *t) {
	int odd = below(&t->common, t->n), overlaps = below(&t->common, 2), here = 0;
	float x[most_ranks][8];
	if (t->n == 1)
		return;
	OK(ncclGroupStart());
	for (int i = 0; i < t->m; i++) {
		int is = t->rank[i] == odd;
		here |= is;
		for (int j = 0; j < 8; j++)
			x[i][j] = 1;
		OK(ncclAllReduce(x[i], is && overlaps ? x[i] + 1 : x[i], is && !overlaps ? 5 : 4, ncclFloat, ncclSum, t->comm[i], NULL));
	}
	ncclResult_t want = overlaps && here ? ncclInvalidArgument : ncclInvalidUsage;
	FAILS(want, want, ncclGroupEnd());
	for (int i = 0; i < t->m; i++)
		for (int j = 0; j < 8; j++)
			MUST(x[i][j] == 1);
}

/* chores are what a rank does on its own. */
static inline void chores(team *t) {
	ncclComm_t comm = t->comm[0];
	void *p = NULL, *handle = NULL, *back = NULL;
	ncclWindow_t window = NULL;
	uint64_t bytes = 0;
	size_t size = (size_t)below(&t->own, 100000);
	be(t->device[0]);
	OK(ncclMemAlloc(&p, size));
	if (devices == 0)
		memset(p, 1, size);
	OK(ncclCommRegister(comm, p, size, &handle));
	OK(ncclCommWindowRegister(comm, p, size, &window, NCCL_WIN_DEFAULT));
	OK(ncclWinGetUserPtr(comm, window, &back));
	MUST(back == p);
	OK(ncclCommDeregister(comm, handle));
	OK(ncclCommWindowDeregister(comm, window));
	OK(ncclMemFree(p));
	OK(ncclCommSuspend(comm, NCCL_SUSPEND_MEM));
	OK(ncclCommMemStats(comm, ncclStatGpuMemSuspended, &bytes));
	MUST(bytes == 1);
	OK(ncclCommResume(comm));
	float x = 1;
	OK(ncclGroupStart());
	OK(ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comm, NULL));
	OK(ncclGroupSimulateEnd(NULL));
}

#endif
