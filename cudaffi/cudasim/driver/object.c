/* Handles. Each is used once, and none is an address of anything, so one that
 * is stale or was never given out is recognised whatever is done with it. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { STEP = 64, MOST = 1 << 24 };
static const uintptr_t first = 0x5ca1ab1e0000;

const char *const kind_names[KINDS] = {"context", "stream", "event", "module", "function", "graph"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(_Atomic(struct object *) *) table;
static atomic_size_t used;
static size_t oldest; /* of those since the reset */

void object_add(struct object *o, enum kind kind, struct context *c) {
	pthread_mutex_lock(&lock);
	if (table == NULL) {
		void *m = mmap(NULL, MOST * sizeof *table, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (m == MAP_FAILED) {
			perror("simulated CUDA driver: no room for handles");
			abort();
		}
		table = m;
	}
	size_t i = used;
	if (i == MOST) {
		fprintf(stderr, "simulated CUDA driver: more than %d handles\n", MOST);
		abort();
	}
	o->kind = kind;
	o->context = c;
	o->handle = first + i * STEP;
	atomic_store_explicit(&table[i], o, memory_order_release);
	atomic_store_explicit(&used, i + 1, memory_order_release);
	pthread_mutex_unlock(&lock);
}

void *object_get(const void *handle, enum kind kind) {
	uintptr_t at = (uintptr_t)handle - first;
	if (at % STEP != 0 || at / STEP >= atomic_load_explicit(&used, memory_order_acquire)) {
		fault("%p is not the handle of a %s", handle, kind_names[kind]);
		return NULL;
	}
	struct object *o = atomic_load_explicit(&table[at / STEP], memory_order_acquire);
	if (o == NULL) {
		fault("%p is the handle of an object from before the last reset, used as a %s", handle, kind_names[kind]);
		return NULL;
	}
	if (o->kind != kind) {
		fault("%p is the handle of a %s, used as a %s", handle, kind_names[o->kind], kind_names[kind]);
		return NULL;
	}
	if (atomic_load_explicit(&o->dead, memory_order_acquire)) {
		fault("%p is the handle of a %s that has been destroyed", handle, kind_names[kind]);
		return NULL;
	}
	return o;
}

/* False if somebody else destroyed it first. */
bool object_kill(struct object *o) { return !atomic_exchange(&o->dead, true); }

/* Calls f for the objects of a kind that are alive; of all contexts if c is NULL. */
void objects_each(enum kind kind, struct context *c, void (*f)(void *)) {
	for (size_t i = oldest; i < used; i++) {
		struct object *o = table[i];
		if (o->kind == kind && !o->dead && (c == NULL || o->context == c))
			f(o);
	}
}

static void destroy(struct object *o) {
	switch (o->kind) {
	case FUNCTION: {
		struct function *f = (struct function *)o;
		free(f->name);
		free(f->offsets);
		free(f->sizes);
		break;
	}
	case MODULE:
		free(((struct module *)o)->functions);
		break;
	default:
		break;
	}
	free(o);
}

/* The objects of the era before last, whose memory nobody can be using. */
static struct object **buried;
static size_t burials;

void objects_reset(void) {
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < burials; i++)
		destroy(buried[i]);
	burials = 0;
	buried = realloc(buried, (used - oldest + 1) * sizeof *buried);
	for (; oldest < used; oldest++)
		buried[burials++] = atomic_exchange(&table[oldest], NULL);
	pthread_mutex_unlock(&lock);
}
