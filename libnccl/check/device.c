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
	each(cuStreamSynchronize) each(cuStreamDestroy) each(cuPointerGetAttribute)
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
