/* Communicators that are made of others in random programs, and what is done with them. */
#ifndef RELATIVES_H_
#define RELATIVES_H_

#include "illegal.h"
#include "steps.h"
#include <pthread.h>
#include <time.h>

static void program(team *t, int steps);

static void until_ready(ncclComm_t comm) {
	ncclResult_t state = ncclInProgress;
	while (state == ncclInProgress) {
		OK(ncclCommGetAsyncError(comm, &state));
		nanosleep(&(struct timespec){0, 200000}, NULL);
	}
	if (state != ncclSuccess)
		fprintf(stderr, "state %d: %s\n", state, ncclGetLastError(comm));
	MUST(state == ncclSuccess);
}

static ncclResult_t in_progress(int blocking) { return blocking ? ncclSuccess : ncclInProgress; }

static void destroy(team *t) {
	int order = below(&t->own, 2), finalizes = below(&t->own, 2);
	for (int i = 0; i < t->m; i++)
		if (finalizes)
			OK(ncclCommFinalize(t->comm[i]));
	for (int i = 0; i < t->m; i++) {
		ncclComm_t comm = t->comm[order ? i : t->m - 1 - i];
		OK(ncclCommDestroy(comm));
		dead = comm;
	}
}

/* live runs a program on a communicator that has been made of t's, and destroys it. */
static void live(team *of, team *child, int salt) {
	if (child->m == 0)
		return;
	for (int i = 0; i < child->m; i++) {
		int rank = -1, count = -1;
		until_ready(child->comm[i]);
		OK(ncclCommUserRank(child->comm[i], &rank));
		OK(ncclCommCount(child->comm[i], &count));
		MUST(rank == child->rank[i] && count == child->n);
	}
	child->common = of->common + (uint64_t)salt * 77;
	child->own = draw(&of->own);
	child->depth = of->depth + 1;
	program(child, 1 + below(&child->common, 4));
	destroy(child);
}

/* splits makes communicators by random colors and keys, some of them at once. */
static void splits(team *t) {
	enum { most_splits = 3 };
	int k = 1 + below(&t->common, most_splits), blocking = below(&t->common, 2);
	int colors[most_splits][most_ranks], keys[most_splits][most_ranks];
	ncclComm_t made[most_splits][most_ranks];
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = blocking;
	for (int s = 0; s < k; s++)
		for (int r = 0; r < t->n; r++)
			colors[s][r] = below(&t->common, 3) - 1, keys[s][r] = below(&t->common, 5) - 2;
	int grouped = t->m > 1 || below(&t->own, 2);
	if (grouped)
		OK(ncclGroupStart());
	for (int i = 0; i < t->m; i++)
		for (int s = 0; s < k; s++)
			MUST(ncclCommSplit(t->comm[i], colors[s][t->rank[i]], keys[s][t->rank[i]], &made[s][i], &config) == in_progress(blocking));
	if (grouped)
		MUST(ncclGroupEnd() == in_progress(blocking));
	for (int i = 0; i < t->m; i++)
		until_ready(t->comm[i]);
	uint64_t after = draw(&t->common);
	for (int s = 0; s < k; s++) {
		for (int i = 0; i < t->m; i++)
			MUST((made[s][i] == NULL) == (colors[s][t->rank[i]] == NCCL_SPLIT_NOCOLOR));
		for (int color = 0; color < 2; color++) {
			team child = {0};
			for (int r = 0; r < t->n; r++)
				child.n += colors[s][r] == color;
			for (int i = 0; i < t->m; i++) {
				int mine = t->rank[i], rank = 0;
				if (colors[s][mine] != color)
					continue;
				for (int r = 0; r < t->n; r++)
					rank += colors[s][r] == color && (keys[s][r] < keys[s][mine] || (keys[s][r] == keys[s][mine] && r < mine));
				child.rank[child.m] = rank;
				child.device[child.m] = t->device[i];
				child.comm[child.m++] = made[s][i];
			}
			live(t, &child, s * 2 + color + 1);
		}
	}
	t->common = after;
}

/* shrinks goes on without some ranks for a while. */
static void shrinks(team *t) {
	int gone[most_ranks], count = 0, of[most_ranks], left = 0;
	for (int r = 0; r < t->n; r++) {
		if (below(&t->common, 3) == 0 && count < t->n - 1)
			gone[count++] = r, of[r] = -1;
		else
			of[r] = left++;
	}
	team child = {.n = left};
	int here[most_ranks];
	for (int i = 0; i < t->m; i++)
		if (of[t->rank[i]] >= 0)
			here[child.m] = i, child.device[child.m] = t->device[i], child.rank[child.m++] = of[t->rank[i]];
	uint64_t after = draw(&t->common);
	if (child.m > 0) {
		ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
		OK(ncclGroupStart());
		for (int i = 0; i < child.m; i++)
			OK(ncclCommShrink(t->comm[here[i]], gone, count, &child.comm[i], &config, NCCL_SHRINK_DEFAULT));
		OK(ncclGroupEnd());
		live(t, &child, 9);
	}
	t->common = after;
}

/* A new rank of a communicator that grows is a thread of the one that asks for it. */
typedef struct {
	team parent, child;
	ncclUniqueId id;
} newcomer;

static void *joins(void *arg) {
	newcomer *new = arg;
	be(new->child.device[0]);
	OK(ncclCommGrow(NULL, new->child.n, &new->id, new->child.rank[0], &new->child.comm[0], NULL));
	live(&new->parent, &new->child, 5);
	return NULL;
}

static void grows(team *t) {
	if (t->n == most_ranks)
		return;
	int root = below(&t->common, t->n), here = 0;
	uint64_t after = draw(&t->common);
	team child = *t;
	child.n++;
	newcomer new = {.child = {.n = child.n, .m = 1, .rank = {t->n}, .device = {-1}}};
	pthread_t thread;
	for (int i = 0; i < t->m; i++) {
		if (t->rank[i] != root)
			continue;
		here = 1;
		ncclUniqueId other;
		OK(ncclCommGetUniqueId(t->comm[i], &new.id));
		MUST(ncclCommGetUniqueId(t->comm[i], &other) == ncclInvalidUsage);
		new.parent = *t;
		MUST(pthread_create(&thread, NULL, joins, &new) == 0);
	}
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	TOGETHER(t, i, ncclSuccess,
		ncclCommGrow(t->comm[i], child.n, t->rank[i] == root ? &new.id : NULL, -1, &child.comm[i], &config));
	live(t, &child, 5);
	if (here)
		pthread_join(thread, NULL);
	t->common = after;
}

static void program(team *t, int steps) {
	for (int s = 0; s < steps; s++) {
		if (below(&t->own, 3) == 0)
			illegal(t);
		int step = below(&t->common, 20);
		if (step < 13 || (step > 15 && t->depth > 1))
			operations(t);
		else if (step == 13)
			factors(t);
		else if (step == 14)
			disagreement(t);
		else if (step == 15)
			chores(t);
		else if (step < 18)
			splits(t);
		else if (step == 18)
			shrinks(t);
		else
			grows(t);
	}
}

#endif
