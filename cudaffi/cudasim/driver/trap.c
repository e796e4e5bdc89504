/* What kernels and copies touch without being allowed to is caught here, and
 * becomes the error that a GPU gives. What the program itself touches goes on to
 * whoever handled it before, such as the Go runtime, with a line that says what
 * the address is. */
#include "sim.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct trap {
	sigjmp_buf jump;
	volatile uint64_t address;
	struct trap *outer;
	struct context *context; /* of a kernel, which may be killed */
	volatile bool held, killed;
};

/* The innermost trap of each thread. A signal handler may ask for it, which it may
 * not for a variable of the thread's, for which room may have to be made. */
static pthread_key_t innermost, worker;

__attribute__((constructor)) static void start(void) {
	pthread_key_create(&innermost, NULL);
	pthread_key_create(&worker, NULL);
}

static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[64];

static void explain(uint64_t address) {
	char what[200], line[300];
	if (!in_arena(&device_arena, address) && !in_arena(&host_arena, address))
		return;
	if (pthread_mutex_trylock(&memory_lock) != 0)
		return; /* perhaps this very thread's */
	memory_describe(address, what, sizeof what);
	pthread_mutex_unlock(&memory_lock);
	int n = snprintf(line, sizeof line, "simulated CUDA driver: the host touched %s\n", what);
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void kill_kernel(struct trap *t, const sigset_t *mask) {
	if (t == NULL || t->context == NULL || !doomed(t->context))
		return;
	t->killed = true;
	if (t->held)
		return; /* trap_let will see to it */
	pthread_sigmask(SIG_SETMASK, mask, NULL);
	siglongjmp(t->jump, 1);
}

static void handle(int number, siginfo_t *info, void *context) {
	struct trap *t = pthread_getspecific(innermost);
	const sigset_t *mask = &((ucontext_t *)context)->uc_sigmask;
	if (info->si_code == SI_TKILL && pthread_getspecific(worker) != NULL) {
		kill_kernel(t, mask);
		return;
	}
	if (t != NULL) {
		t->address = (uint64_t)info->si_addr;
		pthread_sigmask(SIG_SETMASK, mask, NULL);
		siglongjmp(t->jump, 1);
	}
	if (info->si_code > 0)
		explain((uint64_t)info->si_addr);
	struct sigaction *old = &before[number];
	if ((old->sa_flags & SA_SIGINFO) != 0) {
		old->sa_sigaction(number, info, context);
	} else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
		sigaction(number, old, NULL); /* and it happens again */
	} else {
		old->sa_handler(number);
	}
}

void trap_install(void) {
	for (size_t i = 0; i < LENGTH(caught); i++) {
		struct sigaction now, new = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
		sigfillset(&new.sa_mask);
		if (sigaction(caught[i], NULL, &now) != 0 || ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == handle))
			continue;
		before[caught[i]] = now;
		sigaction(caught[i], &new, NULL);
	}
}

enum outcome trapped_kernel(void (*f)(void *), void *argument, struct context *c, uint64_t *address) {
	struct trap t = {.outer = pthread_getspecific(innermost), .context = c};
	if (sigsetjmp(t.jump, 0) != 0) {
		pthread_setspecific(innermost, t.outer);
		*address = t.address;
		/* The program knows it by its address on the device. */
		if (in_arena(&device_arena, t.address - device_arena.shadow))
			*address -= device_arena.shadow;
		return t.killed ? KILLED : FAULTED;
	}
	pthread_setspecific(innermost, &t);
	/* Whoever dooms the context from now on sends a signal. */
	if (c == NULL || !doomed(c))
		f(argument);
	pthread_setspecific(innermost, t.outer);
	return RAN;
}

bool trapped(void (*f)(void *), void *argument, uint64_t *address) {
	return trapped_kernel(f, argument, NULL, address) == RAN;
}

void trap_raise(uint64_t address) {
	struct trap *t = pthread_getspecific(innermost);
	t->address = address;
	siglongjmp(t->jump, 1);
}

void trap_hold(void) {
	struct trap *t = pthread_getspecific(innermost);
	t->held = true;
}

void trap_let(void) {
	struct trap *t = pthread_getspecific(innermost);
	t->held = false;
	if (t->killed)
		siglongjmp(t->jump, 1);
}

void trap_worker(void) { pthread_setspecific(worker, caught); }

void trap_kill(pthread_t thread) { pthread_kill(thread, SIGSEGV); }
