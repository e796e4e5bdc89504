/* What belongs to threads and processes: errors' texts, groups, forks. */
#include "abi.h"
#include "_cgo_export.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static monelThread process; /* whose text is for threads that have no error of their own */

static volatile int forked;

static void in_child(void) { forked = 1; }

/* Threads' memory is not the linker's: Go's code wants that in place when a program
 * starts, and one that loads the library later has room for some hundred bytes. */
static pthread_key_t key;
static int have_key;

/* Go's threads start with the signals blocked that are blocked where the library is loaded,
 * between the two constructors: all, so that what is sent to the process reaches threads of
 * the program, as if there were no others. SIGURG is how Go's scheduler has its threads
 * give way, and what Go needs besides it unblocks itself. */
static sigset_t signals;

__attribute__((constructor(101))) static void before_go(void) {
	sigset_t all;
	sigfillset(&all);
	sigdelset(&all, SIGURG);
	pthread_sigmask(SIG_SETMASK, &all, &signals);
}

__attribute__((constructor)) static void prepare(void) {
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	pthread_atfork(NULL, NULL, in_child);
	have_key = pthread_key_create(&key, free) == 0;
}

monelThread *monel_thread(void) {
	monelThread *t = have_key ? pthread_getspecific(key) : NULL;
	if (t == NULL && have_key) {
		t = calloc(1, sizeof *t);
		pthread_setspecific(key, t);
	}
	return t == NULL ? &process : t; /* without memory, threads share it */
}

void monel_note(const char *text) {
	char *own = monel_thread()->text;
	snprintf(own, sizeof process.text, "%s", text);
	pthread_mutex_lock(&process_lock);
	memmove(process.text, own, sizeof process.text);
	pthread_mutex_unlock(&process_lock);
}

ncclResult_t monel_refuse(ncclResult_t result, const char *format, ...) {
	char text[sizeof process.text];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (forked) /* the lock may have been held at the fork */
		memcpy(monel_thread()->text, text, sizeof text);
	else
		monel_note(text);
	return result;
}

ncclResult_t monel_alive(void) {
	if (!forked)
		return ncclSuccess;
	return monel_refuse(ncclSystemError,
		"this process was forked off the one that loaded the library, whose threads it lacks: "
		"start it with exec (in Python, with the start method \"spawn\")");
}

FUNCTION(const char *, ncclGetLastError, (ncclComm_t comm)) {
	char *text = monel_thread()->text;
	if (!forked && comm != NULL)
		monelCommError((uintptr_t)comm, text, sizeof process.text);
	if (text[0] == 0 && !forked) {
		pthread_mutex_lock(&process_lock);
		memmove(text, process.text, sizeof process.text);
		pthread_mutex_unlock(&process_lock);
	}
	return text;
}

FUNCTION(const char *, ncclGetErrorString, (ncclResult_t result)) {
	switch ((int)result) {
	case ncclSuccess:
		return "no error";
	case ncclUnhandledCudaError:
		return "unhandled cuda error (ncclGetLastError has the details)";
	case ncclSystemError:
		return "unhandled system error (ncclGetLastError has the details)";
	case ncclInternalError:
		return "internal error (ncclGetLastError has the details)";
	case ncclInvalidArgument:
		return "invalid argument (ncclGetLastError has the details)";
	case ncclInvalidUsage:
		return "invalid usage (ncclGetLastError has the details)";
	case ncclRemoteError:
		return "remote process exited or there was a network error";
	case ncclInProgress:
		return "operation in progress";
	case ncclTimeout:
		return "operation timed out";
	}
	return "unknown result code";
}

FUNCTION(ncclResult_t, ncclGroupStart, (void)) {
	ENTER();
	monelThread *t = monel_thread();
	if (t->depth++ == 0)
		t->group = monelGroupStart();
	return ncclSuccess;
}

/* leave_group ends the innermost group, and returns the number of the group if it was
 * the outermost one, else 0. */
static ncclResult_t leave_group(const char *function, uintptr_t *group) {
	monelThread *t = monel_thread();
	*group = 0;
	if (t->depth == 0)
		return monel_refuse(ncclInvalidUsage, "%s without ncclGroupStart on this thread", function);
	if (--t->depth == 0) {
		*group = t->group;
		t->group = 0;
	}
	return ncclSuccess;
}

FUNCTION(ncclResult_t, ncclGroupEnd, (void)) {
	ENTER();
	uintptr_t group;
	ncclResult_t result = leave_group("ncclGroupEnd", &group);
	return group == 0 ? result : (ncclResult_t)monelGroupEnd(group, 1);
}

FUNCTION(ncclResult_t, ncclGroupSimulateEnd, (ncclSimInfo_t * simInfo)) {
	ENTER();
	if (simInfo != NULL && (simInfo->size < sizeof(ncclSimInfo_t) || simInfo->magic != 0x74685283))
		return monel_refuse(ncclInvalidArgument, "simInfo was not set to NCCL_SIM_INFO_INITIALIZER");
	uintptr_t group;
	ncclResult_t result = leave_group("ncclGroupSimulateEnd", &group);
	if (group != 0)
		result = (ncclResult_t)monelGroupEnd(group, 0);
	if (result == ncclSuccess && simInfo != NULL)
		simInfo->estimatedTime = NCCL_UNDEF_FLOAT;
	return result;
}

int monel_current_device(void) {
	const char *named = getenv("MONEL_CUDA_LIBRARY"); /* as package cudaffi has it */
	void *cuda = dlopen(named != NULL && *named != 0 ? named : "libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
	if (cuda == NULL)
		return -1;
	int (*get)(int *);
	*(void **)&get = dlsym(cuda, "cuCtxGetDevice");
	int device = -1;
	if (get == NULL || get(&device) != 0)
		device = -1;
	dlclose(cuda);
	return device;
}
