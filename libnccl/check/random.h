/* What random programs of calls consist of: numbers that all ranks of a program draw alike,
 * and ranks that one thread has. */
#ifndef RANDOM_H_
#define RANDOM_H_

#include "collectives.h"
#include <stdatomic.h>

/* The seed of the round that this process is in, for messages. */
static atomic_ullong round_seed;

#undef MUST
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: seed %llu: not so: %s; last error: %s\n", __FILE__, \
				__LINE__, (unsigned long long)round_seed, #condition,             \
				ncclGetLastError(NULL));                                          \
			_Exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* FAILS is a call that gives one of two results, and says why. */
#define FAILS(one, other, call)                                                             \
	do {                                                                                \
		ncclResult_t result_ = (call);                                              \
		if (result_ != (one) && result_ != (other)) {                               \
			fprintf(stderr, "%s:%d: seed %llu: %s gives %d: %s\n", __FILE__, __LINE__, \
				(unsigned long long)round_seed, #call, result_, ncclGetLastError(NULL)); \
			_Exit(1);                                                           \
		}                                                                           \
		MUST(strlen(ncclGetLastError(NULL)) > 5);                                   \
	} while (0)

/* draw is the next of a sequence of random numbers. */
static inline uint64_t draw(uint64_t *state) {
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline int below(uint64_t *state, int n) { return (int)(draw(state) % (uint64_t)n); }

enum { most_ranks = 4 };

/* team is the ranks of a communicator that one thread has. With more than one, it calls in
 * groups. */
typedef struct {
	int n, m; /* ranks in all, and here */
	int rank[most_ranks], device[most_ranks];
	ncclComm_t comm[most_ranks];
	uint64_t common; /* numbers that all teams of the communicator draw */
	uint64_t own;    /* and that only this one does */
	int depth;       /* of communicators that were made of others */
} team;

/* together has a call for each rank of the team made, in a group if there are several or
 * anybody likes one, and its result be the one wanted. */
#define TOGETHER(t, i, want, call)                                             \
	do {                                                                   \
		if ((t)->m == 1 && below(&(t)->own, 2)) {                      \
			int i = 0;                                             \
			MUST((call) == (want));                                \
			break;                                                 \
		}                                                              \
		OK(ncclGroupStart());                                          \
		for (int i = 0; i < (t)->m; i++) {                             \
			ncclResult_t each_ = (call);                           \
			MUST(each_ == ncclSuccess || each_ == (want));         \
		}                                                              \
		MUST(ncclGroupEnd() == (want));                                \
	} while (0)

#endif
