/* A queue is a thread that carries out operations in order: that of a stream, or
 * of several streams where a test has them share hardware channels, in which
 * case an operation that waits holds up the others as it does on a GPU. */
#include "sim.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

atomic_bool aborting;

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t list_changed = PTHREAD_COND_INITIALIZER;
static struct queue *list;
static atomic_int running; /* threads */

struct queue *queue_new(uint64_t number) {
	struct queue *q = calloc(1, sizeof *q);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	q->tail = &q->head;
	q->number = number;
	/* Any seed and number give a state that is not 0. */
	q->random = (settings.delay_seed + 1) * 0x9e3779b97f4a7c15 ^ (number + 1) * 0xbf58476d1ce4e5b9;
	if (q->random == 0)
		q->random = 1;
	snprintf(q->name, sizeof q->name, "cuda stream %llu", (unsigned long long)number % 1000);
	pthread_mutex_lock(&list_lock);
	q->next = list;
	list = q;
	pthread_mutex_unlock(&list_lock);
	return q;
}

static uint64_t draw(struct queue *q) {
	uint64_t x = q->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return q->random = x;
}

/* The queue that a thread serves. */
static _Thread_local struct queue *own;

void queue_delay(unsigned one_in) {
	uint64_t most = settings.delay_max_us;
	if (most == 0 || own == NULL)
		return;
	uint64_t r = draw(own);
	if (r % one_in != 0)
		return;
	uint64_t ns = (r >> 8) % (most * 1000 + 1);
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	nanosleep(&t, NULL);
}

static void await(struct dependency *d) {
	struct stream *s = d->stream;
	if (atomic_load(&s->completed) >= d->seq)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_fetch_add(&s->waiters, 1);
	while (atomic_load(&s->completed) < d->seq)
		pthread_cond_wait(&s->done, &s->lock);
	atomic_fetch_sub(&s->waiters, 1);
	pthread_mutex_unlock(&s->lock);
}

bool doomed(struct context *c) { return atomic_load(&aborting) || atomic_load(&c->error) != CUDA_SUCCESS; }

void queue_kernel(struct queue *q, struct context *c) {
	pthread_mutex_lock(&q->lock);
	q->kernel = c;
	pthread_mutex_unlock(&q->lock);
}

void queue_kill(struct queue *q, struct context *c) {
	pthread_mutex_lock(&q->lock);
	if (q->kernel != NULL && (c == NULL || q->kernel == c))
		trap_kill(q->thread);
	pthread_mutex_unlock(&q->lock);
}

/* Most operations start at once, so that runs of them get ahead of the host and
 * of other streams. */
static void carry_out(struct operation *op) {
	for (unsigned i = 0; i < op->afters; i++)
		await(&op->after[i]);
	if (!doomed(op->stream->o.context)) {
		queue_delay(4);
		if (op->failure == CUDA_SUCCESS)
			op->run(op);
		else
			context_poison(op->stream->o.context, op->failure);
	}
	bool writes = op->writes;
	stream_completed(op->stream, op->seq);
	if (writes)
		values_wake();
	free(op->after);
	free(op);
}

/* Waking a thread takes much longer than most operations, so before it sleeps
 * it lets others run for a moment and looks again. */
static bool look_out(struct queue *q) {
	uint64_t pushed = q->pushed;
	pthread_mutex_unlock(&q->lock);
	uint64_t until = nanoseconds() + 20000;
	bool more;
	do {
		sched_yield();
		more = atomic_load(&q->pushed) != pushed;
	} while (!more && nanoseconds() < until);
	pthread_mutex_lock(&q->lock);
	return q->head != NULL || q->closing;
}

static void *serve(void *argument) {
	struct queue *q = argument;
	own = q;
	trap_worker();
	pthread_setname_np(pthread_self(), q->name);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	pthread_mutex_lock(&q->lock);
	for (;;) {
		struct operation *op = q->head;
		if (op == NULL) {
			if (q->closing)
				break;
			if (look_out(q))
				continue;
			q->idle = true;
			pthread_cond_wait(&q->work, &q->lock);
			q->idle = false;
			continue;
		}
		q->head = op->next;
		if (q->head == NULL)
			q->tail = &q->head;
		pthread_mutex_unlock(&q->lock);
		carry_out(op);
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	pthread_mutex_lock(&list_lock);
	running--;
	pthread_cond_broadcast(&list_changed);
	pthread_mutex_unlock(&list_lock);
	return NULL;
}

/* Signals of the process are for its own threads; but faults are trapped here. */
static void start(struct queue *q) {
	sigset_t all, before;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 4 << 20);
	running++;
	int e = pthread_create(&q->thread, &attributes, serve, q);
	if (e != 0) {
		fprintf(stderr, "simulated CUDA driver: no thread for a stream: %s\n", strerror(e));
		abort();
	}
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	q->started = true;
}

uint64_t queue_push(struct queue *q, struct operation *op) {
	pthread_mutex_lock(&q->lock);
	if (!q->started)
		start(q);
	/* Here, so that a stream's numbers rise along its queue. */
	uint64_t seq = op->seq = atomic_fetch_add(&op->stream->submitted, 1) + 1;
	op->next = NULL;
	*q->tail = op;
	q->tail = &op->next;
	atomic_fetch_add(&q->pushed, 1);
	bool wake = q->idle;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		pthread_cond_signal(&q->work);
	return seq;
}

/* The thread ends when it has done everything. */
void queue_close(struct queue *q) {
	pthread_mutex_lock(&q->lock);
	q->closing = true;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_signal(&q->work);
}

/* Ends all threads, leaving out what they have not begun. */
void queues_reset(void) {
	atomic_store(&aborting, true);
	values_wake();
	pthread_mutex_lock(&list_lock);
	struct queue *first = list; /* the others never change */
	pthread_mutex_unlock(&list_lock);
	for (struct queue *q = first; q != NULL; q = q->next) {
		queue_close(q);
		queue_kill(q, NULL);
	}
	pthread_mutex_lock(&list_lock);
	struct timespec limit;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 30;
	while (running > 0) {
		if (pthread_cond_timedwait(&list_changed, &list_lock, &limit) != 0) {
			fprintf(stderr, "simulated CUDA driver: a host function or kernel does not end\n");
			abort();
		}
	}
	/* Those of the era before last, which nobody can be using. */
	static struct queue *buried;
	while (buried != NULL) {
		struct queue *q = buried;
		buried = q->next;
		pthread_mutex_destroy(&q->lock);
		pthread_cond_destroy(&q->work);
		free(q);
	}
	buried = list;
	list = NULL;
	pthread_mutex_unlock(&list_lock);
	atomic_store(&aborting, false);
}
