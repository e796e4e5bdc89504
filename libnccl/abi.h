/* What the C and the Go side of the library say to each other. */
#ifndef MONEL_ABI_H_
#define MONEL_ABI_H_

#define MONEL_NO_CUDA
#include "monel_nccl.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One call of a collective or a message. */
enum {
	MONEL_ALL_REDUCE,
	MONEL_BROADCAST,
	MONEL_REDUCE,
	MONEL_ALL_GATHER,
	MONEL_REDUCE_SCATTER,
	MONEL_ALL_TO_ALL,
	MONEL_GATHER,
	MONEL_SCATTER,
	MONEL_SEND,
	MONEL_RECV,
};

/* What can be asked of a communicator. */
enum { MONEL_ASK_COUNT, MONEL_ASK_RANK, MONEL_ASK_DEVICE };

typedef struct {
	int kind;
	int strided; /* send and recv are of type monelTensor_t * */
	const void *send;
	void *recv;
	size_t count; /* of NCCL's rule for the collective, unless strided */
	int dtype;
	int op;
	int root; /* or peer */
	uintptr_t comm;
	uintptr_t stream;
	const ncclCollConfig_t *config;
	uintptr_t group; /* of this thread, 0 outside of groups */
} monelCall;

/* What belongs to a thread. */
typedef struct {
	int depth;       /* of ncclGroupStart */
	uintptr_t group; /* its number on the Go side */
	char text[4096]; /* of its last error */
	/* What was handed out of parameters, valid until the next call of its kind. */
	char bound_value[1024], asked_value[1024];
	const char *keys[16];
} monelThread;

/* monel_thread is what belongs to the calling thread. */
monelThread *monel_thread(void);

/* monel_note keeps a text for ncclGetLastError. */
void monel_note(const char *text);

/* monel_refuse keeps a text and returns the result. */
ncclResult_t monel_refuse(ncclResult_t result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* monel_alive returns ncclSuccess unless the process was forked off the one that
 * loaded the library: no thread of Go is in it, and a call would wait forever. */
ncclResult_t monel_alive(void);

/* monel_current_device is the ordinal of the thread's current CUDA device, -1 if it
 * has none. */
int monel_current_device(void);

/* FUNCTION begins the definition of a function that NCCL has, with its twin; as in
 * NCCL, programs may put another one before it and call the twin. */
#define FUNCTION(result, name, parameters)                                     \
	extern __attribute__((weak, alias("p" #name))) result name parameters; \
	result p##name parameters

/* ENTER ends the function early where the library cannot work. */
#define ENTER()                                   \
	do {                                      \
		ncclResult_t alive = monel_alive(); \
		if (alive != ncclSuccess)         \
			return alive;             \
	} while (0)

#endif
