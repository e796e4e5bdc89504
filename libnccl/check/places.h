/* Where buffers of random programs lie: in host memory or, if MONEL_CUDA_LIBRARY names a
 * driver, at random on the device that each rank has. */
#ifndef PLACES_H_
#define PLACES_H_

#include "random.h"
#include <dlfcn.h>

/* As much of the driver as that takes, without its header. */
static int (*cu_init)(unsigned), (*cu_count)(int *), (*cu_retain)(void **, int), (*cu_current)(void *);
static int (*cu_stream)(void **, unsigned), (*cu_sync)(void *);
static int (*cu_alloc)(unsigned long long *, size_t), (*cu_free)(unsigned long long);
static int (*cu_put)(unsigned long long, const void *, size_t, void *), (*cu_get)(void *, unsigned long long, size_t, void *);

static int devices; /* 0: there is no driver */
static void *contexts[most_ranks], *streams[most_ranks];

/* be makes a device the calling thread's, if the rank has one. Ranks of different threads
 * have different ones, since to allocate memory may wait for all that is on a device. */
static inline void be(int device) {
	if (devices > 0 && device >= 0)
		MUST(cu_current(contexts[device]) == 0);
}

static inline void open_devices(void) {
	const char *path = getenv("MONEL_CUDA_LIBRARY");
	if (path == NULL)
		return;
	void *driver = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	MUST(driver != NULL);
	struct {
		void *at;
		const char *name;
	} all[] = {{&cu_init, "cuInit"}, {&cu_count, "cuDeviceGetCount"}, {&cu_retain, "cuDevicePrimaryCtxRetain"},
		{&cu_current, "cuCtxSetCurrent"}, {&cu_stream, "cuStreamCreate"}, {&cu_sync, "cuStreamSynchronize"},
		{&cu_alloc, "cuMemAlloc_v2"}, {&cu_free, "cuMemFree_v2"}, {&cu_put, "cuMemcpyHtoDAsync_v2"},
		{&cu_get, "cuMemcpyDtoHAsync_v2"}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		MUST((*(void **)all[i].at = dlsym(driver, all[i].name)) != NULL);
	MUST(cu_init(0) == 0 && cu_count(&devices) == 0 && devices >= most_ranks);
	for (int d = 0; d < most_ranks; d++) {
		MUST(cu_retain(&contexts[d], d) == 0);
		be(d);
		MUST(cu_stream(&streams[d], 1) == 0);
	}
}

/* A buffer on a device, with what is around it; the host's is what it begins with. */
typedef struct {
	unsigned long long whole;
	int device; /* -1: there is none */
} placed;

static inline size_t all_bytes(buffer b) { return b.bytes + 2 * guard; }

static inline placed place(buffer b, int device) {
	placed p = {.device = device};
	if (device >= 0) {
		be(device);
		MUST(cu_alloc(&p.whole, all_bytes(b)) == 0);
		MUST(cu_put(p.whole, b.whole, all_bytes(b), streams[device]) == 0);
	}
	return p;
}

/* at is a place of a buffer, wherever it is. */
static inline void *at_place(buffer b, placed p, void *at) {
	return p.device < 0 || at == NULL ? at : (void *)(uintptr_t)(p.whole + (unsigned long long)((char *)at - (char *)b.whole));
}

/* come_back has what is on the device be in the host's buffer, when the stream has come
 * there. */
static inline void come_back(buffer b, placed p) {
	if (p.device < 0)
		return;
	be(p.device);
	MUST(cu_get(b.whole, p.whole, all_bytes(b), streams[p.device]) == 0);
	MUST(cu_sync(streams[p.device]) == 0);
	MUST(cu_free(p.whole) == 0);
}

#endif
