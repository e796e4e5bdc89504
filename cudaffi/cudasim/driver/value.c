/* Streams that wait for a word of memory, or write one. The word may lie in
 * memory that the host writes to, so they have to look; but what the simulator
 * itself writes wakes them. */
#include "sim.h"

#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static atomic_int waiting;
static atomic_uint_fast64_t generation;

__attribute__((constructor)) static void start(void) {
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &monotonic);
}

void values_wake(void) {
	if (atomic_load(&waiting) == 0)
		return;
	pthread_mutex_lock(&lock);
	generation++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

struct value { uint64_t address, value; unsigned flags; bool wide; };

static bool met(struct value *v, const unsigned char *host) {
	uint64_t now = v->wide ? atomic_load((const _Atomic uint64_t *)host) : atomic_load((const _Atomic uint32_t *)host);
	uint64_t mask = v->wide ? UINT64_MAX : UINT32_MAX;
	switch (v->flags & 3) {
	case CU_STREAM_WAIT_VALUE_GEQ:
		/* On a circle: a counter may wrap around. */
		return v->wide ? (int64_t)(now - v->value) >= 0 : (int32_t)((uint32_t)now - (uint32_t)v->value) >= 0;
	case CU_STREAM_WAIT_VALUE_EQ:
		return now == v->value;
	case CU_STREAM_WAIT_VALUE_AND:
		return (now & v->value) != 0;
	default:
		return (~(now | v->value) & mask) != 0;
	}
}

/* The word could be freed while the stream waits, as the real one would learn
 * too: an illegal address. */
static bool find(struct operation *op, const char *who, unsigned char **host) {
	struct value *v = (struct value *)op->data;
	enum memory kind;
	if (memory_resolve(v->address, v->wide ? 8 : 4, who, host, &kind) == CUDA_SUCCESS && kind != MEMORY_PAGEABLE)
		return true;
	context_poison(op->stream->o.context, CUDA_ERROR_ILLEGAL_ADDRESS);
	return false;
}

struct look { struct value *value; unsigned char *host; bool met; };

static void look(void *argument) {
	struct look *l = argument;
	l->met = met(l->value, l->host);
}

/* Whether the wait is over. */
static bool over(struct operation *op) {
	struct look l = {(struct value *)op->data, NULL, false};
	struct context *c = op->stream->o.context;
	uint64_t bad;
	if (!find(op, "a stream's wait for a value", &l.host))
		return true;
	if (!trapped(look, &l, &bad))
		context_poison(c, CUDA_ERROR_ILLEGAL_ADDRESS);
	return l.met || atomic_load(&aborting) || atomic_load(&c->error) != CUDA_SUCCESS;
}

static void run_wait(struct operation *op) {
	uint64_t pause = 10000;
	/* Before looking, so that whoever writes afterwards sees that somebody waits. */
	atomic_fetch_add(&waiting, 1);
	for (;;) {
		uint64_t seen = generation;
		if (over(op))
			break;
		uint64_t until = nanoseconds() + pause;
		struct timespec limit = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
		pthread_mutex_lock(&lock);
		if (generation == seen)
			pthread_cond_timedwait(&changed, &lock, &limit);
		pthread_mutex_unlock(&lock);
		if (pause < 250000)
			pause *= 2;
	}
	atomic_fetch_sub(&waiting, 1);
}

static void store(void *argument) {
	struct look *l = argument;
	if (l->value->wide)
		atomic_store((_Atomic uint64_t *)l->host, l->value->value);
	else
		atomic_store((_Atomic uint32_t *)l->host, (uint32_t)l->value->value);
}

static void run_write(struct operation *op) {
	struct look l = {(struct value *)op->data, NULL, false};
	uint64_t bad;
	if (find(op, "a stream's write of a value", &l.host) && !trapped(store, &l, &bad))
		context_poison(op->stream->o.context, CUDA_ERROR_ILLEGAL_ADDRESS);
}

static CUresult put(CUstream stream, struct value v, unsigned allowed, const char *who, void (*run)(struct operation *)) {
	NEED_CONTEXT(c);
	struct stream *s;
	CUresult r = stream_here(stream, c, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (!settings.values)
		return CUDA_ERROR_NOT_SUPPORTED;
	if ((v.flags & ~allowed) != 0 || v.address % (v.wide ? 8 : 4) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	unsigned char *host;
	enum memory kind;
	if ((r = memory_resolve(v.address, v.wide ? 8 : 4, who, &host, &kind)) != CUDA_SUCCESS)
		return r;
	if (kind == MEMORY_PAGEABLE) {
		fault("%s: %#llx is memory that the device does not see", who, (unsigned long long)v.address);
		return CUDA_ERROR_INVALID_VALUE;
	}
	struct operation *op = operation_new(sizeof v, run);
	*(struct value *)op->data = v;
	op->writes = run == run_write;
	uint64_t seq;
	return stream_submit(s, op, &seq);
}

enum { WAIT_FLAGS = 3 | CU_STREAM_WAIT_VALUE_FLUSH, WRITE_FLAGS = CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER };

API CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
	ENTER(cuStreamWaitValue32_v2);
	return put(stream, (struct value){address, value, flags, false}, WAIT_FLAGS, "cuStreamWaitValue32", run_wait);
}

API CUresult cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned int flags) {
	ENTER(cuStreamWaitValue64_v2);
	return put(stream, (struct value){address, value, flags, true}, WAIT_FLAGS, "cuStreamWaitValue64", run_wait);
}

API CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
	ENTER(cuStreamWriteValue32_v2);
	return put(stream, (struct value){address, value, flags, false}, WRITE_FLAGS, "cuStreamWriteValue32", run_write);
}

API CUresult cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned int flags) {
	ENTER(cuStreamWriteValue64_v2);
	return put(stream, (struct value){address, value, flags, true}, WRITE_FLAGS, "cuStreamWriteValue64", run_write);
}
