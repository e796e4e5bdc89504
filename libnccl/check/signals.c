/* Signals are the host program's: handlers that it has installed before the library is
 * loaded, or installs afterwards, are called, in its own threads, while collectives go on,
 * and are what they were.
 *
 * usage: signals LIBRARY before|after onstack|plain
 *
 * onstack: handlers have SA_ONSTACK, so they may be called in the middle of the library,
 * too, and are. plain: without it, as Go's rules for libraries have it, only those may be
 * that were there before, to which Go adds it. */
#define _GNU_SOURCE
#include "values.h"
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

#define FUNCTIONS(each)                                                                       \
	each(ncclGetUniqueId) each(ncclGroupStart) each(ncclGroupEnd) each(ncclCommInitRank)  \
	each(ncclAllReduce) each(ncclCommDestroy) each(ncclGetLastError)
#define POINTER(name) static __typeof__(&name) p_##name;
FUNCTIONS(POINTER)
#define LOAD(name) MUST((*(void **)&p_##name = dlsym(library, #name)) != NULL);

#undef MUST
#define MUST(condition)                                                                       \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			_Exit(1);                                                             \
		}                                                                             \
	} while (0)

static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGPIPE, SIGPROF, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGWINCH};
enum { count = sizeof numbers / sizeof *numbers, ranks = 2, rounds = 100 };

static int before, onstack;
static struct sigaction ours[count];

/* What the handler is to find, of the thread that it runs in. */
static _Thread_local struct {
	volatile sig_atomic_t number, caught;
	char *volatile address; /* of a fault, or NULL */
	char *volatile stack;   /* that the thread has for handlers, or NULL */
	sigjmp_buf back;
} here;
enum { stack_bytes = 64 << 10 };

static atomic_int profiled, amid, strange;

static void handler(int number, siginfo_t *info, void *context) {
	char local;
	(void)context;
	if (number == SIGPROF && info->si_code == SI_KERNEL)
		profiled++; /* by the timer */
	else if (number == SIGWINCH)
		amid++; /* by another thread */
	else if (number != here.number || (here.address != NULL && info->si_addr != here.address))
		strange++;
	else
		here.caught++;
	if (onstack && here.stack != NULL && (&local < here.stack || &local >= here.stack + stack_bytes))
		strange++;
	if (here.address != NULL && number == SIGSEGV)
		siglongjmp(here.back, 1);
}

static void install(void) {
	for (int i = 0; i < count; i++) {
		ours[i].sa_sigaction = handler;
		ours[i].sa_flags = SA_SIGINFO | SA_RESTART | (onstack ? SA_ONSTACK : 0);
		sigemptyset(&ours[i].sa_mask);
		sigaddset(&ours[i].sa_mask, SIGCHLD); /* to be told again */
		MUST(sigaction(numbers[i], &ours[i], NULL) == 0);
	}
}

/* Go's runtime handles faults and broken pipes itself, and passes on what is not its own;
 * to other handlers that were there it adds SA_ONSTACK. */
static int is_gos(int number) { return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGPIPE; }

static void handlers_are_ours(void) {
	for (int i = 0; i < count; i++) {
		struct sigaction now;
		MUST(sigaction(numbers[i], NULL, &now) == 0);
		if (before && is_gos(numbers[i]))
			continue;
		int flags = ours[i].sa_flags | (before ? SA_ONSTACK : 0), known = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
		MUST(now.sa_sigaction == handler && (now.sa_flags & known) == flags);
		MUST(sigismember(&now.sa_mask, SIGCHLD) && !sigismember(&now.sa_mask, SIGURG));
	}
}

/* raises has the calling thread get each of the signals, and a fault of its own. */
static void raises(void) {
	for (int i = 0; i < count - 1; i++) { /* but SIGWINCH */
		here.number = numbers[i];
		here.caught = 0;
		MUST(raise(numbers[i]) == 0);
		MUST(here.caught == 1);
	}
	here.number = SIGSEGV;
	here.caught = 0;
	here.address = (char *)64; /* nothing is there */
	if (sigsetjmp(here.back, 1) == 0)
		*here.address = 1;
	here.address = NULL;
	MUST(here.caught == 1);
	here.number = 0;
}

static ncclComm_t comms[ranks];
static atomic_int stop, started;

static void sum(int rank, size_t n, float *x) {
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(rank + 1);
	MUST(p_ncclAllReduce(x, x, n, ncclFloat, ncclSum, comms[rank], NULL) == ncclSuccess);
	for (size_t i = 0; i < n; i++)
		MUST(x[i] == 3);
}

/* give_stack gives the calling thread a stack for handlers. */
static void give_stack(void) {
	char *stack = malloc(stack_bytes);
	MUST(stack != NULL && sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = stack_bytes}, NULL) == 0);
	here.stack = stack;
}

static void own_stack(void) {
	stack_t now;
	char *stack = here.stack;
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp == stack && now.ss_flags == 0);
	here.stack = NULL;
	MUST(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == 0);
	free(stack);
}

/* A rank calls and raises by turns, and may be interrupted anywhere. The second has a stack
 * of its own for handlers. */
static void *rank_thread(void *arg) {
	int rank = (int)(intptr_t)arg;
	static float memory[ranks][50000];
	if (rank == 1)
		give_stack();
	for (int i = 0; i < rounds; i++) {
		sum(rank, i % 10 == 0 ? 50000 : 10, memory[rank]);
		started++;
		raises();
	}
	if (rank == 1)
		own_stack();
	return NULL;
}

/* A thread that never calls. */
static void *bystander(void *arg) {
	(void)arg;
	while (!stop)
		raises();
	return NULL;
}

int main(int argc, char **argv) {
	MUST(argc == 4);
	before = strcmp(argv[2], "before") == 0, onstack = strcmp(argv[3], "onstack") == 0;
	if (before)
		install();
	void *library = dlopen(argv[1], RTLD_NOW);
	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	FUNCTIONS(LOAD)
	if (!before)
		install();
	handlers_are_ours();
	raises();

	ncclUniqueId id;
	MUST(p_ncclGetUniqueId(&id) == ncclSuccess && p_ncclGroupStart() == ncclSuccess);
	for (int r = 0; r < ranks; r++)
		MUST(p_ncclCommInitRank(&comms[r], ranks, id, r) == ncclSuccess);
	MUST(p_ncclGroupEnd() == ncclSuccess);
	handlers_are_ours();

	/* What comes at any moment may come in the middle of a call. */
	int any_time = before || onstack;
	if (any_time)
		setitimer(ITIMER_PROF, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
	pthread_t threads[ranks], other;
	for (int r = 0; r < ranks; r++)
		MUST(pthread_create(&threads[r], NULL, rank_thread, (void *)(intptr_t)r) == 0);
	MUST(pthread_create(&other, NULL, bystander, NULL) == 0);
	if (any_time)
		while (started < ranks * rounds / 2) {
			for (int r = 0; r < ranks; r++)
				pthread_kill(threads[r], SIGWINCH);
			usleep(100);
		}
	for (int r = 0; r < ranks; r++)
		pthread_join(threads[r], NULL);
	stop = 1;
	pthread_join(other, NULL);
	setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
	MUST(strange == 0 && (!any_time || (profiled > 0 && amid > 0)));
	handlers_are_ours();
	for (int r = 0; r < ranks; r++)
		MUST(p_ncclCommDestroy(comms[r]) == ncclSuccess);
	handlers_are_ours();
	raises();
	return 0;
}
