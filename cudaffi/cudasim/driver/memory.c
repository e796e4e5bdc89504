/* Allocation of device and of pinned host memory. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static atomic_uint_fast64_t used[MAX_DEVICES];

static bool on_device(const struct range *r) { return r->where == DEVICE || r->where == MANAGED; }

struct range *range_find(uint64_t address, struct arena **a) {
	*a = in_arena(&device_arena, address) ? &device_arena : in_arena(&host_arena, address) ? &host_arena : NULL;
	return *a != NULL ? arena_find(*a, address) : NULL;
}

void memory_describe(uint64_t address, char *buffer, size_t size) {
	struct arena *a;
	struct range *r = range_find(address, &a);
	if (r != NULL) {
		snprintf(buffer, size, "%#llx, byte %llu of %sallocation %llu (%s of %llu bytes, device %d)", (unsigned long long)address,
			(unsigned long long)(address - r->base), r->live ? "" : "the freed ", (unsigned long long)r->number,
			where_names[r->where], (unsigned long long)r->size, r->device);
		return;
	}
	if (a == NULL) {
		snprintf(buffer, size, "%#llx, neither device memory nor pinned nor registered", (unsigned long long)address);
		return;
	}
	/* The nearest before it is the likeliest to have been meant. */
	for (size_t i = 0; i < a->count; i++)
		if (a->ranges[i].base <= address)
			r = &a->ranges[i];
	if (r != NULL)
		snprintf(buffer, size, "%#llx, %llu bytes past the end of %sallocation %llu (%s of %llu bytes, device %d)",
			(unsigned long long)address, (unsigned long long)(address - r->base - r->size), r->live ? "" : "the freed ",
			(unsigned long long)r->number, where_names[r->where], (unsigned long long)r->size, r->device);
	else
		snprintf(buffer, size, "%#llx, before any allocation", (unsigned long long)address);
}

CUresult memory_resolve(uint64_t address, size_t n, const char *who, unsigned char **host, enum memory *kind) {
	pthread_mutex_lock(&memory_lock);
	struct arena *a;
	struct range *r = range_find(address, &a);
	*kind = a == &device_arena ? MEMORY_DEVICE : MEMORY_PINNED;
	if (a == NULL && (r = registered_find(address)) == NULL) {
		pthread_mutex_unlock(&memory_lock);
		*kind = MEMORY_PAGEABLE;
		*host = (unsigned char *)address;
		return CUDA_SUCCESS;
	}
	*host = (unsigned char *)(address + (a != NULL ? a->shadow : 0));
	bool ok = r != NULL && r->live && n <= r->size - (address - r->base);
	if (!ok) {
		char what[160];
		uint64_t at = address;
		if (r != NULL && r->live)
			at = r->base + r->size;
		if (a != NULL)
			memory_describe(at, what, sizeof what);
		else
			snprintf(what, sizeof what, "%#llx, past the end of registered memory", (unsigned long long)at);
		fault("%s: %zu bytes at %#llx reach %s", who, n, (unsigned long long)address, what);
	}
	pthread_mutex_unlock(&memory_lock);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* The address of new memory, 0 if there is none. */
static CUresult allocate(struct context *c, enum where where, size_t size, unsigned flags, const char *who, uint64_t *address) {
	if (size == 0)
		return CUDA_ERROR_INVALID_VALUE;
	NOT_CAPTURING();
	CUresult r = implicit_sync(c, who);
	if (r != CUDA_SUCCESS)
		return r;
	bool device = where != PINNED;
	if (device && atomic_fetch_add(&used[c->device], size) + size > settings.memory) {
		used[c->device] -= size;
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	struct arena *a = where == DEVICE ? &device_arena : &host_arena;
	pthread_mutex_lock(&memory_lock);
	struct range *new = arena_place(a, size, where == DEVICE ? 256 : page_size());
	if (new != NULL) {
		new->where = where;
		new->context = c;
		new->device = c->device;
		new->flags = flags;
		*address = new->base;
		if (!arena_open(a, new))
			new = NULL;
	}
	pthread_mutex_unlock(&memory_lock);
	if (new == NULL && device)
		used[c->device] -= size;
	return new != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult release(uint64_t address, bool host, const char *who) {
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (address == 0)
		return host ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	NOT_CAPTURING();
	struct arena *a;
	pthread_mutex_lock(&memory_lock);
	struct range *r = range_find(address, &a);
	bool ok = r != NULL && r->live && r->base == address && (host ? r->where == PINNED : on_device(r));
	char what[160];
	if (!ok)
		memory_describe(address, what, sizeof what);
	struct context *owner = ok ? r->context : NULL;
	pthread_mutex_unlock(&memory_lock);
	if (!ok) {
		fault("%s of %s", who, what);
		return CUDA_ERROR_INVALID_VALUE;
	}
	CUresult result = implicit_sync(owner, who);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&memory_lock);
	r = range_find(address, &a);
	if (r == NULL || !r->live) {
		fault("%s of %#llx, which another thread freed meanwhile", who, (unsigned long long)address);
		result = CUDA_ERROR_INVALID_VALUE;
	} else {
		if (on_device(r))
			used[r->device] -= r->size;
		arena_close(a, r, who);
		result = (CUresult)owner->error;
	}
	pthread_mutex_unlock(&memory_lock);
	return result;
}

API CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
	ENTER(cuMemAlloc_v2);
	NEED_CONTEXT(c);
	if (pointer == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t address = 0;
	CUresult r = allocate(c, DEVICE, size, 0, "cuMemAlloc", &address);
	*pointer = address;
	return r;
}

API CUresult cuMemAllocManaged(CUdeviceptr *pointer, size_t size, unsigned int flags) {
	ENTER(cuMemAllocManaged);
	NEED_CONTEXT(c);
	if (pointer == NULL || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t address = 0;
	CUresult r = allocate(c, MANAGED, size, flags, "cuMemAllocManaged", &address);
	*pointer = address;
	return r;
}

API CUresult cuMemFree_v2(CUdeviceptr pointer) {
	ENTER_RELEASE(cuMemFree_v2);
	CUresult r = release(pointer, false, "cuMemFree");
	LEAVE(r);
}

API CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned int flags) {
	ENTER(cuMemHostAlloc);
	NEED_CONTEXT(c);
	unsigned known = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
	if (pointer == NULL || (flags & ~known) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t address = 0;
	CUresult r = allocate(c, PINNED, size, flags, "cuMemHostAlloc", &address);
	*pointer = (void *)address;
	return r;
}

API CUresult cuMemAllocHost_v2(void **pointer, size_t size) {
	ENTER(cuMemAllocHost_v2);
	NEED_CONTEXT(c);
	if (pointer == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t address = 0;
	CUresult r = allocate(c, PINNED, size, 0, "cuMemAllocHost", &address);
	*pointer = (void *)address;
	return r;
}

API CUresult cuMemFreeHost(void *pointer) {
	ENTER_RELEASE(cuMemFreeHost);
	CUresult r = release((uint64_t)pointer, true, "cuMemFreeHost");
	LEAVE(r);
}

API CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
	ENTER(cuMemGetInfo_v2);
	NEED_CONTEXT(c);
	uint64_t taken = used[c->device];
	*total = settings.memory;
	*available = taken < settings.memory ? settings.memory - taken : 0;
	return CUDA_SUCCESS;
}

/* Frees what the context owns; how many pieces that was. */
uint64_t memory_release_context(struct context *c) {
	struct arena *arenas[] = {&device_arena, &host_arena};
	pthread_mutex_lock(&memory_lock);
	uint64_t n = registered_release_context(c);
	for (size_t k = 0; k < LENGTH(arenas); k++) {
		for (size_t i = 0; i < arenas[k]->count; i++) {
			struct range *r = &arenas[k]->ranges[i];
			if (!r->live || r->context != c)
				continue;
			if (on_device(r))
				used[r->device] -= r->size;
			arena_close(arenas[k], r, "destroying a context");
			n++;
		}
	}
	pthread_mutex_unlock(&memory_lock);
	return n;
}

void memory_reset(void) {
	pthread_mutex_lock(&memory_lock);
	registered_release_context(NULL);
	arena_reset(&device_arena);
	arena_reset(&host_arena);
	pthread_mutex_unlock(&memory_lock);
	for (int i = 0; i < MAX_DEVICES; i++)
		used[i] = 0;
}

static void each(void (*f)(struct arena *, struct range *, void *), void *argument) {
	pthread_mutex_lock(&memory_lock);
	struct arena *arenas[] = {&device_arena, &host_arena};
	for (size_t k = 0; k < LENGTH(arenas); k++)
		for (size_t i = 0; i < arenas[k]->count; i++)
			if (arenas[k]->ranges[i].live)
				f(arenas[k], &arenas[k]->ranges[i], argument);
	registered_each(f, argument);
	pthread_mutex_unlock(&memory_lock);
}

static void add(struct arena *a, struct range *r, void *argument) {
	struct tally *t = argument;
	(void)a;
	t[r->where].pieces++;
	t[r->where].bytes += r->size;
}

void memory_tally(struct tally tallies[WHERES]) {
	memset(tallies, 0, WHERES * sizeof *tallies);
	each(add, tallies);
}

static void tell(struct arena *a, struct range *r, void *argument) {
	(void)a;
	say(argument, "allocation %llu: %s of %llu bytes at %#llx, device %d\n", (unsigned long long)r->number, where_names[r->where],
		(unsigned long long)r->size, (unsigned long long)r->base, r->device);
}

void memory_say(struct text *t) { each(tell, t); }

static void check(struct arena *a, struct range *r, void *argument) {
	if (r->where != REGISTERED)
		range_damaged(a, r, argument);
}

/* Looks for writes beside what is allocated now. */
void memory_check(void) { each(check, "checking"); }
