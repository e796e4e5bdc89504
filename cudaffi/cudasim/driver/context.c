/* Primary contexts, and which one is current in a thread. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct primary {
	struct context *context;
	unsigned retained, flags;
} primaries[MAX_DEVICES];
static atomic_int pushed;
static atomic_uint_fast64_t era; /* resets so far */

/* What contexts left behind when they were destroyed. */
static uint64_t abandoned[KINDS], abandoned_ranges;

/* The contexts pushed by a thread, innermost last. */
static _Thread_local struct { uint64_t era; int depth; uintptr_t at[64]; } stack;

static void settle(void) {
	uint64_t now = atomic_load_explicit(&era, memory_order_relaxed);
	if (stack.era != now) {
		stack.era = now;
		stack.depth = 0;
	}
}

struct context *context_peek(void) {
	settle();
	if (stack.depth == 0 || stack.at[stack.depth - 1] == 0)
		return NULL;
	return object_get((void *)stack.at[stack.depth - 1], CONTEXT);
}

CUresult context_current(struct context **c) {
	settle();
	if (stack.depth == 0 || stack.at[stack.depth - 1] == 0)
		return CUDA_ERROR_INVALID_CONTEXT;
	*c = object_get((void *)stack.at[stack.depth - 1], CONTEXT);
	if (*c == NULL)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	return (CUresult)atomic_load_explicit(&(*c)->error, memory_order_relaxed);
}

void context_poison(struct context *c, CUresult error) {
	int none = CUDA_SUCCESS;
	if (!atomic_compare_exchange_strong(&c->error, &none, (int)error))
		return;
	pthread_mutex_lock(&c->order);
	for (struct stream *s = c->streams; s != NULL; s = s->next)
		queue_kill(s->queue, c);
	pthread_mutex_unlock(&c->order);
	values_wake();
}

/* Does that to a device, as if by an error of the hardware. */
bool contexts_lose(int device, CUresult error) {
	pthread_mutex_lock(&lock);
	struct context *c = device >= 0 && device < MAX_DEVICES ? primaries[device].context : NULL;
	if (c != NULL)
		context_poison(c, error);
	pthread_mutex_unlock(&lock);
	return c != NULL;
}

static struct context *create(int device) {
	struct context *c = calloc(1, sizeof *c);
	c->device = device;
	c->peers = 1u << device;
	pthread_mutex_init(&c->order, NULL);
	object_add(&c->o, CONTEXT, c);
	c->legacy = stream_new(c, CU_STREAM_DEFAULT, 0, true);
	return c;
}

static _Thread_local bool forgiven;

static void abandon(void *object) {
	struct object *o = object;
	/* Functions belong to modules. */
	if (object_kill(o) && !forgiven && o->kind != FUNCTION)
		abandoned[o->kind]++;
}

/* A context takes all its objects with it; what the program should have
 * released itself is remembered, but not of a context that failed, in which
 * nothing can be released. */
static CUresult destroy(struct context *c) {
	CUresult r = context_drain(c, "destroying a context");
	forgiven = c->error != CUDA_SUCCESS;
	for (enum kind k = EVENT; k < KINDS; k++)
		objects_each(k, c, abandon);
	pthread_mutex_lock(&c->order);
	for (struct stream *s = c->streams; s != NULL; s = s->next)
		if (!s->o.dead && !s->is_default && !forgiven)
			abandoned[STREAM]++;
	pthread_mutex_unlock(&c->order);
	context_retire_streams(c);
	uint64_t ranges = memory_release_context(c);
	if (!forgiven)
		abandoned_ranges += ranges;
	object_kill(&c->o);
	return r;
}

static bool is_device(CUdevice device) { return device >= 0 && (uint64_t)device < settings.devices; }

API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
	ENTER(cuDevicePrimaryCtxRetain);
	if (context == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	struct primary *p = &primaries[device];
	if (p->context == NULL)
		p->context = create(device);
	p->retained++;
	*context = (CUcontext)p->context->o.handle;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
	ENTER_RELEASE(cuDevicePrimaryCtxRelease_v2);
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	CUresult r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	struct primary *p = &primaries[device];
	if (p->retained == 0) {
		fault("the primary context of device %d was released more often than retained", device);
		r = CUDA_ERROR_INVALID_CONTEXT;
	} else if (--p->retained == 0) {
		r = destroy(p->context);
		p->context = NULL;
	}
	pthread_mutex_unlock(&lock);
	LEAVE(r);
}

API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
	ENTER(cuDevicePrimaryCtxReset_v2);
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	CUresult r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	struct primary *p = &primaries[device];
	if (p->context != NULL) {
		r = destroy(p->context);
		p->context = p->retained > 0 ? create(device) : NULL;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
	ENTER(cuDevicePrimaryCtxSetFlags_v2);
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	primaries[device].flags = flags;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active) {
	ENTER(cuDevicePrimaryCtxGetState);
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	*flags = primaries[device].flags;
	*active = primaries[device].context != NULL;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

API CUresult cuCtxPushCurrent_v2(CUcontext context) {
	ENTER(cuCtxPushCurrent_v2);
	settle();
	if (object_get(context, CONTEXT) == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (stack.depth == LENGTH(stack.at)) {
		fault("a thread has pushed %d contexts and popped none of them", stack.depth);
		return CUDA_ERROR_INVALID_CONTEXT;
	}
	stack.at[stack.depth++] = (uintptr_t)context;
	pushed++;
	return CUDA_SUCCESS;
}

API CUresult cuCtxPopCurrent_v2(CUcontext *context) {
	ENTER_RELEASE(cuCtxPopCurrent_v2);
	settle();
	if (stack.depth == 0)
		return CUDA_ERROR_INVALID_CONTEXT;
	uintptr_t popped = stack.at[--stack.depth];
	pushed--;
	if (context != NULL)
		*context = (CUcontext)popped;
	LEAVE(CUDA_SUCCESS);
}

/* Replaces the innermost context; what it makes of an empty stack is no push
 * that anybody would pop. */
API CUresult cuCtxSetCurrent(CUcontext context) {
	ENTER(cuCtxSetCurrent);
	settle();
	if (context != NULL && object_get(context, CONTEXT) == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (stack.depth == 0) {
		if (context == NULL)
			return CUDA_SUCCESS;
		stack.depth = 1;
		pushed++;
	}
	stack.at[stack.depth - 1] = (uintptr_t)context;
	if (context == NULL) {
		stack.depth--;
		pushed--;
	}
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetCurrent(CUcontext *context) {
	ENTER(cuCtxGetCurrent);
	if (context == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	settle();
	*context = stack.depth == 0 ? NULL : (CUcontext)stack.at[stack.depth - 1];
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetDevice(CUdevice *device) {
	ENTER(cuCtxGetDevice);
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	*device = c->device;
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetFlags(unsigned int *flags) {
	ENTER(cuCtxGetFlags);
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&lock);
	*flags = primaries[c->device].flags;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetId(CUcontext context, unsigned long long *id) {
	ENTER(cuCtxGetId);
	struct context *c = context == NULL ? context_peek() : object_get(context, CONTEXT);
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	*id = c->o.handle;
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetApiVersion(CUcontext context, unsigned int *version) {
	ENTER(cuCtxGetApiVersion);
	struct context *c = context == NULL ? context_peek() : object_get(context, CONTEXT);
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	*version = 3020;
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
	ENTER(cuCtxGetStreamPriorityRange);
	NEED_CONTEXT(c);
	if (least != NULL)
		*least = 0;
	if (greatest != NULL)
		*greatest = -5;
	return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize(void) {
	ENTER(cuCtxSynchronize);
	NEED_CONTEXT(c);
	NOT_CAPTURING();
	CUresult r = context_drain(c, "cuCtxSynchronize");
	return r != CUDA_SUCCESS ? r : (CUresult)c->error;
}

API CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
	ENTER(cuCtxEnablePeerAccess);
	NEED_CONTEXT(c);
	struct context *p = object_get(peer, CONTEXT);
	if (p == NULL || flags != 0)
		return p == NULL ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_INVALID_VALUE;
	if (p->device == c->device)
		return CUDA_ERROR_INVALID_DEVICE;
	unsigned bit = 1u << p->device;
	return (atomic_fetch_or(&c->peers, bit) & bit) != 0 ? CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED : CUDA_SUCCESS;
}

API CUresult cuCtxDisablePeerAccess(CUcontext peer) {
	ENTER(cuCtxDisablePeerAccess);
	NEED_CONTEXT(c);
	struct context *p = object_get(peer, CONTEXT);
	if (p == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	unsigned bit = 1u << p->device;
	return (atomic_fetch_and(&c->peers, ~bit) & bit) == 0 || p == c ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED : CUDA_SUCCESS;
}

int contexts_retained(void) {
	int n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_DEVICES; i++)
		n += (int)primaries[i].retained;
	pthread_mutex_unlock(&lock);
	return n;
}

int contexts_pushed(void) { return pushed; }

void contexts_say(struct text *t) {
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_DEVICES; i++)
		if (primaries[i].retained > 0)
			say(t, "the primary context of device %d, retained %u times\n", i, primaries[i].retained);
	if (pushed != 0)
		say(t, "contexts pushed or made current and not popped: %d\n", pushed);
	for (int k = 0; k < KINDS; k++)
		if (abandoned[k] > 0)
			say(t, "released only with their context: %llu of kind %s\n", (unsigned long long)abandoned[k], kind_names[k]);
	if (abandoned_ranges > 0)
		say(t, "released only with their context: %llu pieces of memory\n", (unsigned long long)abandoned_ranges);
	pthread_mutex_unlock(&lock);
}

void contexts_reset(void) {
	pthread_mutex_lock(&lock);
	memset(primaries, 0, sizeof primaries);
	memset(abandoned, 0, sizeof abandoned);
	abandoned_ranges = 0;
	pushed = 0;
	era++;
	pthread_mutex_unlock(&lock);
}
