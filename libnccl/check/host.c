/* What belongs to the host program, and the library leaves to it or copes with: signals,
 * forks, the environment. */
#define _GNU_SOURCE
#include "values.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { n = 2 };

static ncclComm_t comms[n];

static void sum(void) {
	float x[n] = {1, 2};
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
	OK(ncclGroupEnd());
	MUST(x[0] == 3 && x[1] == 3);
}

static void start(void) {
	ncclUniqueId id;
	OK(ncclGetUniqueId(&id));
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++)
		OK(ncclCommInitRank(&comms[r], n, id, r));
	OK(ncclGroupEnd());
	sum();
}

/* Everything that a forked process may call gives an error that says so, and returns. */
static void in_child(void) {
	alarm(20);
	float x = 0;
	int number;
	void *p;
	ncclUniqueId id;
	ncclComm_t comm = NULL;
	ncclResult_t state;
	ncclParamHandle_t param;
	GIVES(ncclSystemError, ncclGetVersion(&number), "forked");
	GIVES(ncclSystemError, ncclGetUniqueId(&id), "exec");
	GIVES(ncclSystemError, ncclCommInitAll(&comm, 1, NULL), "forked");
	GIVES(ncclSystemError, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, comms[0], NULL), "forked");
	GIVES(ncclSystemError, ncclSend(&x, 1, ncclFloat, 1, comms[0], NULL), "forked");
	GIVES(ncclSystemError, ncclGroupStart(), "forked");
	GIVES(ncclSystemError, ncclGroupEnd(), "forked");
	GIVES(ncclSystemError, ncclCommSplit(comms[0], 0, 0, &comm, NULL), "forked");
	GIVES(ncclSystemError, ncclCommGetAsyncError(comms[0], &state), "forked");
	GIVES(ncclSystemError, ncclCommCount(comms[0], &number), "forked");
	GIVES(ncclSystemError, ncclMemAlloc(&p, 100), "forked");
	GIVES(ncclSystemError, ncclParamBind(&param, "NCCL_DEBUG"), "forked");
	GIVES(ncclSystemError, ncclCommAbort(comms[0]), "forked");
	GIVES(ncclSystemError, ncclCommDestroy(comms[1]), "forked");
	MUST(strstr(ncclGetLastError(comms[0]), "forked") != NULL && strlen(ncclGetErrorString(ncclSystemError)) > 5);
	exit(7); /* with all that is done at a program's end */
}

static atomic_int stop;

static void *busy(void *arg) {
	(void)arg;
	while (!stop)
		sum();
	return NULL;
}

/* The parent goes on meanwhile, whether a collective is in progress at the fork or not. */
static void forks(void) {
	for (int working = 0; working < 2; working++) {
		pthread_t thread;
		stop = 0;
		if (working)
			MUST(pthread_create(&thread, NULL, busy, NULL) == 0);
		for (int times = 0; times < 10; times++) {
			pid_t child = fork();
			if (child == 0)
				in_child();
			int status;
			MUST(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
		}
		stop = 1;
		if (working)
			pthread_join(thread, NULL);
		sum();
	}
}

static volatile sig_atomic_t caught;

static void catch(int signal) { caught = signal; }

/* ends_by tells whether a signal ends a process by default, with the library in it. */
static int ends_by(int number) {
	pid_t child = fork();
	if (child == 0) {
		raise(number);
		_exit(0);
	}
	int status;
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static void own_signals(void) {
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGQUIT, SIGABRT, SIGSEGV, SIGPIPE};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (!ends_by(numbers[i])) {
			fprintf(stderr, "signal %d does not end the process any more\n", numbers[i]);
			_Exit(1);
		}
	}
	signal(SIGUSR1, catch);
	raise(SIGUSR1);
	MUST(caught == SIGUSR1);
	signal(SIGSEGV, catch); /* the program's own replaces Go's */
	raise(SIGSEGV);
	MUST(caught == SIGSEGV);
	signal(SIGSEGV, SIG_DFL);
}

static pthread_t here;
static volatile sig_atomic_t elsewhere, handled;

static void where(int signal) {
	(void)signal;
	handled++;
	if (!pthread_equal(pthread_self(), here))
		elsewhere++;
}

/* What is sent to the process comes to those of the program's threads that take it, never
 * to one of the library's, where a handler without a stack of its own has no room. */
static void sent_to_the_process(void) {
	struct sigaction action = {.sa_handler = where}; /* without SA_ONSTACK */
	sigaction(SIGUSR2, &action, NULL);
	here = pthread_self();
	sigset_t usr2;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL); /* the next thread has it blocked */
	pthread_t thread;
	stop = 0;
	MUST(pthread_create(&thread, NULL, busy, NULL) == 0);
	for (int times = 0; times < 1000; times++) {
		kill(getpid(), SIGUSR2);
		pthread_sigmask(SIG_UNBLOCK, &usr2, NULL); /* pending, if nobody else has taken it */
		pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	}
	stop = 1;
	pthread_join(thread, NULL);
	MUST(handled == 1000 && elsewhere == 0);
	pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
	signal(SIGUSR2, SIG_DFL);
}

/* Go's way to set variables would be the C library's, which the program's own threads
 * may be reading them by. These stand in front of it. */
static atomic_int changed;
static int (*real_setenv)(const char *, const char *, int), (*real_unsetenv)(const char *);

int setenv(const char *name, const char *value, int replace) {
	changed++;
	return real_setenv(name, value, replace);
}

int unsetenv(const char *name) {
	changed++;
	return real_unsetenv(name);
}

static void environment(void) {
	int version = 0;
	changed = 0;
	for (int times = 0; times < 3; times++) {
		real_setenv("MONEL_NCCL_VERSION", "2.19.3", 1);
		real_setenv("MONEL_HOP_BYTES", times % 2 ? "4000" : "5000", 1);
		OK(ncclGetVersion(&version));
		MUST(version == 21903);
		ncclComm_t comm;
		ncclUniqueId id;
		OK(ncclGetUniqueId(&id));
		OK(ncclCommInitRank(&comm, 1, id, 0));
		OK(ncclCommDestroy(comm));
		real_unsetenv("MONEL_NCCL_VERSION");
		real_unsetenv("MONEL_HOP_BYTES");
		OK(ncclGetVersion(&version));
		MUST(version == 23203);
	}
	MUST(changed == 0);
}

int main(void) {
	*(void **)&real_setenv = dlsym(RTLD_NEXT, "setenv");
	*(void **)&real_unsetenv = dlsym(RTLD_NEXT, "unsetenv");
	MUST(real_setenv != NULL && real_unsetenv != NULL);
	start();
	environment();
	forks();
	own_signals();
	sent_to_the_process();
	for (int r = 0; r < n; r++)
		OK(ncclCommDestroy(comms[r]));
	return 0;
}
