/* One rank of two for the comparison of NCCL's interface with package engine: reads
 * "BYTES CALLS" from standard input, makes so many all_reduces, and writes how many
 * nanoseconds each took. overhead/main.go has the same in Go. */
#define _GNU_SOURCE
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { room = 1 << 20 };

#define OK(call)                                                                   \
	do {                                                                       \
		if ((call) != ncclSuccess) {                                       \
			fprintf(stderr, "%s: %s\n", #call, ncclGetLastError(NULL)); \
			return 1;                                                  \
		}                                                                  \
	} while (0)

int main(int argc, char **argv) {
	ncclUniqueId id;
	ncclComm_t comm;
	size_t bytes;
	int calls;
	if (argc != 3 || strlen(argv[2]) != 2 * sizeof id)
		return 2;
	for (size_t i = 0; i < sizeof id; i++) {
		unsigned byte;
		sscanf(argv[2] + 2 * i, "%2x", &byte);
		id.internal[i] = (char)byte;
	}
	OK(ncclCommInitRank(&comm, 2, id, atoi(argv[1])));
	float *x = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x == MAP_FAILED)
		return 3;
	while (scanf("%zu %d", &bytes, &calls) == 2) {
		struct timespec from, to;
		for (int i = -1; i < calls; i++) {
			if (i == 0) /* both ranks have come */
				clock_gettime(CLOCK_MONOTONIC, &from);
			OK(ncclAllReduce(x, x, bytes / sizeof *x, ncclFloat, ncclSum, comm, NULL));
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		printf("%f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / calls);
		fflush(stdout);
	}
	OK(ncclCommDestroy(comm));
	return 0;
}
