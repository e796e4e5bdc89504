/* Events. One is done when the operation that its last record put on a stream is. */
#include "sim.h"

#include <stdlib.h>

struct event {
	struct object o;
	unsigned flags;
	pthread_mutex_t lock;
	struct stream *stream;   /* NULL: never recorded */
	uint64_t seq;
	uint64_t records;
	uint64_t time;           /* when the last record was carried out */
	struct capture *capture; /* it was recorded on a stream being captured */
};

API CUresult cuEventCreate(CUevent *event, unsigned int flags) {
	ENTER(cuEventCreate);
	NEED_CONTEXT(c);
	if (event == NULL || (flags & ~7u) != 0 || ((flags & CU_EVENT_INTERPROCESS) != 0 && (flags & CU_EVENT_DISABLE_TIMING) == 0))
		return CUDA_ERROR_INVALID_VALUE;
	struct event *e = calloc(1, sizeof *e);
	e->flags = flags;
	pthread_mutex_init(&e->lock, NULL);
	object_add(&e->o, EVENT, c);
	*event = (CUevent)e->o.handle;
	return CUDA_SUCCESS;
}

API CUresult cuEventDestroy_v2(CUevent event) {
	ENTER_RELEASE(cuEventDestroy_v2);
	struct event *e = object_get(event, EVENT);
	if (e == NULL || !object_kill(&e->o))
		return CUDA_ERROR_INVALID_HANDLE;
	LEAVE((CUresult)e->o.context->error);
}

struct record { struct event *event; uint64_t number; };

static void run(struct operation *op) {
	struct record *r = (struct record *)op->data;
	uint64_t now = nanoseconds();
	pthread_mutex_lock(&r->event->lock);
	if (r->event->records == r->number)
		r->event->time = now;
	pthread_mutex_unlock(&r->event->lock);
}

API CUresult cuEventRecord(CUevent event, CUstream stream) {
	ENTER(cuEventRecord);
	struct event *e = object_get(event, EVENT);
	if (e == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS)
		return r;
	struct context *c = e->o.context;
	if (c != s->o.context) {
		fault("an event of device %d was recorded on a stream of device %d", c->device, s->o.context->device);
		return CUDA_ERROR_INVALID_HANDLE;
	}
	if (c->error != CUDA_SUCCESS)
		return (CUresult)c->error;
	if ((r = stream_room(s)) != CUDA_SUCCESS)
		return r;
	struct operation *op = operation_new(sizeof(struct record), run);
	op->writes = false;
	/* Held until the record has its place, or a second one could overtake it. */
	pthread_mutex_lock(&e->lock);
	*(struct record *)op->data = (struct record){e, e->records + 1};
	struct capture *capture = s->capture;
	uint64_t seq;
	r = stream_put(s, op, &seq);
	if (r == CUDA_SUCCESS) {
		e->records++;
		e->stream = s;
		e->seq = seq;
		e->time = 0;
		e->capture = seq == 0 ? capture : NULL;
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

/* What to wait for; a stream of NULL for an event that was never recorded. */
static CUresult last(CUevent event, struct event **e, struct dependency *d, struct capture **capture) {
	*e = object_get(event, EVENT);
	if (*e == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&(*e)->lock);
	*d = (struct dependency){(*e)->stream, (*e)->seq};
	*capture = (*e)->capture;
	pthread_mutex_unlock(&(*e)->lock);
	return CUDA_SUCCESS;
}

/* The state of the event for the host. */
static CUresult look(CUevent event, struct event **e, struct dependency *d) {
	struct capture *capture;
	CUresult r = last(event, e, d, &capture);
	if (r != CUDA_SUCCESS)
		return r;
	if (capture != NULL && capture_alive(capture))
		return CUDA_ERROR_CAPTURED_EVENT;
	NOT_CAPTURING();
	return (CUresult)(*e)->o.context->error;
}

API CUresult cuEventQuery(CUevent event) {
	ENTER(cuEventQuery);
	struct event *e;
	struct dependency d;
	CUresult r = look(event, &e, &d);
	if (r != CUDA_SUCCESS)
		return r;
	if (d.stream != NULL && d.stream->completed < d.seq)
		return CUDA_ERROR_NOT_READY;
	return (CUresult)e->o.context->error;
}

API CUresult cuEventSynchronize(CUevent event) {
	ENTER(cuEventSynchronize);
	struct event *e;
	struct dependency d;
	CUresult r = look(event, &e, &d);
	if (r == CUDA_SUCCESS && d.stream != NULL)
		r = stream_wait(d.stream, d.seq, "cuEventSynchronize");
	return r != CUDA_SUCCESS ? r : (CUresult)e->o.context->error;
}

API CUresult cuEventElapsedTime(float *ms, CUevent from, CUevent to) {
	ENTER(cuEventElapsedTime);
	struct event *e[2];
	struct dependency d[2];
	CUevent handles[2] = {from, to};
	uint64_t at[2];
	for (int i = 0; i < 2; i++) {
		CUresult r = look(handles[i], &e[i], &d[i]);
		if (r != CUDA_SUCCESS)
			return r;
		if (d[i].stream == NULL || (e[i]->flags & CU_EVENT_DISABLE_TIMING) != 0)
			return CUDA_ERROR_INVALID_HANDLE;
		if (d[i].stream->completed < d[i].seq)
			return CUDA_ERROR_NOT_READY;
		pthread_mutex_lock(&e[i]->lock);
		at[i] = e[i]->time;
		pthread_mutex_unlock(&e[i]->lock);
	}
	*ms = (float)((double)(int64_t)(at[1] - at[0]) / 1e6);
	return CUDA_SUCCESS;
}

static void nothing(struct operation *op) { (void)op; }

API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
	ENTER(cuStreamWaitEvent);
	struct stream *s;
	CUresult r = stream_find(stream, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if ((flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	struct event *e;
	struct dependency d;
	struct capture *capture;
	if ((r = last(event, &e, &d, &capture)) != CUDA_SUCCESS)
		return r;
	if (s->o.context->error != CUDA_SUCCESS)
		return (CUresult)s->o.context->error;
	if (capture != NULL && capture_alive(capture))
		return capture_join(s, capture, d.stream);
	if (s->capture != NULL && d.stream != NULL && flags == 0)
		return capture_isolated(s);
	struct operation *op = operation_new(0, nothing);
	op->writes = false;
	if (d.stream != NULL && d.stream != s)
		operation_after(op, d.stream, d.seq);
	uint64_t seq;
	return stream_submit(s, op, &seq);
}
