/* Streams: what is put on them, in which order, and waiting for it. */
#include "sim.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

static atomic_uint_fast64_t numbers;

struct operation *operation_new(size_t data, void (*run)(struct operation *)) {
	struct operation *op = malloc(sizeof *op + data);
	op->run = run;
	op->after = NULL;
	op->afters = 0;
	op->writes = true;
	op->failure = CUDA_SUCCESS;
	return op;
}

/* op starts only when s has done everything up to seq. */
void operation_after(struct operation *op, struct stream *s, uint64_t seq) {
	if (atomic_load(&s->completed) >= seq)
		return;
	if ((op->afters & (op->afters - 1)) == 0)
		op->after = realloc(op->after, (op->afters == 0 ? 1 : 2 * op->afters) * sizeof *op->after);
	op->after[op->afters++] = (struct dependency){s, seq};
}

struct stream *stream_new(struct context *c, unsigned flags, int priority, bool is_default) {
	struct stream *s = calloc(1, sizeof *s);
	s->flags = flags;
	s->priority = priority;
	s->is_default = is_default;
	s->number = ++numbers;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_lock(&c->order);
	if (settings.channels > 0) {
		/* Whatever the priority: an H100 keeps none apart. */
		uint64_t channel = c->made++ % settings.channels;
		if (c->shared[channel] == NULL)
			c->shared[channel] = queue_new(s->number);
		s->queue = c->shared[channel];
	} else {
		s->queue = queue_new(s->number);
		s->owns_queue = true;
	}
	object_add(&s->o, STREAM, c);
	s->next = c->streams;
	c->streams = s;
	pthread_mutex_unlock(&c->order);
	return s;
}

/* What is on it is still done. */
void stream_retire(struct stream *s) {
	if (object_kill(&s->o) && s->owns_queue)
		queue_close(s->queue);
}

void stream_completed(struct stream *s, uint64_t seq) {
	atomic_store(&s->completed, seq);
	if (atomic_load(&s->waiters) == 0)
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->done);
	pthread_mutex_unlock(&s->lock);
}

CUresult stream_wait(struct stream *s, uint64_t seq, const char *who) {
	if (atomic_load(&s->completed) >= seq)
		return CUDA_SUCCESS;
	uint64_t now = nanoseconds(), soon = now + 20000, until = now + settings.patience_ms * 1000000;
	while (nanoseconds() < soon) {
		sched_yield();
		if (atomic_load(&s->completed) >= seq)
			return CUDA_SUCCESS;
	}
	struct timespec limit = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
	int e = 0;
	pthread_mutex_lock(&s->lock);
	atomic_fetch_add(&s->waiters, 1);
	while (atomic_load(&s->completed) < seq && e == 0)
		e = pthread_cond_timedwait(&s->done, &s->lock, &limit);
	bool done = atomic_load(&s->completed) >= seq;
	atomic_fetch_sub(&s->waiters, 1);
	pthread_mutex_unlock(&s->lock);
	if (done)
		return CUDA_SUCCESS;
	fault("%s has waited %llu ms for stream %llu of device %d, which is at operation %llu of %llu: it would hang", who,
		(unsigned long long)settings.patience_ms, (unsigned long long)s->number, s->o.context->device,
		(unsigned long long)s->completed, (unsigned long long)s->submitted);
	/* Like a watchdog, so that a test that hangs does so once. */
	context_poison(s->o.context, CUDA_ERROR_LAUNCH_TIMEOUT);
	return CUDA_ERROR_LAUNCH_TIMEOUT;
}

/* The stream of the calling thread in c, in place of stream 0 (handle 2). */
static struct stream *per_thread(struct context *c) {
	static _Thread_local struct { uintptr_t context; struct stream *stream; } own[MAX_DEVICES];
	if (own[c->device].context != c->o.handle) {
		own[c->device].context = c->o.handle;
		own[c->device].stream = stream_new(c, CU_STREAM_DEFAULT, 0, true);
	}
	return own[c->device].stream;
}

CUresult stream_find(CUstream handle, struct stream **s) {
	if (handle != NULL && handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD) {
		*s = object_get(handle, STREAM);
		return *s != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
	}
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	*s = handle == CU_STREAM_PER_THREAD ? per_thread(c) : c->legacy;
	return CUDA_SUCCESS;
}

CUresult stream_here(CUstream handle, struct context *c, struct stream **s) {
	CUresult r = stream_find(handle, s);
	if (r == CUDA_SUCCESS && (*s)->o.context != c) {
		fault("stream %llu is of device %d, the calling thread's context of device %d",
			(unsigned long long)(*s)->number, (*s)->o.context->device, c->device);
		r = CUDA_ERROR_INVALID_HANDLE;
	}
	return r;
}

static bool blocking(struct stream *s) { return (s->flags & CU_STREAM_NON_BLOCKING) == 0; }

/* Forgets streams that are destroyed and done. The caller holds the context's
 * order. */
static void prune(struct context *c) {
	for (struct stream **at = &c->streams; *at != NULL;) {
		struct stream *s = *at;
		if (s->o.dead && s->completed >= s->submitted)
			*at = s->next;
		else
			at = &s->next;
	}
}

/* Stream 0 waits for the streams that block with it, and they for it. The caller
 * holds the context's order. */
static void order(struct stream *s, struct operation *op) {
	struct context *c = s->o.context;
	if (s != c->legacy) {
		operation_after(op, c->legacy, c->legacy->submitted);
		return;
	}
	prune(c);
	for (struct stream *t = c->streams; t != NULL; t = t->next)
		if (blocking(t) && t != s)
			operation_after(op, t, t->submitted);
}

CUresult stream_room(struct stream *s) {
	uint64_t depth = settings.depth, submitted = s->submitted;
	if (submitted < depth || s->capture != NULL)
		return CUDA_SUCCESS;
	return stream_wait(s, submitted - depth + 1, "a call for which a stream had no room");
}

CUresult stream_submit(struct stream *s, struct operation *op, uint64_t *seq) {
	CUresult r = stream_room(s);
	if (r == CUDA_SUCCESS)
		return stream_put(s, op, seq);
	free(op->after);
	free(op);
	return r;
}

CUresult stream_put(struct stream *s, struct operation *op, uint64_t *seq) {
	struct context *c = s->o.context;
	*seq = 0;
	op->stream = s;
	int capture = capture_submit(s);
	if (capture != CUDA_SUCCESS) {
		free(op->after);
		free(op);
		return capture == CAPTURED ? CUDA_SUCCESS : (CUresult)capture;
	}
	if (op->writes && op->failure == CUDA_SUCCESS)
		op->failure = work_failing("");
	if (!blocking(s)) {
		*seq = queue_push(s->queue, op);
		return CUDA_SUCCESS;
	}
	pthread_mutex_lock(&c->order);
	order(s, op);
	*seq = queue_push(s->queue, op);
	pthread_mutex_unlock(&c->order);
	return CUDA_SUCCESS;
}

static void nothing(struct operation *op) { (void)op; }

/* Stream 0 is idle when the streams that it would wait for are. */
bool stream_idle(struct stream *s) {
	struct context *c = s->o.context;
	if (s != c->legacy)
		return s->completed >= s->submitted;
	bool idle = true;
	pthread_mutex_lock(&c->order);
	for (struct stream *t = c->streams; t != NULL && idle; t = t->next)
		idle = !blocking(t) || t->completed >= t->submitted;
	pthread_mutex_unlock(&c->order);
	return idle;
}

/* Waits for all work of the context, that of destroyed streams too. */
CUresult context_drain(struct context *c, const char *who) {
	enum { MOST = 4096 };
	struct dependency *all = malloc(MOST * sizeof *all);
	size_t n = 0;
	pthread_mutex_lock(&c->order);
	prune(c);
	for (struct stream *s = c->streams; s != NULL && n < MOST; s = s->next)
		all[n++] = (struct dependency){s, s->submitted};
	pthread_mutex_unlock(&c->order);
	CUresult r = CUDA_SUCCESS;
	for (size_t i = 0; i < n && r == CUDA_SUCCESS; i++)
		r = stream_wait(all[i].stream, all[i].seq, who);
	free(all);
	return r;
}

void context_retire_streams(struct context *c) {
	pthread_mutex_lock(&c->order);
	for (struct stream *s = c->streams; s != NULL; s = s->next)
		stream_retire(s);
	prune(c);
	pthread_mutex_unlock(&c->order);
}

/* Allocating, freeing and loading may wait for the device, and so does everybody
 * who does it while a stream waits for what only he can bring about. */
CUresult implicit_sync(struct context *c, const char *who) {
	return settings.strict ? context_drain(c, who) : CUDA_SUCCESS;
}

static CUresult make_stream(CUstream *out, unsigned flags, int priority) {
	NEED_CONTEXT(c);
	if (out == NULL || (flags & ~(unsigned)CU_STREAM_NON_BLOCKING) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (priority < -5)
		priority = -5;
	if (priority > 0)
		priority = 0;
	*out = (CUstream)stream_new(c, flags, priority, false)->o.handle;
	return CUDA_SUCCESS;
}

API CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
	ENTER(cuStreamCreate);
	return make_stream(stream, flags, 0);
}

API CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int priority) {
	ENTER(cuStreamCreateWithPriority);
	return make_stream(stream, flags, priority);
}

API CUresult cuStreamDestroy_v2(CUstream stream) {
	ENTER_RELEASE(cuStreamDestroy_v2);
	if (stream == NULL || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD)
		return CUDA_ERROR_INVALID_HANDLE;
	struct stream *s = object_get(stream, STREAM);
	if (s == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	stream_retire(s);
	LEAVE((CUresult)s->o.context->error);
}

API CUresult cuStreamQuery(CUstream stream) {
	ENTER(cuStreamQuery);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS || (r = capture_refuses(s)) != CUDA_SUCCESS)
		return r;
	if (s->o.context->error != CUDA_SUCCESS)
		return (CUresult)s->o.context->error;
	if (!stream_idle(s))
		return CUDA_ERROR_NOT_READY;
	return (CUresult)s->o.context->error;
}

API CUresult cuStreamSynchronize(CUstream stream) {
	ENTER(cuStreamSynchronize);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS || (r = capture_refuses(s)) != CUDA_SUCCESS)
		return r;
	if (s == s->o.context->legacy) {
		struct operation *op = operation_new(0, nothing);
		uint64_t seq;
		op->writes = false;
		if ((r = stream_submit(s, op, &seq)) == CUDA_SUCCESS)
			r = stream_wait(s, seq, "cuStreamSynchronize");
	} else {
		r = stream_wait(s, s->submitted, "cuStreamSynchronize");
	}
	return r != CUDA_SUCCESS ? r : (CUresult)s->o.context->error;
}

API CUresult cuStreamGetPriority(CUstream stream, int *priority) {
	ENTER(cuStreamGetPriority);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r == CUDA_SUCCESS)
		*priority = s->priority;
	return r;
}

API CUresult cuStreamGetFlags(CUstream stream, unsigned int *flags) {
	ENTER(cuStreamGetFlags);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r == CUDA_SUCCESS)
		*flags = s->flags;
	return r;
}

API CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
	ENTER(cuStreamGetCtx);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r == CUDA_SUCCESS)
		*context = (CUcontext)s->o.context->o.handle;
	return r;
}

API CUresult cuStreamGetId(CUstream stream, unsigned long long *id) {
	ENTER(cuStreamGetId);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r == CUDA_SUCCESS)
		*id = s->number;
	return r;
}
