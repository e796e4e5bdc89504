/* Communicators that are made of others: in which order, how they are configured, what
 * becomes of them; and communicators that grow, pause and are revoked. Ranks are those of
 * one process and thread, so whatever waits for another rank shows. */
#include "values.h"
#include <time.h>

enum { n = 3, most = 5 };

static ncclUniqueId fresh(void) {
	ncclUniqueId id;
	OK(ncclGetUniqueId(&id));
	return id;
}

/* born makes a communicator whose ranks meet over the network, unlike ncclCommInitAll's. */
static void born(ncclComm_t *comms, ncclConfig_t *config) {
	ncclUniqueId id = fresh();
	ncclResult_t want = config != NULL && config->blocking == 0 ? ncclInProgress : ncclSuccess;
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		MUST(ncclCommInitRankConfig(&comms[r], n, id, r, config) == want);
	MUST(ncclGroupEnd() == want);
}

static ncclResult_t settle(ncclComm_t comm) {
	ncclResult_t state = ncclInProgress;
	while (state == ncclInProgress) {
		OK(ncclCommGetAsyncError(comm, &state));
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	return state;
}

static int size_of_comm(ncclComm_t comm) {
	int count = -1;
	OK(ncclCommCount(comm, &count));
	return count;
}

/* sum reduces over some communicators of one thread, which have so many ranks. */
static void sum(ncclComm_t *comms, int ranks) {
	float x[most];
	OK(ncclGroupStart());
	for (int r = 0; r < ranks; r++) {
		x[r] = (float)(r + 1);
		OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
	}
	OK(ncclGroupEnd());
	for (int r = 0; r < ranks; r++)
		MUST(x[r] == (float)(ranks * (ranks + 1) / 2));
}

static void destroy(ncclComm_t *comms, int ranks) {
	for (int r = 0; r < ranks; r++)
		OK(ncclCommDestroy(comms[r]));
}

/* Several of one parent in a group: all together, each alone, and those but rank 0, each
 * asked for by the ranks in an order of their own among the ranks, and all in this one. */
static void several(ncclComm_t *comms, int blocking) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = blocking;
	ncclResult_t want = blocking ? ncclSuccess : ncclInProgress;
	ncclComm_t whole[n], alone[n], but[n];
	OK(ncclGroupStart());
	for (int i = 0; i < n; i++) {
		int r = (i + 1) % n;
		but[r] = comms[r];
		MUST(ncclCommSplit(comms[r], 0, -r, &whole[r], &config) == want);
		MUST(ncclCommSplit(comms[r], r, 0, &alone[r], &config) == want);
		MUST(ncclCommSplit(comms[r], r == 0 ? NCCL_SPLIT_NOCOLOR : 7, r, &but[r], &config) == want);
	}
	MUST(ncclGroupEnd() == want);
	MUST(but[0] == NULL);
	if (!blocking) {
		/* The parent tells when the last has been made, and does not wait for being asked. */
		for (int r = 0; r < n; r++)
			MUST(settle(comms[r]) == ncclSuccess && settle(whole[r]) == ncclSuccess && settle(alone[r]) == ncclSuccess);
		MUST(settle(but[1]) == ncclSuccess && settle(but[2]) == ncclSuccess);
	}
	for (int r = 0; r < n; r++) {
		int rank = -1;
		OK(ncclCommUserRank(whole[r], &rank));
		MUST(rank == n - 1 - r && size_of_comm(whole[r]) == n && size_of_comm(alone[r]) == 1);
	}
	MUST(size_of_comm(but[1]) == n - 1);
	sum(whole, n);
	sum(but + 1, n - 1);
	sum(comms, n);
	destroy(whole, n);
	destroy(alone, n);
	destroy(but + 1, n - 1);
}

/* What follows a split that is still under way comes behind it, on all ranks. */
static void behind(ncclComm_t *comms) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = 0;
	ncclComm_t first[n], second[n];
	for (int r = 0; r < n; r++)
		MUST(ncclCommSplit(comms[r], 0, r, &first[r], &config) == ncclInProgress);
	for (int r = n - 1; r >= 0; r--)
		MUST(ncclCommSplit(comms[r], r, r, &second[r], &config) == ncclInProgress);
	sum(comms, n);
	for (int r = 0; r < n; r++)
		MUST(settle(first[r]) == ncclSuccess && settle(second[r]) == ncclSuccess && size_of_comm(first[r]) == n && size_of_comm(second[r]) == 1);
	destroy(first, n);
	destroy(second, n);
}

/* Without a configuration, a communicator is made as its parent was. */
static void inheritance(void) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = 0;
	ncclComm_t comms[n], parts[n], rest[n];
	born(comms, &config);
	for (int r = 0; r < n; r++)
		MUST(settle(comms[r]) == ncclSuccess);
	for (int r = 0; r < n; r++) {
		parts[r] = comms[r];
		MUST(ncclCommSplit(comms[r], r == 1 ? NCCL_SPLIT_NOCOLOR : 0, r, &parts[r], NULL) == ncclInProgress);
	}
	for (int r = 0; r < n; r++)
		MUST(settle(comms[r]) == ncclSuccess);
	MUST(parts[1] == NULL && settle(parts[0]) == ncclSuccess && settle(parts[2]) == ncclSuccess);
	int gone = 1;
	for (int r = 0; r < n; r += 2)
		MUST(ncclCommShrink(comms[r], &gone, 1, &rest[r], NULL, NCCL_SHRINK_DEFAULT) == ncclInProgress);
	MUST(settle(rest[0]) == ncclSuccess && settle(rest[2]) == ncclSuccess && size_of_comm(rest[2]) == n - 1);
	for (int r = 0; r < n; r += 2) {
		OK(ncclCommDestroy(parts[r]));
		OK(ncclCommDestroy(rest[r]));
	}
	/* One that says nothing of blocking does block, even so. */
	ncclConfig_t plain = NCCL_CONFIG_INITIALIZER;
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclCommSplit(comms[r], 0, r, &parts[r], &plain));
	OK(ncclGroupEnd());
	sum(parts, n);
	destroy(parts, n);
	destroy(comms, n);
}

/* A thread that destroys the ranks of many communicators one after the other is not kept
 * waiting ten seconds by each. */
static void many(ncclComm_t *comms) {
	enum { times = 16 };
	ncclComm_t parts[times][n];
	OK(ncclGroupStart());
	for (int t = 0; t < times; t++)
		for (int r = 0; r < n; r++)
			OK(ncclCommSplit(comms[r], 0, r, &parts[t][r], NULL));
	OK(ncclGroupEnd());
	for (int t = 0; t < times; t++) {
		sum(parts[t], n);
		destroy(parts[t], n);
	}
}

/* A group that is only simulated makes nothing, and what it asked for keeps nobody waiting. */
static void simulated(ncclComm_t *comms) {
	ncclComm_t parts[n];
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclCommSplit(comms[r], 0, r, &parts[r], NULL));
	OK(ncclGroupSimulateEnd(NULL));
	for (int r = 0; r < n; r++)
		MUST(parts[r] == NULL);
	sum(comms, n);
}

static void growth(ncclComm_t *comms) {
	for (int style = 0; style < 3; style++) { /* the id is passed on one rank, on all or on none */
		int root = style == 1 ? n - 1 : 0;
		ncclUniqueId id, other;
		OK(ncclCommGetUniqueId(comms[root], &id));
		GIVES(ncclInvalidUsage, ncclCommGetUniqueId(comms[root], &other), "not been used");
		ncclComm_t all[most];
		OK(ncclGroupStart());
		for (int r = 0; r < n; r++)
			OK(ncclCommGrow(comms[r], most, style == 1 || (style == 0 && r == root) ? &id : NULL, -1, &all[r], NULL));
		for (int r = n; r < most; r++)
			OK(ncclCommGrow(NULL, most, &id, r, &all[r], NULL));
		OK(ncclGroupEnd());
		for (int r = 0; r < most; r++) {
			int rank = -1;
			OK(ncclCommUserRank(all[r], &rank));
			MUST(rank == r && size_of_comm(all[r]) == most);
		}
		sum(all, most);
		sum(comms, n);
		destroy(all, most);
	}
	ncclComm_t next;
	GIVES(ncclInvalidArgument, ncclCommGetUniqueId(comms[0], NULL), "NULL");
	GIVES(ncclInvalidArgument, ncclCommGrow(NULL, 2, NULL, 1, &next, NULL), "uniqueId");
	GIVES(ncclInvalidArgument, ncclCommGrow(comms[0], most, NULL, 0, &next, NULL), "-1");
	GIVES(ncclInvalidArgument, ncclCommGrow(comms[0], most, NULL, -1, NULL, NULL), "no place");
	/* All ranks hear what one of them has got wrong, and the communicator goes on. */
	for (int wrong = 0; wrong < 2; wrong++) {
		OK(ncclGroupStart());
		for (int r = 0; r < n; r++)
			OK(ncclCommGrow(comms[r], wrong == 0 ? most : n, NULL, -1, &next, NULL));
		GIVES(ncclInvalidArgument, ncclGroupEnd(), wrong == 0 ? "no rank has passed" : "give more");
		MUST(next == NULL);
	}
	sum(comms, n);
}

static void pauses(ncclComm_t *comms) {
	float x = 1;
	uint64_t bytes = 99;
	GIVES(ncclInvalidArgument, ncclCommSuspend(comms[0], 0), "NCCL_SUSPEND_MEM");
	GIVES(ncclInvalidUsage, ncclCommResume(comms[0]), "not suspended");
	for (int r = 0; r < n; r++)
		OK(ncclCommSuspend(comms[r], NCCL_SUSPEND_MEM));
	GIVES(ncclInvalidUsage, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comms[0], NULL), "suspended");
	GIVES(ncclInvalidUsage, ncclCommSuspend(comms[0], NCCL_SUSPEND_MEM), "suspended");
	OK(ncclCommMemStats(comms[0], ncclStatGpuMemSuspended, &bytes));
	MUST(bytes == 1);
	for (int r = 0; r < n; r++)
		OK(ncclCommResume(comms[r]));
	OK(ncclCommMemStats(comms[0], ncclStatGpuMemSuspended, &bytes));
	MUST(bytes == 0);
	uint64_t total = 98;
	OK(ncclCommMemStats(comms[0], ncclStatGpuMemTotal, &total));
	OK(ncclCommMemStats(comms[0], ncclStatGpuMemPersist, &bytes));
	MUST(total == bytes); /* of GPUs, if it has met one */
	OK(ncclCommMemStats(comms[0], ncclStatGpuMemSuspend, &bytes));
	MUST(bytes == 0);
	GIVES(ncclInvalidArgument, ncclCommMemStats(comms[0], (ncclCommMemStat_t)9, &bytes), "statistic");
	GIVES(ncclInvalidArgument, ncclCommMemStats(comms[0], ncclStatGpuMemTotal, NULL), "NULL");
	sum(comms, n);
}

/* After a revocation nothing works but what makes new communicators, and ends old ones. */
static void revocation(int blocking) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = blocking;
	ncclComm_t comms[n], parts[n];
	float x = 1;
	born(comms, &config);
	for (int r = 0; r < n; r++)
		MUST(settle(comms[r]) == ncclSuccess);
	GIVES(ncclInvalidArgument, ncclCommRevoke(comms[0], 1), "NCCL_REVOKE_DEFAULT");
	MUST(ncclCommRevoke(comms[0], NCCL_REVOKE_DEFAULT) == (blocking ? ncclSuccess : ncclInProgress));
	MUST(settle(comms[0]) == ncclSuccess);
	ncclResult_t state = ncclSuccess;
	while (state == ncclSuccess) /* the others hear of it */
		OK(ncclCommGetAsyncError(comms[1], &state));
	MUST(state == ncclInvalidUsage && strstr(ncclGetLastError(comms[1]), "revoked") != NULL);
	for (int r = 1; r < n; r++) {
		MUST(ncclCommRevoke(comms[r], NCCL_REVOKE_DEFAULT) == (blocking ? ncclSuccess : ncclInProgress));
		MUST(settle(comms[r]) == ncclSuccess);
	}
	GIVES(ncclInvalidUsage, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comms[0], NULL), "revoked");
	GIVES(ncclInvalidUsage, ncclCommFinalize(comms[0]), "revoked");
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		MUST(ncclCommSplit(comms[r], 0, r, &parts[r], NULL) == (blocking ? ncclSuccess : ncclInProgress));
	MUST(ncclGroupEnd() == (blocking ? ncclSuccess : ncclInProgress));
	for (int r = 0; r < n; r++)
		MUST(settle(parts[r]) == ncclSuccess);
	sum(parts, n);
	destroy(parts, n);
	destroy(comms, n);
}

/* Several ids, of which NCCL has up to one for each rank. */
static void scalable(void) {
	ncclUniqueId ids[2] = {fresh(), fresh()};
	ncclComm_t comms[n];
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclCommInitRankScalable(&comms[r], n, r, 2, ids, NULL));
	OK(ncclGroupEnd());
	sum(comms, n);
	destroy(comms, n);
	GIVES(ncclInvalidArgument, ncclCommInitRankScalable(&comms[0], 1, 0, 2, ids, NULL), "2 ids");
	GIVES(ncclInvalidArgument, ncclCommInitRankScalable(&comms[0], 1, 0, 1, NULL, NULL), "ids");
}

/* Names of communicators, and of what is made of them, show in files' names. */
static void named(void) {
	char dir[] = "/tmp/monel-named-XXXXXX", pattern[64], path[96];
	MUST(mkdtemp(dir) != NULL);
	sprintf(pattern, "%s/%%c.%%r", dir);
	setenv("MONEL_TRACE_FILE", pattern, 1);
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.commName = "tp/0";
	ncclComm_t comms[n], parts[n];
	born(comms, &config);
	config.commName = "part";
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclCommSplit(comms[r], 0, r, &parts[r], &config));
	OK(ncclGroupEnd());
	destroy(parts, n);
	destroy(comms, n);
	unsetenv("MONEL_TRACE_FILE");
	for (int r = 0; r < n; r++)
		for (int i = 0; i < 2; i++) {
			sprintf(path, "%s/%s.%d", dir, i ? "part" : "tp-0", r);
			MUST(remove(path) == 0);
		}
	MUST(remove(dir) == 0);
}

int main(void) {
	ncclComm_t near[n], far[n], *both[] = {near, far};
	OK(ncclCommInitAll(near, n, NULL));
	born(far, NULL);
	for (int which = 0; which < 2; which++) {
		for (int times = 0; times < 5; times++) {
			several(both[which], 1);
			several(both[which], 0);
			behind(both[which]);
		}
		many(both[which]);
		simulated(both[which]);
		growth(both[which]);
		pauses(both[which]);
		destroy(both[which], n);
	}
	inheritance();
	revocation(1);
	revocation(0);
	scalable();
	named();
	return 0;
}
