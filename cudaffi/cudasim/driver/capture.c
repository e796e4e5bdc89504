/* Capture of streams into graphs, as far as it takes to be noticed: what is put
 * on a stream meanwhile is checked and then forgotten, what may not be called
 * is refused and breaks the capture, and graphs are empty. */
#include "sim.h"

#include <stdlib.h>

struct capture {
	struct capture *next;
	uint64_t id;
	CUstreamCaptureMode mode;
	pthread_t thread;
	struct stream *origin;
	bool active, broken;
	struct { struct stream *stream; bool joined; } members[32];
	size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct capture *list;
static atomic_uint active;
static uint64_t ids;
static _Thread_local CUstreamCaptureMode thread_mode;

static void end(struct capture *c) {
	for (size_t i = 0; i < c->count; i++)
		c->members[i].stream->capture = NULL;
	c->active = false;
	active--;
}

int capture_submit(struct stream *s) {
	if (atomic_load_explicit(&active, memory_order_relaxed) == 0)
		return CUDA_SUCCESS;
	int r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	struct capture *c = s->capture;
	if (c != NULL) {
		r = c->broken ? (int)CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CAPTURED;
		for (size_t i = 0; i < c->count; i++)
			if (c->members[i].stream == s)
				c->members[i].joined = s == c->origin;
	} else if (s == s->o.context->legacy) {
		/* It would have to wait for what is not being done. */
		for (c = list; c != NULL; c = c->next) {
			if (c->active && c->origin->o.context == s->o.context && (c->origin->flags & CU_STREAM_NON_BLOCKING) == 0) {
				c->broken = true;
				r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult capture_refuses(struct stream *s) {
	if (atomic_load_explicit(&active, memory_order_relaxed) == 0)
		return CUDA_SUCCESS;
	CUresult r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	struct capture *c = s->capture;
	if (c != NULL) {
		r = c->broken ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		c->broken = true;
	}
	pthread_mutex_unlock(&lock);
	return r != CUDA_SUCCESS || s != s->o.context->legacy ? r : (CUresult)(capture_submit(s) > 0 ? CUDA_ERROR_STREAM_CAPTURE_IMPLICIT : CUDA_SUCCESS);
}

/* Calls that are unsafe during a capture are refused to the thread that
 * captures, and to all threads during a capture in global mode. */
CUresult capture_forbids(void) {
	if (atomic_load_explicit(&active, memory_order_relaxed) == 0 || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_SUCCESS;
	CUresult r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	for (struct capture *c = list; c != NULL; c = c->next) {
		if (!c->active || c->mode == CU_STREAM_CAPTURE_MODE_RELAXED)
			continue;
		bool own = pthread_equal(c->thread, pthread_self());
		if (own || (c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL)) {
			c->broken = true;
			r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		}
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult capture_join(struct stream *s, struct capture *c, struct stream *other) {
	CUresult r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	if (c->broken) {
		r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	} else if (s->capture == c) {
		for (size_t i = 0; i < c->count; i++)
			if (c->members[i].stream == other)
				c->members[i].joined = true;
	} else if (s->capture != NULL) {
		c->broken = true;
		r = CUDA_ERROR_STREAM_CAPTURE_MERGE;
	} else if (s == s->o.context->legacy || c->count == LENGTH(c->members)) {
		c->broken = true;
		r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	} else {
		s->capture = c;
		c->members[c->count].stream = s;
		c->members[c->count++].joined = false;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult capture_isolated(struct stream *s) {
	pthread_mutex_lock(&lock);
	struct capture *c = s->capture;
	if (c != NULL)
		c->broken = true;
	pthread_mutex_unlock(&lock);
	return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
}

bool capture_alive(struct capture *c) {
	pthread_mutex_lock(&lock);
	bool alive = c->active;
	pthread_mutex_unlock(&lock);
	return alive;
}

API CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
	ENTER(cuStreamBeginCapture_v2);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	if (s == s->o.context->legacy)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	pthread_mutex_lock(&lock);
	if (s->capture != NULL) {
		((struct capture *)s->capture)->broken = true;
		r = CUDA_ERROR_ILLEGAL_STATE;
	} else {
		struct capture *c = calloc(1, sizeof *c);
		c->id = ++ids;
		c->mode = mode;
		c->thread = pthread_self();
		c->origin = s;
		c->active = true;
		c->members[0].stream = s;
		c->members[0].joined = true;
		c->count = 1;
		c->next = list;
		list = c;
		s->capture = c;
		active++;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

API CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
	ENTER(cuStreamEndCapture);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (graph == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*graph = NULL;
	pthread_mutex_lock(&lock);
	struct capture *c = s->capture;
	if (c == NULL) {
		r = CUDA_ERROR_ILLEGAL_STATE;
	} else if (c->origin != s) {
		c->broken = true;
		r = CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	} else if (c->mode != CU_STREAM_CAPTURE_MODE_RELAXED && !pthread_equal(c->thread, pthread_self())) {
		c->broken = true;
		r = CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	} else {
		if (c->broken)
			r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
		for (size_t i = 0; i < c->count && r == CUDA_SUCCESS; i++)
			if (!c->members[i].joined)
				r = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
		end(c);
	}
	pthread_mutex_unlock(&lock);
	if (r == CUDA_SUCCESS) {
		struct object *g = calloc(1, sizeof *g);
		object_add(g, GRAPH, s->o.context);
		*graph = (CUgraph)g->handle;
	}
	return r;
}

static CUresult status(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id) {
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (status == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*status = CU_STREAM_CAPTURE_STATUS_NONE;
	pthread_mutex_lock(&lock);
	struct capture *c = s->capture;
	if (c != NULL) {
		*status = c->broken ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
		if (id != NULL)
			*id = c->id;
	} else if (s == s->o.context->legacy) {
		/* Asking is refused where using it would be, but breaks nothing. */
		for (c = list; c != NULL; c = c->next)
			if (c->active && c->origin->o.context == s->o.context && (c->origin->flags & CU_STREAM_NON_BLOCKING) == 0)
				r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

API CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *out) {
	ENTER(cuStreamIsCapturing);
	return status(stream, out, NULL);
}

API CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus *out, cuuint64_t *id, CUgraph *graph,
	const CUgraphNode **dependencies, size_t *count) {
	ENTER(cuStreamGetCaptureInfo_v2);
	if (graph != NULL)
		*graph = NULL;
	if (dependencies != NULL)
		*dependencies = NULL;
	if (count != NULL)
		*count = 0;
	return status(stream, out, id);
}

API CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
	ENTER(cuThreadExchangeStreamCaptureMode);
	if (mode == NULL || *mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	CUstreamCaptureMode before = thread_mode;
	thread_mode = *mode;
	*mode = before;
	return CUDA_SUCCESS;
}

API CUresult cuGraphDestroy(CUgraph graph) {
	ENTER_RELEASE(cuGraphDestroy);
	struct object *g = object_get(graph, GRAPH);
	if (g == NULL || !object_kill(g))
		return CUDA_ERROR_INVALID_HANDLE;
	LEAVE(CUDA_SUCCESS);
}

/* Streams are gone by now, or are about to. */
void captures_reset(void) {
	pthread_mutex_lock(&lock);
	while (list != NULL) {
		struct capture *c = list;
		list = c->next;
		free(c);
	}
	active = 0;
	pthread_mutex_unlock(&lock);
}
