/* Host memory of the program that it has registered with the driver. */
#include "sim.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* No region of its own, just the list. */
static struct arena registered = {.file = -1};

struct range *registered_find(uint64_t address) { return arena_find(&registered, address); }

/* Whether all pages exist, as far as the system tells. */
static bool mapped(uint64_t base, size_t size) {
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), lo = base / page * page;
	size_t pages = (base + size - lo + page - 1) / page;
	unsigned char *present = malloc(pages);
	bool ok = mincore((void *)lo, pages * page, present) == 0;
	free(present);
	return ok;
}

API CUresult cuMemHostRegister_v2(void *memory, size_t size, unsigned int flags) {
	ENTER(cuMemHostRegister_v2);
	NEED_CONTEXT(c);
	NOT_CAPTURING();
	uint64_t base = (uint64_t)memory;
	unsigned known = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;
	if (memory == NULL || size == 0 || base + size < base || (flags & ~known) != 0 || !mapped(base, size))
		return CUDA_ERROR_INVALID_VALUE;
	CUresult r = implicit_sync(c, "cuMemHostRegister");
	if (r != CUDA_SUCCESS)
		return r;
	pthread_mutex_lock(&memory_lock);
	for (size_t i = 0; i < registered.count; i++)
		if (registered.ranges[i].base < base + size && registered.ranges[i].base + registered.ranges[i].size > base)
			r = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	if (in_arena(&device_arena, base))
		r = CUDA_ERROR_INVALID_VALUE;
	if (in_arena(&host_arena, base))
		r = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	if (r == CUDA_SUCCESS) {
		struct range *new = arena_insert(&registered, base, base + size);
		new->base = base;
		new->size = size;
		new->where = REGISTERED;
		new->context = c;
		new->device = c->device;
		new->flags = flags;
	}
	pthread_mutex_unlock(&memory_lock);
	return r;
}

API CUresult cuMemHostUnregister(void *memory) {
	ENTER_RELEASE(cuMemHostUnregister);
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	NOT_CAPTURING();
	CUresult r = implicit_sync(c, "cuMemHostUnregister");
	if (r != CUDA_SUCCESS)
		return r;
	pthread_mutex_lock(&memory_lock);
	struct range *found = registered_find((uint64_t)memory);
	if (found == NULL || found->base != (uint64_t)memory) {
		r = found == NULL ? CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED : CUDA_ERROR_INVALID_VALUE;
	} else {
		r = (CUresult)found->context->error;
		arena_remove(&registered, found);
	}
	pthread_mutex_unlock(&memory_lock);
	LEAVE(r);
}

/* The caller holds memory_lock. */
uint64_t registered_release_context(struct context *c) {
	uint64_t n = 0;
	for (size_t i = registered.count; i-- > 0;) {
		if (c == NULL || registered.ranges[i].context == c) {
			arena_remove(&registered, &registered.ranges[i]);
			n++;
		}
	}
	return n;
}

void registered_each(void (*f)(struct arena *, struct range *, void *), void *argument) {
	for (size_t i = 0; i < registered.count; i++)
		f(&registered, &registered.ranges[i], argument);
}
