/* Tensors of CUDA devices, on the simulated driver: two ranks of one process, a device
 * and a thread each. Nothing waits for a stream but the program itself. */
#include "values.h"
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>

enum { n = 2, count = 3000 };

/* The driver, looked up as the library looks it up. */
#define DRIVER(each)                                                                                \
	each(cuInit) each(cuDevicePrimaryCtxRetain) each(cuCtxSetCurrent) each(cuMemAlloc)          \
	each(cuMemFree) each(cuMemcpyHtoDAsync) each(cuMemcpyDtoHAsync) each(cuStreamCreate)        \
	each(cuStreamSynchronize) each(cuStreamDestroy) each(cuPointerGetAttribute)                 \
	each(cuMemAllocManaged)
#define POINTER(name) static __typeof__(&name) p_##name;
DRIVER(POINTER)
#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define LOAD(name) MUST((*(void **)&p_##name = dlsym(driver, TEXT(name))) != NULL);

static ncclComm_t comms[n];

static void put(CUdeviceptr at, const float *from, CUstream s) {
	MUST(p_cuMemcpyHtoDAsync(at, from, count * sizeof *from, s) == CUDA_SUCCESS);
}

static void fetch(float *to, CUdeviceptr at, CUstream s) {
	MUST(p_cuMemcpyDtoHAsync(to, at, count * sizeof *to, s) == CUDA_SUCCESS);
}

static int all(const float *x, float want, float step) {
	for (int i = 0; i < count; i++)
		if (x[i] != want + step * (float)i) {
			fprintf(stderr, "element %d: %g, not %g\n", i, x[i], want + step * (float)i);
			return 0;
		}
	return 1;
}

/* What the only thread of a program has of each rank. */
typedef struct {
	CUcontext context;
	CUstream stream;
	CUdeviceptr memory, managed;
	float *host;
} rank_state;

static void be(rank_state *s) { MUST(p_cuCtxSetCurrent(s->context) == CUDA_SUCCESS); }

static void sync(rank_state *s, int r) {
	be(&s[r]);
	MUST(p_cuStreamSynchronize(s[r].stream) == CUDA_SUCCESS);
}

/* One thread for all ranks: nothing may wait for a rank whose turn it is not yet. */
static void one_thread(void) {
	rank_state s[n];
	float *x = malloc(count * sizeof *x);
	for (int r = 0; r < n; r++) {
		MUST(p_cuDevicePrimaryCtxRetain(&s[r].context, r) == CUDA_SUCCESS);
		be(&s[r]);
		MUST(p_cuStreamCreate(&s[r].stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS);
		MUST(p_cuMemAlloc(&s[r].memory, count * sizeof *x) == CUDA_SUCCESS);
		s[r].host = malloc(count * sizeof *x);
	}
	/* Memory that all devices reach, got from the first, on the streams of each. */
	be(&s[0]);
	for (int r = 0; r < n; r++)
		MUST(p_cuMemAllocManaged(&s[r].managed, count * sizeof *x, CU_MEM_ATTACH_GLOBAL) == CUDA_SUCCESS);
	for (int r = 0; r < n; r++) {
		for (int i = 0; i < count; i++)
			x[i] = s[r].host[i] = (float)(100 * r + i);
		be(&s[r]);
		put(s[r].memory, x, s[r].stream);
		put(s[r].managed, x, s[r].stream);
		MUST(p_cuStreamSynchronize(s[r].stream) == CUDA_SUCCESS);
	}

	/* No elements: the buffers of a device, or no buffers. */
	for (int r = 0; r < n; r++)
		OK(ncclAllReduce((void *)s[r].memory, (void *)s[r].memory, 0, ncclFloat, ncclSum, comms[r], (cudaStream_t)s[r].stream));
	for (int r = 0; r < n; r++)
		OK(ncclAllReduce(NULL, NULL, 0, ncclFloat, ncclSum, comms[r], (cudaStream_t)s[r].stream));

	/* Each rank on its own, with the memory of a device or of all. */
	for (int r = 0; r < n; r++) {
		OK(ncclAllReduce((void *)s[r].memory, (void *)s[r].memory, count, ncclFloat, ncclSum, comms[r], (cudaStream_t)s[r].stream));
		OK(ncclAllReduce((void *)s[r].managed, (void *)s[r].managed, count, ncclFloat, ncclMax, comms[r], (cudaStream_t)s[r].stream));
	}
	for (int r = 0; r < n; r++) {
		be(&s[r]);
		fetch(x, s[r].memory, s[r].stream);
		sync(s, r);
		MUST(all(x, 100, 2));
		fetch(x, s[r].managed, s[r].stream);
		sync(s, r);
		MUST(all(x, 100, 1));
	}

	/* A group with memory of both kinds on each rank, and more than a stream has room for. */
	OK(ncclGroupStart());
	for (int r = 0; r < n; r++) {
		OK(ncclAllReduce(s[r].host, s[r].host, count, ncclFloat, ncclSum, comms[r], (cudaStream_t)s[r].stream));
		for (int i = 0; i < 300; i++)
			OK(ncclAllReduce((void *)s[r].memory, (void *)s[r].memory, 64, ncclFloat, ncclMax, comms[r], (cudaStream_t)s[r].stream));
		OK(ncclSend((void *)s[r].memory, 64, ncclFloat, 1 - r, comms[r], (cudaStream_t)s[r].stream));
		OK(ncclRecv((void *)s[r].managed, 64, ncclFloat, 1 - r, comms[r], (cudaStream_t)s[r].stream));
	}
	OK(ncclGroupEnd());
	for (int r = 0; r < n; r++) {
		MUST(all(s[r].host, 100, 2)); /* the host's is there when the group has ended */
		be(&s[r]);
		fetch(x, s[r].memory, s[r].stream);
		sync(s, r);
		MUST(all(x, 100, 2));
	}
	for (int r = 0; r < n; r++) {
		ncclResult_t state;
		OK(ncclCommGetAsyncError(comms[r], &state));
		MUST(state == ncclSuccess);
		uint64_t bytes = 0;
		OK(ncclCommMemStats(comms[r], ncclStatGpuMemTotal, &bytes));
		MUST(bytes > 1 << 20);
		be(&s[r]);
		MUST(p_cuMemFree(s[r].memory) == CUDA_SUCCESS);
		MUST(p_cuStreamDestroy(s[r].stream) == CUDA_SUCCESS);
		free(s[r].host);
	}
	be(&s[0]);
	for (int r = 0; r < n; r++)
		MUST(p_cuMemFree(s[r].managed) == CUDA_SUCCESS);
	free(x);
}

/* While a recv is on a stream, whose send comes last, communicators are made, used and
 * destroyed by the same thread, and nothing waits in the driver for that stream. */
static void amid_a_recv(void) {
	rank_state s[n];
	CUstream own[n];
	CUdeviceptr other[n];
	float *x = malloc(count * sizeof *x);
	for (int r = 0; r < n; r++) {
		MUST(p_cuDevicePrimaryCtxRetain(&s[r].context, r) == CUDA_SUCCESS);
		be(&s[r]);
		MUST(p_cuStreamCreate(&s[r].stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS);
		MUST(p_cuStreamCreate(&own[r], CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS);
		MUST(p_cuMemAlloc(&s[r].memory, count * sizeof *x) == CUDA_SUCCESS);
		MUST(p_cuMemAlloc(&other[r], count * sizeof *x) == CUDA_SUCCESS);
		for (int i = 0; i < count; i++)
			x[i] = (float)(100 * r + i);
		put(s[r].memory, x, s[r].stream);
		put(other[r], x, s[r].stream);
		sync(s, r);
	}
	OK(ncclRecv((void *)s[0].memory, count, ncclFloat, 1, comms[0], (cudaStream_t)s[0].stream));
	for (int times = 0; times < 6; times++) {
		ncclComm_t next[n];
		ncclUniqueId id;
		OK(ncclGetUniqueId(&id));
		OK(ncclGroupStart());
		for (int r = 0; r < n; r++) {
			be(&s[r]);
			OK(ncclCommInitRank(&next[r], n, id, r));
		}
		OK(ncclGroupEnd());
		OK(ncclGroupStart());
		for (int r = 0; r < n; r++)
			OK(ncclAllReduce((void *)other[r], (void *)other[r], count, ncclFloat, ncclMax, next[r], (cudaStream_t)own[r]));
		OK(ncclGroupEnd());
		for (int r = 0; r < n; r++) {
			be(&s[r]);
			fetch(x, other[r], own[r]);
			MUST(p_cuStreamSynchronize(own[r]) == CUDA_SUCCESS);
			MUST(all(x, 100, 1));
		}
		for (int r = 0; r < n; r++)
			OK(ncclCommDestroy(next[r]));
	}
	OK(ncclSend((void *)s[1].memory, count, ncclFloat, 0, comms[1], (cudaStream_t)s[1].stream));
	for (int r = 0; r < n; r++) {
		be(&s[r]);
		fetch(x, s[r].memory, s[r].stream);
		sync(s, r);
		MUST(all(x, 100, 1));
		MUST(p_cuMemFree(s[r].memory) == CUDA_SUCCESS && p_cuMemFree(other[r]) == CUDA_SUCCESS);
		MUST(p_cuStreamDestroy(s[r].stream) == CUDA_SUCCESS && p_cuStreamDestroy(own[r]) == CUDA_SUCCESS);
	}
	free(x);
}

static void *each(void *arg) {
	int rank = (int)(intptr_t)arg;
	CUcontext context;
	MUST(p_cuDevicePrimaryCtxRetain(&context, rank) == CUDA_SUCCESS && p_cuCtxSetCurrent(context) == CUDA_SUCCESS);
	ncclComm_t comm = comms[rank];
	int device = -1;
	OK(ncclCommCuDevice(comm, &device));
	MUST(device == rank);

	CUstream stream, other;
	MUST(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS);
	MUST(p_cuStreamCreate(&other, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS);
	void *mine, *sum;
	CUdeviceptr wide;
	OK(ncclMemAlloc(&mine, count * sizeof(float)));
	OK(ncclMemAlloc(&sum, count * sizeof(float)));
	MUST(p_cuMemAlloc(&wide, n * count * sizeof(float)) == CUDA_SUCCESS);
	CUmemorytype type = 0;
	MUST(p_cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)mine) == CUDA_SUCCESS);
	MUST(type == CU_MEMORYTYPE_DEVICE);

	float *x = malloc(count * sizeof *x), *y = malloc(count * sizeof *y), *z = malloc(count * sizeof *z);
	for (int i = 0; i < count; i++)
		x[i] = (float)(100 * rank + i);
	/* Copy, reduce, copy back: ordered by the stream alone. */
	put((CUdeviceptr)mine, x, stream);
	OK(ncclAllReduce(mine, sum, count, ncclFloat, ncclSum, comm, (cudaStream_t)stream));
	fetch(y, (CUdeviceptr)sum, stream);
	OK(ncclAllGather(mine, (void *)wide, count, ncclFloat, comm, (cudaStream_t)stream));
	fetch(z, wide + (1 - rank) * count * sizeof(float), stream);
	MUST(p_cuStreamSynchronize(stream) == CUDA_SUCCESS);
	MUST(all(y, 100, 2) && all(z, (float)(100 * (1 - rank)), 1));

	/* A group of messages on one stream and a collective on another. */
	put((CUdeviceptr)mine, x, stream);
	put((CUdeviceptr)sum, x, other);
	OK(ncclGroupStart());
	OK(ncclSend(mine, count, ncclFloat, 1 - rank, comm, (cudaStream_t)stream));
	OK(ncclRecv((void *)wide, count, ncclFloat, 1 - rank, comm, (cudaStream_t)stream));
	OK(ncclAllReduce(sum, sum, count, ncclFloat, ncclMax, comm, (cudaStream_t)other));
	OK(ncclGroupEnd());
	fetch(y, wide, stream);
	fetch(z, (CUdeviceptr)sum, other);
	MUST(p_cuStreamSynchronize(stream) == CUDA_SUCCESS && p_cuStreamSynchronize(other) == CUDA_SUCCESS);
	MUST(all(y, (float)(100 * (1 - rank)), 1) && all(z, 100, 1));

	/* The default stream, and a device here where the other rank has host memory. */
	put((CUdeviceptr)mine, x, NULL);
	void *buffer = rank == 0 ? mine : x;
	OK(ncclBroadcast(buffer, buffer, count, ncclFloat, 1, comm, NULL));
	fetch(y, (CUdeviceptr)mine, NULL);
	MUST(p_cuStreamSynchronize(NULL) == CUDA_SUCCESS);
	MUST(rank == 1 || all(y, 100, 1));

	ncclResult_t state;
	OK(ncclCommGetAsyncError(comm, &state));
	MUST(state == ncclSuccess);
	OK(ncclCommDestroy(comm));
	OK(ncclMemFree(mine));
	OK(ncclMemFree(sum));
	MUST(p_cuMemFree(wide) == CUDA_SUCCESS);
	MUST(p_cuStreamDestroy(stream) == CUDA_SUCCESS && p_cuStreamDestroy(other) == CUDA_SUCCESS);
	free(x), free(y), free(z);
	return NULL;
}

int main(void) {
	void *driver = dlopen(getenv("MONEL_CUDA_LIBRARY"), RTLD_NOW | RTLD_GLOBAL);
	MUST(driver != NULL);
	DRIVER(LOAD)
	MUST(p_cuInit(0) == CUDA_SUCCESS);
	OK(ncclCommInitAll(comms, n, NULL));
	one_thread();
	amid_a_recv();
	pthread_t threads[n];
	for (int r = 0; r < n; r++)
		MUST(pthread_create(&threads[r], NULL, each, (void *)(intptr_t)r) == 0);
	for (int r = 0; r < n; r++)
		pthread_join(threads[r], NULL);
	uint64_t (*faults)(char *, uint64_t);
	MUST((*(void **)&faults = dlsym(driver, "monel_sim_faults")) != NULL);
	char list[4096] = "";
	faults(list, sizeof list - 1);
	if (*list != 0) {
		fprintf(stderr, "the simulated driver has found:\n%s\n", list);
		return 1;
	}
	return 0;
}
