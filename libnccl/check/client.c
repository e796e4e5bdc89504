/* A program for NCCL, compiled against NVIDIA's header and linked with Monel.
 *
 *	client processes N    N processes, one rank each
 *	client threads N      one process with N ranks of ncclCommInitAll, a thread each
 *	client grouped N      one process and thread, N ranks, made and used in groups
 *	client address N      N processes that meet where NCCL_COMM_ID says, with ids of their own
 *	client abort N        rank 0 aborts while the others wait in a collective
 */
#include "collectives.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int size;

static void about(ncclComm_t comm, int rank) {
	int count = -1, user = -1, device = -2;
	OK(ncclCommCount(comm, &count));
	OK(ncclCommUserRank(comm, &user));
	OK(ncclCommCuDevice(comm, &device));
	MUST(count == size && user == rank && device >= 0);
	ncclResult_t state = ncclInternalError;
	OK(ncclCommGetAsyncError(comm, &state));
	MUST(state == ncclSuccess);
}

static void bad_calls(ncclComm_t comm) {
	float x = 0;
	GIVES(ncclInvalidArgument, ncclAllReduce(&x, &x, 1, 99, ncclSum, comm, NULL), "data type");
	GIVES(ncclInvalidArgument, ncclAllReduce(&x, &x, 1, ncclFloat, 77, comm, NULL), "operator");
	GIVES(ncclInvalidArgument, ncclBroadcast(&x, &x, 1, ncclFloat, size, comm, NULL), "root");
	GIVES(ncclInvalidArgument, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, NULL, NULL), "NULL");
	GIVES(ncclInvalidArgument, ncclAllReduce(&x, &x, SIZE_MAX, ncclFloat, ncclSum, comm, NULL), "memory");
	GIVES(ncclInvalidUsage, ncclGroupEnd(), "ncclGroupStart");
}

static ncclComm_t join(const ncclUniqueId *id, int rank) {
	ncclComm_t comm = NULL;
	OK(ncclCommInitRank(&comm, size, *id, rank));
	about(comm, rank);
	return comm;
}

static void leave(ncclComm_t comm) {
	OK(ncclCommFinalize(comm));
	float x = 0;
	GIVES(ncclInvalidUsage, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comm, NULL), "finalized");
	OK(ncclCommDestroy(comm));
	GIVES(ncclInvalidArgument, ncclCommDestroy(comm), "destroyed");
}

/* family splits the communicator, even ranks from odd ones in turned order, and the last
 * rank from all; then all but rank 0 go on without it. */
static void family(ncclComm_t comm, int rank) {
	float x = (float)(rank + 1), want = 0;
	ncclComm_t part = comm;
	int last = size - 1, count, user, color = rank == last ? NCCL_SPLIT_NOCOLOR : rank % 2;
	OK(ncclCommSplit(comm, color, -rank, &part, NULL));
	MUST((part == NULL) == (rank == last));
	if (part != NULL) {
		int of = 0, before = 0;
		for (int r = 0; r < last; r++)
			if (r % 2 == color)
				of++, before += r > rank, want += (float)(r + 1);
		OK(ncclCommCount(part, &count));
		OK(ncclCommUserRank(part, &user));
		MUST(count == of && user == before);
		OK(ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, part, NULL));
		MUST(x == want);
		OK(ncclCommDestroy(part));
	}
#if NCCL_VERSION_CODE >= 22900
	int gone = 0;
	if (rank > 0) {
		OK(ncclCommShrink(comm, &gone, 1, &part, NULL, NCCL_SHRINK_DEFAULT));
		x = 1;
		OK(ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, part, NULL));
		MUST(x == (float)(size - 1));
		OK(ncclCommDestroy(part));
	}
#endif
	OK(ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comm, NULL)); /* it goes on */
}

static void rank_of_process(const ncclUniqueId *id, int rank) {
	ncclComm_t comm = join(id, rank);
	check_all(comm, size, rank);
	family(comm, rank);
	bad_calls(comm);
	leave(comm);
}

/* address: nobody has handed an id over. Two communicators meet there, one after the
 * other, and live side by side. */
static void rank_of_address(int rank) {
	ncclUniqueId id, again;
	ncclComm_t pair[2];
	for (int i = 0; i < 2; i++) {
		OK(ncclGetUniqueId(&id));
		OK(ncclGetUniqueId(&again));
		MUST(memcmp(&id, &again, sizeof id) == 0);
		pair[i] = join(&id, rank);
		check_all(pair[i], size, rank);
	}
	leave(pair[0]);
	check_all(pair[1], size, rank);
	leave(pair[1]);
}

/* choose_address sets NCCL_COMM_ID to a port of loopback that is free. */
static void choose_address(void) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	char text[64];
	int s = socket(AF_INET, SOCK_STREAM, 0);
	MUST(s >= 0 && bind(s, (struct sockaddr *)&at, n) == 0 && getsockname(s, (struct sockaddr *)&at, &n) == 0);
	close(s);
	sprintf(text, "127.0.0.1:%d", ntohs(at.sin_port));
	setenv("NCCL_COMM_ID", text, 1);
}

/* aborting: the others get an error that names rank 0, in bounded time. */
static void aborting(const ncclUniqueId *id, int rank) {
	ncclComm_t comm = join(id, rank);
	float x = 1;
	ncclResult_t result = ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comm, NULL);
	if (rank == 0) {
		MUST(result == ncclSuccess);
		OK(ncclCommAbort(comm));
		return;
	}
	if (result == ncclSuccess) /* else rank 0 was done, and gone, before */
		result = ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comm, NULL);
	MUST(result == ncclRemoteError && strstr(ncclGetLastError(comm), "rank 0") != NULL);
	ncclResult_t state = ncclSuccess;
	OK(ncclCommGetAsyncError(comm, &state));
	MUST(state == result);
	OK(ncclCommAbort(comm));
}

/* spawn starts this program again for each rank. Forked processes would not do: they
 * lack the library's threads. */
static int spawn(char *program, char *mode, char *n) {
	ncclUniqueId id;
	OK(ncclGetUniqueId(&id));
	char hex[2 * sizeof id + 1] = "";
	for (size_t i = 0; i < sizeof id; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)id.internal[i]);
	pid_t ranks[64];
	for (int r = 0; r < size; r++) {
		char rank[16];
		sprintf(rank, "%d", r);
		char *args[] = {program, mode, n, rank, hex, NULL};
		MUST(posix_spawn(&ranks[r], program, NULL, NULL, args, environ) == 0);
	}
	int failed = 0;
	for (int r = 0; r < size; r++) {
		int status;
		MUST(waitpid(ranks[r], &status, 0) == ranks[r]);
		failed += status != 0;
	}
	return failed;
}

static ncclComm_t *comms;

static void *rank_of_thread(void *arg) {
	int rank = (int)(intptr_t)arg;
	about(comms[rank], rank);
	check_all(comms[rank], size, rank);
	family(comms[rank], rank);
	OK(ncclCommDestroy(comms[rank]));
	return NULL;
}

static int threads(void) {
	pthread_t all[64];
	comms = calloc(size, sizeof *comms);
	OK(ncclCommInitAll(comms, size, NULL));
	for (int r = 0; r < size; r++)
		MUST(pthread_create(&all[r], NULL, rank_of_thread, (void *)(intptr_t)r) == 0);
	for (int r = 0; r < size; r++)
		pthread_join(all[r], NULL);
	return 0;
}

static int grouped(void) {
	ncclUniqueId id;
	OK(ncclGetUniqueId(&id));
	comms = calloc(size, sizeof *comms);
	float *x = malloc(size * sizeof *x);
	OK(ncclGroupStart());
	for (int r = 0; r < size; r++) {
		x[r] = (float)(r + 1);
		OK(ncclCommInitRank(&comms[r], size, id, r));
	}
	OK(ncclGroupEnd());
	for (int times = 0; times < 3; times++) {
		OK(ncclGroupStart());
		for (int r = 0; r < size; r++)
			OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
		OK(ncclGroupEnd());
	}
	for (int r = 0; r < size; r++)
		MUST(x[r] == (float)(size * (size + 1) / 2 * size * size));
	/* A wrong call does not keep the others of its group from being made. */
	OK(ncclGroupStart());
	MUST(ncclBroadcast(x, x, 1, ncclFloat, -1, comms[0], NULL) == ncclInvalidArgument);
	for (int r = 0; r < size; r++) {
		x[r] = 1;
		OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
	}
	GIVES(ncclInvalidArgument, ncclGroupEnd(), "root");
	MUST(x[0] == (float)size);
	for (int r = 0; r < size; r++)
		OK(ncclCommDestroy(comms[r]));
	return 0;
}

int main(int argc, char **argv) {
	MUST(argc == 3 || argc == 5);
	char *mode = argv[1];
	size = atoi(argv[2]);
	int version = 0;
	OK(ncclGetVersion(&version));
	MUST(version == 23203 || getenv("MONEL_NCCL_VERSION") != NULL);
	if (strcmp(mode, "threads") == 0)
		return threads();
	if (strcmp(mode, "grouped") == 0)
		return grouped();
	int address = strcmp(mode, "address") == 0;
	if (argc == 3) {
		if (address)
			choose_address();
		return spawn(argv[0], mode, argv[2]);
	}
	if (address) {
		rank_of_address(atoi(argv[3]));
		return 0;
	}
	ncclUniqueId id;
	for (size_t i = 0; i < sizeof id; i++) {
		unsigned byte;
		sscanf(argv[4] + 2 * i, "%2x", &byte);
		id.internal[i] = (char)byte;
	}
	(strcmp(mode, "abort") == 0 ? aborting : rank_of_process)(&id, atoi(argv[3]));
	return 0;
}
