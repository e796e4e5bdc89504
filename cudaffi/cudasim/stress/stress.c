/* Many threads with many streams on the simulated driver, built with a sanitizer
 * (scripts/cudasim.sh). Each thread sends a counter through buffers, streams and
 * devices, in an order that only events, values in memory and stream 0 ensure,
 * and looks at what arrives. Arguments: seed and rounds. */
#include "../driver/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CUresult cuInit(unsigned);
CUresult cuDevicePrimaryCtxRetain(CUcontext *, CUdevice);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice);
CUresult cuCtxPushCurrent_v2(CUcontext);
CUresult cuCtxPopCurrent_v2(CUcontext *);
CUresult cuCtxSynchronize(void);
CUresult cuStreamCreateWithPriority(CUstream *, unsigned, int);
CUresult cuStreamDestroy_v2(CUstream);
CUresult cuStreamQuery(CUstream);
CUresult cuStreamSynchronize(CUstream);
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned);
CUresult cuEventCreate(CUevent *, unsigned);
CUresult cuEventDestroy_v2(CUevent);
CUresult cuEventRecord(CUevent, CUstream);
CUresult cuEventQuery(CUevent);
CUresult cuEventSynchronize(CUevent);
CUresult cuStreamWaitValue32_v2(CUstream, CUdeviceptr, cuuint32_t, unsigned);
CUresult cuStreamWriteValue32_v2(CUstream, CUdeviceptr, cuuint32_t, unsigned);
CUresult cuMemAlloc_v2(CUdeviceptr *, size_t);
CUresult cuMemFree_v2(CUdeviceptr);
CUresult cuMemHostAlloc(void **, size_t, unsigned);
CUresult cuMemFreeHost(void *);
CUresult cuMemcpyAsync(CUdeviceptr, CUdeviceptr, size_t, CUstream);
CUresult cuMemsetD32Async(CUdeviceptr, unsigned, size_t, CUstream);
CUresult cuModuleLoadData(CUmodule *, const void *);
CUresult cuModuleUnload(CUmodule);
CUresult cuModuleGetFunction(CUfunction *, CUmodule, const char *);
CUresult cuFuncLoad(CUfunction);
CUresult cuLaunchKernel(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **);
CUresult cuLaunchHostFunc(CUstream, CUhostFn, void *);
void monel_sim_reset(void);
uint64_t monel_sim_set(const char *, uint64_t);
uint64_t monel_sim_faults(char *, uint64_t);
uint64_t monel_sim_leaks(char *, uint64_t);

static void must(CUresult r, const char *what, int line) {
	if (r == CUDA_SUCCESS)
		return;
	char faults[2000] = "";
	monel_sim_faults(faults, sizeof faults);
	fprintf(stderr, "line %d: %s: result %d\n%s", line, what, (int)r, faults);
	exit(1);
}
#define MUST(call) must(call, #call, __LINE__)

static void fail(const char *what, uint64_t got, uint64_t want) {
	fprintf(stderr, "%s: %llu, want %llu\n", what, (unsigned long long)got, (unsigned long long)want);
	exit(1);
}

enum { DEVICES = 2, THREADS = 6, STREAMS = 4, WORDS = 300 };

static const char ptx[] = ".version 7.0\n.target sm_75\n"
	".entry monel_sim_add(.param .u64 out, .param .u64 a, .param .u32 b, .param .u64 n) { ret; }";

static uint64_t seed;
static int rounds;

struct worker {
	uint64_t random;
	CUcontext contexts[DEVICES];
	CUfunction add[DEVICES];
	CUstream streams[DEVICES][STREAMS];
	CUevent events[DEVICES][STREAMS];
	CUdeviceptr buffers[DEVICES][STREAMS];
	uint32_t *pinned;
	uint32_t flag;
	atomic_uint called;
	int device, stream; /* where the counter is */
};

static uint64_t draw(struct worker *w, uint64_t below) {
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 8) % below;
}

static void on(struct worker *w, int device) { MUST(cuCtxPushCurrent_v2(w->contexts[device])); }
static void off(void) { MUST(cuCtxPopCurrent_v2(NULL)); }

static void called(void *argument) { atomic_fetch_add((atomic_uint *)argument, 1); }

/* Later work of the second stream waits for earlier work of the first. */
static void link_streams(struct worker *w, int da, int sa, int db, int sb) {
	if (draw(w, 3) == 0) {
		CUdeviceptr flag = (CUdeviceptr)&w->pinned[0];
		w->flag++;
		on(w, da);
		MUST(cuStreamWriteValue32_v2(w->streams[da][sa], flag, w->flag, 0));
		off();
		on(w, db);
		MUST(cuStreamWaitValue32_v2(w->streams[db][sb], flag, w->flag, 0));
		off();
		return;
	}
	MUST(cuEventRecord(w->events[da][sa], w->streams[da][sa]));
	MUST(cuStreamWaitEvent(w->streams[db][sb], w->events[da][sa], 0));
	CUresult r = cuEventQuery(w->events[da][sa]);
	if (r != CUDA_ERROR_NOT_READY)
		MUST(r);
}

static void *work(void *argument) {
	struct worker *w = argument;
	for (int d = 0; d < DEVICES; d++) {
		on(w, d);
		for (int s = 0; s < STREAMS; s++) {
			/* The last stream of each device orders with stream 0. */
			MUST(cuStreamCreateWithPriority(&w->streams[d][s], s == STREAMS - 1 ? CU_STREAM_DEFAULT : CU_STREAM_NON_BLOCKING, -(s % 2)));
			MUST(cuEventCreate(&w->events[d][s], CU_EVENT_DISABLE_TIMING));
			MUST(cuMemAlloc_v2(&w->buffers[d][s], WORDS * 4));
		}
		off();
	}
	on(w, 0);
	MUST(cuMemHostAlloc((void **)&w->pinned, 4096, 3));
	memset(w->pinned, 0, 4096);
	MUST(cuMemsetD32Async(w->buffers[0][0], 0, WORDS, w->streams[0][0]));
	off();
	uint32_t counter = 0, host = 0;
	for (int i = 0; i < rounds; i++) {
		int d = (int)draw(w, DEVICES), s = (int)draw(w, STREAMS), od = w->device, os = w->stream;
		CUdeviceptr from = w->buffers[od][os], to = w->buffers[d][s];
		if (d != od || s != os) {
			link_streams(w, od, os, d, s);
			on(w, d);
			MUST(cuMemcpyAsync(to, from, WORDS * 4, w->streams[d][s]));
		} else {
			on(w, d);
		}
		uint32_t b = 1 + (uint32_t)draw(w, 5);
		uint64_t n = WORDS;
		void *params[] = {&to, &to, &b, &n};
		/* By way of stream 0, which the last stream waits for. */
		CUstream stream = s == STREAMS - 1 && draw(w, 4) == 0 ? NULL : w->streams[d][s];
		MUST(cuLaunchKernel(w->add[d], 2, 1, 1, 32, 1, 1, 0, stream, params, NULL));
		counter += b;
		if (draw(w, 8) == 0) {
			MUST(cuLaunchHostFunc(w->streams[d][s], called, &w->called));
			host++;
		}
		off();
		w->device = d, w->stream = s;
		/* The buffer that the counter was copied from may be the next target. */
		if (d != od || s != os)
			link_streams(w, d, s, od, os);
		if (draw(w, 16) != 0)
			continue;
		on(w, d);
		uint32_t *landing = w->pinned + 16;
		MUST(cuMemcpyAsync((CUdeviceptr)landing, to, WORDS * 4, w->streams[d][s]));
		if (draw(w, 2) == 0) {
			MUST(cuStreamSynchronize(w->streams[d][s]));
		} else {
			CUresult r;
			while ((r = cuStreamQuery(w->streams[d][s])) == CUDA_ERROR_NOT_READY)
				usleep(10);
			MUST(r);
		}
		off();
		for (int k = 0; k < WORDS; k++)
			if (landing[k] != counter)
				fail("a counter", landing[k], counter);
		if (w->called > host)
			fail("host functions called", w->called, host);
	}
	for (int d = 0; d < DEVICES; d++) {
		on(w, d);
		for (int s = 0; s < STREAMS; s++) {
			MUST(cuStreamSynchronize(w->streams[d][s]));
			MUST(cuStreamDestroy_v2(w->streams[d][s]));
			MUST(cuEventDestroy_v2(w->events[d][s]));
			MUST(cuMemFree_v2(w->buffers[d][s]));
		}
		off();
	}
	on(w, 0);
	MUST(cuMemFreeHost(w->pinned));
	off();
	if (w->called != host)
		fail("host functions called", w->called, host);
	return NULL;
}

static void run(uint64_t delay_us, uint64_t channels) {
	monel_sim_reset();
	monel_sim_set("delay_seed", seed);
	monel_sim_set("delay_max_us", delay_us);
	monel_sim_set("channels", channels);
	static struct worker workers[THREADS];
	memset(workers, 0, sizeof workers);
	CUcontext contexts[DEVICES];
	CUmodule modules[DEVICES];
	CUfunction add[DEVICES];
	for (int d = 0; d < DEVICES; d++) {
		MUST(cuDevicePrimaryCtxRetain(&contexts[d], d));
		MUST(cuCtxPushCurrent_v2(contexts[d]));
		MUST(cuModuleLoadData(&modules[d], ptx));
		MUST(cuModuleGetFunction(&add[d], modules[d], "monel_sim_add"));
		MUST(cuFuncLoad(add[d]));
		off();
	}
	pthread_t threads[THREADS];
	for (int t = 0; t < THREADS; t++) {
		workers[t].random = seed * THREADS + (uint64_t)t + 1;
		memcpy(workers[t].contexts, contexts, sizeof contexts);
		memcpy(workers[t].add, add, sizeof add);
		pthread_create(&threads[t], NULL, work, &workers[t]);
	}
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int d = 0; d < DEVICES; d++) {
		MUST(cuCtxPushCurrent_v2(contexts[d]));
		MUST(cuCtxSynchronize());
		MUST(cuModuleUnload(modules[d]));
		off();
		MUST(cuDevicePrimaryCtxRelease_v2(d));
	}
	char text[4000];
	if (monel_sim_faults(text, sizeof text) + monel_sim_leaks(text, sizeof text) != 0) {
		fprintf(stderr, "faults or leaks:\n%s", text);
		exit(1);
	}
}

/* Addresses that come round again, in a region that is full soon. */
static void wrap(void) {
	enum { LIVE = 20 };
	struct { CUdeviceptr at; uint32_t size; } live[LIVE];
	uint64_t size = device_arena.size;
	CUcontext context;
	struct worker w = {.random = seed + 1};
	monel_sim_reset();
	memset(live, 0, sizeof live);
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxPushCurrent_v2(context));
	device_arena.size = 1 << 20;
	for (int i = 0; i < 20 * rounds; i++) {
		int k = (int)draw(&w, LIVE);
		if (live[k].at != 0)
			MUST(cuMemFree_v2(live[k].at));
		live[k].size = 1 + (uint32_t)draw(&w, 20000);
		MUST(cuMemAlloc_v2(&live[k].at, live[k].size));
		for (int j = 0; j < LIVE; j++)
			if (j != k && live[j].at < live[k].at + live[k].size + 4096 && live[k].at < live[j].at + live[j].size + 4096 && live[j].at != 0)
				fail("allocations too near", live[j].at, live[k].at);
	}
	for (int k = 0; k < LIVE; k++)
		if (live[k].at != 0)
			MUST(cuMemFree_v2(live[k].at));
	MUST(cuCtxPopCurrent_v2(NULL));
	device_arena.size = size;
	MUST(cuDevicePrimaryCtxRelease_v2(0));
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	seed = strtoull(argv[1], NULL, 0);
	rounds = atoi(argv[2]);
	printf("seed %llu, %d rounds\n", (unsigned long long)seed, rounds);
	MUST(cuInit(0));
	run(0, 0);
	run(200, 0);
	run(100, 2);
	run(0, 0);
	wrap();
	puts("the simulated driver has passed");
	return 0;
}
