/* Copies and fills. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

struct copy { uint64_t to, from; size_t n; const char *who; bool staged; };
struct bytes { unsigned char *to; const unsigned char *from; size_t n; };

static void move(void *argument) {
	struct bytes *b = argument;
	memmove(b->to, b->from, b->n);
}

static void illegal(struct operation *op, const char *who, uint64_t address) {
	char what[160];
	pthread_mutex_lock(&memory_lock);
	memory_describe(address, what, sizeof what);
	pthread_mutex_unlock(&memory_lock);
	fault("%s touched %s", who, what);
	context_poison(op->stream->o.context, CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* Looks the memory up again: it may have been freed since the call. */
static void run(struct operation *op) {
	struct copy *c = (struct copy *)op->data;
	struct bytes b = {NULL, op->data + sizeof *c, c->n};
	unsigned char *from;
	enum memory kind;
	uint64_t bad;
	if (memory_resolve(c->to, c->n, c->who, &b.to, &kind) != CUDA_SUCCESS ||
		(!c->staged && memory_resolve(c->from, c->n, c->who, &from, &kind) != CUDA_SUCCESS)) {
		context_poison(op->stream->o.context, CUDA_ERROR_ILLEGAL_ADDRESS);
		return;
	}
	if (!c->staged)
		b.from = from;
	if (!trapped(move, &b, &bad))
		illegal(op, c->who, bad);
}

enum want { ANY, HOST_SIDE, DEVICE_SIDE };

static bool fits(enum memory kind, enum want want) { return want == ANY || kind == MEMORY_PINNED || (kind == MEMORY_DEVICE) == (want == DEVICE_SIDE); }

/* Whether the call returns before the copy is done is up to the kind of memory:
 * what involves pageable memory is staged on the way in and waited for on the
 * way out, copies within the host are waited for, and the others are not. */
static CUresult copy(uint64_t to, enum want want_to, uint64_t from, enum want want_from, size_t n, CUstream stream, bool wait, const char *who) {
	NEED_CONTEXT(c);
	struct stream *s;
	CUresult r = stream_here(stream, c, &s);
	if (r != CUDA_SUCCESS || n == 0)
		return r;
	unsigned char *a, *b;
	enum memory kind_to, kind_from;
	if ((r = memory_resolve(to, n, who, &a, &kind_to)) != CUDA_SUCCESS ||
		(r = memory_resolve(from, n, who, &b, &kind_from)) != CUDA_SUCCESS)
		return r;
	if (!fits(kind_to, want_to) || !fits(kind_from, want_from)) {
		fault("%s: %s memory is on the wrong side", who, !fits(kind_to, want_to) ? "the destination's" : "the source's");
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (kind_to == MEMORY_PAGEABLE || (kind_to != MEMORY_DEVICE && kind_from != MEMORY_DEVICE))
		wait = true;
	else if (kind_to == MEMORY_DEVICE && kind_from == MEMORY_DEVICE)
		wait = false;
	bool stage = kind_from == MEMORY_PAGEABLE && !wait;
	if (wait || kind_from == MEMORY_PAGEABLE) {
		if ((r = capture_refuses(s)) != CUDA_SUCCESS)
			return r;
		NOT_CAPTURING();
	}
	struct operation *op = operation_new(sizeof(struct copy) + (stage ? n : 0), run);
	*(struct copy *)op->data = (struct copy){to, from, n, who, stage};
	if (stage) {
		struct bytes now = {op->data + sizeof(struct copy), b, n};
		uint64_t bad;
		if (!trapped(move, &now, &bad)) {
			free(op);
			fault("%s: the source is not readable at %#llx", who, (unsigned long long)bad);
			return CUDA_ERROR_INVALID_VALUE;
		}
	}
	uint64_t seq;
	if ((r = stream_submit(s, op, &seq)) == CUDA_SUCCESS && wait)
		r = stream_wait(s, seq, who);
	return r != CUDA_SUCCESS ? r : wait ? (CUresult)c->error : CUDA_SUCCESS;
}

API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n) {
	ENTER(cuMemcpy);
	return copy(to, ANY, from, ANY, n, CU_STREAM_LEGACY, true, "cuMemcpy");
}

API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream stream) {
	ENTER(cuMemcpyAsync);
	return copy(to, ANY, from, ANY, n, stream, false, "cuMemcpyAsync");
}

API CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t n) {
	ENTER(cuMemcpyPeer);
	if (object_get(to_context, CONTEXT) == NULL || object_get(from_context, CONTEXT) == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	return copy(to, DEVICE_SIDE, from, DEVICE_SIDE, n, CU_STREAM_LEGACY, false, "cuMemcpyPeer");
}

API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t n, CUstream stream) {
	ENTER(cuMemcpyPeerAsync);
	if (object_get(to_context, CONTEXT) == NULL || object_get(from_context, CONTEXT) == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	return copy(to, DEVICE_SIDE, from, DEVICE_SIDE, n, stream, false, "cuMemcpyPeerAsync");
}

API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t n) {
	ENTER(cuMemcpyHtoD_v2);
	return copy(to, DEVICE_SIDE, (uint64_t)from, HOST_SIDE, n, CU_STREAM_LEGACY, true, "cuMemcpyHtoD");
}

API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t n) {
	ENTER(cuMemcpyDtoH_v2);
	return copy((uint64_t)to, HOST_SIDE, from, DEVICE_SIDE, n, CU_STREAM_LEGACY, true, "cuMemcpyDtoH");
}

API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t n) {
	ENTER(cuMemcpyDtoD_v2);
	return copy(to, DEVICE_SIDE, from, DEVICE_SIDE, n, CU_STREAM_LEGACY, false, "cuMemcpyDtoD");
}

API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t n, CUstream stream) {
	ENTER(cuMemcpyHtoDAsync_v2);
	return copy(to, DEVICE_SIDE, (uint64_t)from, HOST_SIDE, n, stream, false, "cuMemcpyHtoDAsync");
}

API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t n, CUstream stream) {
	ENTER(cuMemcpyDtoHAsync_v2);
	return copy((uint64_t)to, HOST_SIDE, from, DEVICE_SIDE, n, stream, false, "cuMemcpyDtoHAsync");
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream stream) {
	ENTER(cuMemcpyDtoDAsync_v2);
	return copy(to, DEVICE_SIDE, from, DEVICE_SIDE, n, stream, false, "cuMemcpyDtoDAsync");
}

struct fill { uint64_t to; size_t n; uint32_t value; unsigned width; const char *who; };
struct filling { unsigned char *to; struct fill *f; };

static void repeat(void *argument) {
	struct filling *now = argument;
	struct fill *f = now->f;
	if (f->width == 1) {
		memset(now->to, (int)f->value, f->n);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		memcpy(now->to + i * f->width, &f->value, f->width);
}

static void run_fill(struct operation *op) {
	struct fill *f = (struct fill *)op->data;
	struct filling now = {NULL, f};
	enum memory kind;
	uint64_t bad;
	if (memory_resolve(f->to, f->n * f->width, f->who, &now.to, &kind) != CUDA_SUCCESS)
		context_poison(op->stream->o.context, CUDA_ERROR_ILLEGAL_ADDRESS);
	else if (!trapped(repeat, &now, &bad))
		illegal(op, f->who, bad);
}

/* Not waited for, in the functions without a stream neither, unless the memory
 * is the host's. */
static CUresult fill(uint64_t to, unsigned width, uint32_t value, size_t n, CUstream stream, bool wait, const char *who) {
	NEED_CONTEXT(c);
	struct stream *s;
	CUresult r = stream_here(stream, c, &s);
	if (r != CUDA_SUCCESS || n == 0)
		return r;
	unsigned char *host;
	enum memory kind;
	if (to % width != 0 || n > SIZE_MAX / width)
		return CUDA_ERROR_INVALID_VALUE;
	if ((r = memory_resolve(to, n * width, who, &host, &kind)) != CUDA_SUCCESS)
		return r;
	if (kind == MEMORY_PAGEABLE)
		return CUDA_ERROR_INVALID_VALUE;
	struct operation *op = operation_new(sizeof(struct fill), run_fill);
	*(struct fill *)op->data = (struct fill){to, n, value, width, who};
	uint64_t seq;
	if ((r = stream_submit(s, op, &seq)) == CUDA_SUCCESS && wait && kind != MEMORY_DEVICE)
		r = stream_wait(s, seq, who);
	return r;
}

API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t n) {
	ENTER(cuMemsetD8_v2);
	return fill(to, 1, value, n, CU_STREAM_LEGACY, true, "cuMemsetD8");
}

API CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t n) {
	ENTER(cuMemsetD16_v2);
	return fill(to, 2, value, n, CU_STREAM_LEGACY, true, "cuMemsetD16");
}

API CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned int value, size_t n) {
	ENTER(cuMemsetD32_v2);
	return fill(to, 4, value, n, CU_STREAM_LEGACY, true, "cuMemsetD32");
}

API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream) {
	ENTER(cuMemsetD8Async);
	return fill(to, 1, value, n, stream, false, "cuMemsetD8Async");
}

API CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t n, CUstream stream) {
	ENTER(cuMemsetD16Async);
	return fill(to, 2, value, n, stream, false, "cuMemsetD16Async");
}

API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t n, CUstream stream) {
	ENTER(cuMemsetD32Async);
	return fill(to, 4, value, n, stream, false, "cuMemsetD32Async");
}
