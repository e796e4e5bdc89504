/* Random programs of legal and illegal calls, checked against what they must give: ranks
 * that are threads, processes, both, or all of one thread; communicators made of others;
 * ends in order, by abort, by revocation and by death.
 *
 *	random SEED SECONDS     rounds with seeds from SEED on, until the time is over
 *	random SEED 0           the round of that seed alone
 *
 * With MONEL_CUDA_LIBRARY, which is to be the simulated driver's, tensors lie on devices,
 * too. */
#include "relatives.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* How long a round may take before it counts as hung. */
enum { patience = 120 };

/* Ends that other ranks hear of: while they are in collectives, a rank aborts, revokes or
 * dies. */
enum { in_order, aborts, revokes, dies, ends };

typedef struct {
	ncclComm_t comm;
	int end, wait;
} sudden;

static void *ends_it(void *arg) {
	sudden *s = arg;
	nanosleep(&(struct timespec){0, s->wait * 1000}, NULL);
	if (s->end == dies)
		_exit(9);
	if (s->end == aborts)
		OK(ncclCommAbort(s->comm));
	else
		FAILS(ncclSuccess, ncclInProgress, ncclCommRevoke(s->comm, NCCL_REVOKE_DEFAULT));
	return NULL;
}

static void ending(team *t, int end) {
	if (end == in_order || t->n == 1) {
		destroy(t);
		return;
	}
	int who = below(&t->common, t->n), here = -1;
	pthread_t thread;
	sudden s = {.end = end, .wait = below(&t->own, 3000)};
	for (int i = 0; i < t->m; i++)
		if (t->rank[i] == who)
			here = i;
	ncclResult_t result = ncclSuccess;
	float x[most_ranks][300];
	for (int times = 0; result == ncclSuccess; times++) {
		if (here >= 0 && times == 1) { /* nobody is in an earlier call any more */
			s.comm = t->comm[here];
			MUST(pthread_create(&thread, NULL, ends_it, &s) == 0);
		}
		for (int i = 0; i < t->m; i++)
			for (int j = 0; j < 300; j++)
				x[i][j] = (float)t->rank[i];
		if (t->m > 1)
			OK(ncclGroupStart());
		for (int i = 0; i < t->m; i++) {
			ncclResult_t each = ncclAllReduce(x[i], x[i], 300, ncclFloat, ncclSum, t->comm[i], NULL);
			result = each != ncclSuccess ? each : result;
		}
		if (t->m > 1) {
			ncclResult_t all = ncclGroupEnd();
			result = all != ncclSuccess ? all : result;
		}
		for (int i = 0; result == ncclSuccess && i < t->m; i++)
			for (int j = 0; j < 300; j++)
				MUST(x[i][j] == (float)(t->n * (t->n - 1) / 2));
	}
	if (here >= 0)
		pthread_join(thread, NULL); /* or the process ends there */
	/* The handle that was aborted is none any more; others hear of it from the abort. */
	if (end == revokes)
		MUST(result == ncclInvalidUsage);
	else if (here < 0)
		MUST(result == ncclRemoteError);
	else
		MUST(result == ncclRemoteError || result == ncclInvalidUsage || result == ncclInvalidArgument);
	for (int i = 0; i < t->m; i++) {
		if (end == aborts && i == here)
			continue;
		/* A rank whose last call has just succeeded may hear of it later. */
		ncclResult_t state = ncclInProgress, before = end == revokes && i == here ? ncclInProgress : ncclSuccess;
		while (state == ncclInProgress || state == before)
			OK(ncclCommGetAsyncError(t->comm[i], &state));
		if (end == revokes && i == here)
			MUST(state == ncclSuccess);
		else
			MUST(state == (end == revokes ? ncclInvalidUsage : ncclRemoteError) && strlen(ncclGetLastError(t->comm[i])) > 5);
		if (below(&t->own, 2))
			OK(ncclCommAbort(t->comm[i]));
		else
			OK(ncclCommDestroy(t->comm[i]));
	}
}

/* A world: so many ranks, of which each of some threads has some. */
typedef struct {
	uint64_t seed;
	int n, end, blocking, steps;
	ncclUniqueId id;
} world;

static void rank_program(const world *w, team *t) {
	t->n = w->n, t->depth = 0;
	t->common = w->seed * 31;
	t->own = w->seed * 37 + (uint64_t)t->rank[0] + 1;
	program(t, w->steps);
	ending(t, w->end);
}

static void join(const world *w, team *t) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = w->blocking;
	if (t->m > 1)
		OK(ncclGroupStart());
	for (int i = 0; i < t->m; i++) {
		be(t->device[i]);
		MUST(ncclCommInitRankConfig(&t->comm[i], w->n, w->id, t->rank[i], &config) == in_progress(w->blocking));
	}
	if (t->m > 1)
		MUST(ncclGroupEnd() == in_progress(w->blocking));
	for (int i = 0; i < t->m; i++)
		until_ready(t->comm[i]);
}

typedef struct {
	const world *w;
	team t;
} rank_thread;

static void *thread_program(void *arg) {
	rank_thread *r = arg;
	if (r->t.comm[0] == NULL)
		join(r->w, &r->t);
	rank_program(r->w, &r->t);
	return NULL;
}

/* threads runs the ranks from first to last as a thread each, or as one. */
static void threads(const world *w, int first, int last, int one, ncclComm_t *comms) {
	rank_thread r[most_ranks] = {0};
	pthread_t all[most_ranks];
	int k = one ? 1 : last - first;
	for (int rank = first; rank < last; rank++) {
		rank_thread *at = &r[one ? 0 : rank - first];
		at->w = w;
		at->t.rank[at->t.m] = at->t.device[at->t.m] = rank;
		at->t.comm[at->t.m++] = comms == NULL ? NULL : comms[rank];
	}
	for (int i = 0; i < k; i++)
		MUST(pthread_create(&all[i], NULL, thread_program, &r[i]) == 0);
	for (int i = 0; i < k; i++)
		pthread_join(all[i], NULL);
}

/* A pest asks whatever can be asked of communicators, live or not, all the time. */
static atomic_int pest_stops;

static void *pest(void *arg) {
	uint64_t state = *(uint64_t *)arg;
	while (!pest_stops) {
		ncclComm_t comm = (ncclComm_t)(uintptr_t)(0x4d6f0000 + 16 * below(&state, 300));
		int number;
		ncclResult_t result;
		ncclCommCount(comm, &number);
		ncclCommGetAsyncError(comm, &result);
		MUST(ncclGetLastError(comm) != NULL);
		ncclGetVersion(&number);
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	return NULL;
}

static world world_of(uint64_t seed, int *kind, int *processes) {
	uint64_t s = seed;
	world w = {.seed = seed};
	*kind = below(&s, 5);
	w.n = 1 + below(&s, most_ranks);
	w.end = below(&s, 3) ? in_order : below(&s, ends);
	w.blocking = below(&s, 2);
	w.steps = 5 + below(&s, 30);
	*processes = *kind == 4 ? 2 : w.n;
	if (*kind == 4)
		w.n = 2 * (1 + below(&s, 2));
	if (w.end == dies && *kind != 3)
		w.end = in_order; /* it would take others along */
	return w;
}

/* processes starts this program again for some ranks each. */
static void processes(char *program_name, const world *w, int k) {
	char hex[2 * sizeof w->id + 1] = "", seed[32];
	for (size_t i = 0; i < sizeof w->id; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)w->id.internal[i]);
	sprintf(seed, "%llu", (unsigned long long)w->seed);
	pid_t all[most_ranks];
	for (int p = 0; p < k; p++) {
		char number[16];
		sprintf(number, "%d", p);
		char *args[] = {program_name, seed, "process", number, hex, NULL};
		MUST(posix_spawn(&all[p], program_name, NULL, NULL, args, environ) == 0);
	}
	int died = 0;
	for (int p = 0; p < k; p++) {
		int status;
		MUST(waitpid(all[p], &status, 0) == all[p]);
		died += WIFEXITED(status) && WEXITSTATUS(status) == 9;
		MUST(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
	}
	MUST(died == (w->end == dies && w->n > 1));
}

static void hung(int signal) {
	(void)signal;
	char text[80];
	int length = snprintf(text, sizeof text, "seed %llu hangs\n", (unsigned long long)round_seed);
	if (write(2, text, (size_t)length) < 0)
		_exit(4);
	abort();
}

static void run(char *name, uint64_t seed) {
	int kind, k;
	world w = world_of(seed, &kind, &k);
	ncclComm_t comms[most_ranks];
	round_seed = seed;
	alarm(patience);
	if (kind != 0)
		OK(ncclGetUniqueId(&w.id));
	switch (kind) {
	case 0:
		OK(ncclCommInitAll(comms, w.n, NULL));
		threads(&w, 0, w.n, (int)(seed & 1), comms);
		break;
	case 1: threads(&w, 0, w.n, 0, NULL); break;
	case 2: threads(&w, 0, w.n, 1, NULL); break;
	default: processes(name, &w, k);
	}
	alarm(0);
}

int main(int argc, char **argv) {
	MUST(argc == 3 || argc == 5);
	struct sigaction action = {.sa_handler = hung, .sa_flags = SA_ONSTACK};
	sigaction(SIGALRM, &action, NULL);
	uint64_t seed = strtoull(argv[1], NULL, 10);
	open_devices();
	pthread_t asks;
	uint64_t of_pest = seed;
	MUST(pthread_create(&asks, NULL, pest, &of_pest) == 0);
	if (argc == 5) {
		int kind, k, number = atoi(argv[3]);
		world w = world_of(seed, &kind, &k);
		round_seed = seed;
		alarm(patience);
		for (size_t i = 0; i < sizeof w.id; i++) {
			unsigned byte;
			sscanf(argv[4] + 2 * i, "%2x", &byte);
			w.id.internal[i] = (char)byte;
		}
		threads(&w, number * w.n / k, (number + 1) * w.n / k, (int)(seed & 1), NULL);
	} else {
		int rounds = 0;
		time_t end = time(NULL) + atoi(argv[2]);
		do {
			run(argv[0], seed++);
			rounds++;
		} while (time(NULL) < end);
		printf("%d rounds\n", rounds);
	}
	pest_stops = 1;
	pthread_join(asks, NULL);
	return 0;
}
