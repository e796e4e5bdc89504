/* Kernels and host functions on streams. */
#include "sim.h"

#include <string.h>

struct launch {
	struct function *function;
	unsigned grid[3], block[3];
	void **params;
};

/* The context whose kernel this thread runs, and what it has translated lately. */
static _Thread_local struct {
	struct context *context;
	const char *kernel;
	struct { uint64_t base, size, shadow; } known[4];
	unsigned next;
	bool told;
} running;

static void refuse(uint64_t address, const char *why) {
	char what[160];
	trap_hold();
	pthread_mutex_lock(&memory_lock);
	memory_describe(address, what, sizeof what);
	pthread_mutex_unlock(&memory_lock);
	fault("kernel %s %s %s", running.kernel, why, what);
	running.told = true;
	trap_raise(address);
}

/* Kernels call this for every pointer among their parameters. Offsets from it
 * are not seen, but the pages around the memory are inaccessible. */
void *monel_host_translate(void *pointer);
void *monel_host_translate(void *pointer) {
	uint64_t address = (uint64_t)pointer;
	if (pointer == NULL || running.context == NULL)
		return pointer;
	queue_delay(16); /* a kernel that runs for long is to be late now and then */
	for (size_t i = 0; i < LENGTH(running.known); i++)
		if (address - running.known[i].base < running.known[i].size)
			return (void *)(address + running.known[i].shadow);
	struct arena *a;
	trap_hold();
	pthread_mutex_lock(&memory_lock);
	struct range *found = range_find(address, &a);
	if (found == NULL && a == NULL)
		found = registered_find(address);
	struct range r = found != NULL ? *found : (struct range){.live = false};
	pthread_mutex_unlock(&memory_lock);
	trap_let();
	if (a == NULL && found == NULL)
		refuse(address, "was given");
	uint64_t shadow = a != NULL ? a->shadow : 0;
	/* One beyond the end may be given where nothing is touched. */
	if (found == NULL)
		return (void *)(address + shadow);
	if (!r.live)
		refuse(address, "was given");
	bool device = r.where == DEVICE || r.where == IMPORTED;
	if (device && (running.context->peers & 1u << r.device) == 0)
		refuse(address, "has no access to");
	unsigned slot = running.next++ % LENGTH(running.known);
	running.known[slot].base = r.base;
	running.known[slot].size = r.size;
	running.known[slot].shadow = shadow;
	return (void *)(address + shadow);
}

static void call(void *argument) {
	struct launch *l = argument;
	l->function->kernel(l->grid, l->block, l->params);
}

static void run(struct operation *op) {
	struct launch *l = (struct launch *)op->data;
	struct context *c = op->stream->o.context;
	memset(&running, 0, sizeof running);
	running.context = c;
	running.kernel = l->function->name;
	uint64_t bad;
	queue_kernel(op->stream->queue, c);
	enum outcome outcome = trapped_kernel(call, l, c, &bad);
	queue_kernel(op->stream->queue, NULL);
	if (outcome == FAULTED) {
		if (!running.told) {
			char what[160];
			pthread_mutex_lock(&memory_lock);
			memory_describe(bad, what, sizeof what);
			pthread_mutex_unlock(&memory_lock);
			fault("kernel %s touched %s", l->function->name, what);
		}
		context_poison(c, CUDA_ERROR_ILLEGAL_ADDRESS);
	}
	running.context = NULL;
}

static bool shape_is_valid(const unsigned grid[3], const unsigned block[3]) {
	return grid[0] > 0 && grid[1] > 0 && grid[2] > 0 && grid[0] <= 0x7fffffff && grid[1] <= 65535 && grid[2] <= 65535 &&
		block[0] > 0 && block[1] > 0 && block[2] > 0 && block[0] <= 1024 && block[1] <= 1024 && block[2] <= 64;
}

API CUresult cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
	unsigned int bz, unsigned int shared, CUstream stream, void **params, void **extra) {
	ENTER(cuLaunchKernel);
	NEED_CONTEXT(c);
	struct function *f = object_get(function, FUNCTION);
	if (f == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	struct stream *s;
	CUresult r = stream_here(stream, c, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (f->o.context != c) {
		fault("kernel %s of device %d was launched on device %d", f->name, f->o.context->device, c->device);
		return CUDA_ERROR_INVALID_HANDLE;
	}
	const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
	unsigned most = f->dynamic_shared > 48 << 10 ? f->dynamic_shared : 48 << 10;
	if (!shape_is_valid(grid, block) || shared + f->static_shared > most || (f->count > 0 && params == NULL))
		return CUDA_ERROR_INVALID_VALUE;
	if (extra != NULL)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (bx * by * bz > f->max_threads)
		return bx * by * bz > 1024 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	if ((r = function_load(f, "the first launch of a kernel that cuFuncLoad has not loaded")) != CUDA_SUCCESS)
		return r;
	/* The launch, the pointers to its parameters, and these, whose values are
	 * those of now. */
	size_t pointers = (sizeof(struct launch) + 15) & ~15ul, values = (pointers + (f->count + 1) * sizeof(void *) + 15) & ~15ul;
	struct operation *op = operation_new(values + f->bytes, run);
	struct launch *l = (struct launch *)op->data;
	*l = (struct launch){f, {gx, gy, gz}, {bx, by, bz}, (void **)(op->data + pointers)};
	op->failure = work_failing(f->name);
	for (size_t i = 0; i < f->count; i++) {
		l->params[i] = op->data + values + f->offsets[i];
		memcpy(l->params[i], params[i], f->sizes[i]);
	}
	uint64_t seq;
	return stream_submit(s, op, &seq);
}

struct host_call { CUhostFn f; void *argument; };

static void run_host(struct operation *op) {
	struct host_call *h = (struct host_call *)op->data;
	in_host_function = true;
	h->f(h->argument);
	in_host_function = false;
}

API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn f, void *argument) {
	ENTER(cuLaunchHostFunc);
	NEED_CONTEXT(c);
	struct stream *s;
	CUresult r = stream_here(stream, c, &s);
	if (r != CUDA_SUCCESS)
		return r;
	if (f == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	struct operation *op = operation_new(sizeof(struct host_call), run_host);
	*(struct host_call *)op->data = (struct host_call){f, argument};
	uint64_t seq;
	return stream_submit(s, op, &seq);
}
