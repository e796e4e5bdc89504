/* Tensors as they lie in memory, through monel_nccl.h and through ncclCollConfig_t, on
 * ranks of one process. */
#include "values.h"
#include <monel_nccl.h>
#include <pthread.h>

enum { n = 3, rows = 5, columns = 6 };

static ncclComm_t comms[n];

/* A matrix of rows x columns that lies in memory transposed, every other element only,
 * its columns backwards. */
typedef struct {
	float *memory;
	int64_t shape[2], strides[2];
	monelTensor_t t;
} matrix;

enum { places = rows * columns * 2 };

static void lay(matrix *m, int64_t r, int64_t c) {
	m->memory = malloc(places * n * sizeof(float));
	for (int i = 0; i < places * n; i++)
		m->memory[i] = -1;
	m->shape[0] = r, m->shape[1] = c;
	m->strides[0] = 2, m->strides[1] = -2 * r;
	m->t = (monelTensor_t){m->memory + 2 * r * (c - 1), ncclFloat32, 2, m->shape, m->strides};
}

static float *at(matrix *m, int64_t r, int64_t c) { return (float *)m->t.data + r * m->strides[0] + c * m->strides[1]; }

static void fill(matrix *m, float base) {
	for (int64_t r = 0; r < m->shape[0]; r++)
		for (int64_t c = 0; c < m->shape[1]; c++)
			*at(m, r, c) = base + (float)(r * m->shape[1] + c);
}

/* gaps tells whether the memory between the elements is as it was. */
static int gaps(matrix *m) {
	for (int i = 1; i < places * n; i += 2)
		if (m->memory[i] != -1)
			return 0;
	return 1;
}

static int all(matrix *m, int64_t from, int64_t to, float base, float step) {
	for (int64_t i = from; i < to; i++)
		if (*at(m, i / m->shape[1], i % m->shape[1]) != base + step * (float)(i - from))
			return 0;
	return 1;
}

static void each(ncclComm_t comm, int rank) {
	const int64_t count = rows * columns;
	matrix x, y, wide;
	lay(&x, rows, columns), lay(&y, rows, columns), lay(&wide, n * rows, columns);

	fill(&x, 100.0f * (float)rank);
	OK(monelAllReduceStrided(&x.t, &x.t, ncclSum, comm, NULL));
	MUST(all(&x, 0, count, 300, 3) && gaps(&x));

	fill(&x, 100.0f * (float)rank);
	OK(monelBroadcastStrided(rank == 1 ? &x.t : NULL, &y.t, 1, comm, NULL));
	MUST(all(&y, 0, count, 100, 1) && gaps(&y));

	OK(monelReduceStrided(&x.t, rank == 2 ? &y.t : NULL, ncclMax, 2, comm, NULL));
	MUST(all(&y, 0, count, rank == 2 ? 200 : 100, 1));

	OK(monelAllGatherStrided(&x.t, &wide.t, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(all(&wide, r * count, (r + 1) * count, 100.0f * (float)r, 1) && gaps(&wide));

	fill(&wide, 0);
	OK(monelReduceScatterStrided(&wide.t, &y.t, ncclSum, comm, NULL));
	MUST(all(&y, 0, count, (float)(n * rank * count), n) && gaps(&y));

	matrix far;
	lay(&far, n * rows, columns);
	fill(&wide, 1000.0f * (float)rank);
	OK(monelAlltoAllStrided(&wide.t, &far.t, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(all(&far, r * count, (r + 1) * count, 1000.0f * (float)r + (float)(rank * count), 1) && gaps(&far));

	OK(monelGatherStrided(&x.t, rank == 0 ? &far.t : NULL, 0, comm, NULL));
	for (int r = 0; r < n; r++)
		MUST(rank != 0 || all(&far, r * count, (r + 1) * count, 100.0f * (float)r, 1));
	OK(monelScatterStrided(rank == 0 ? &far.t : NULL, &y.t, 0, comm, NULL));
	MUST(all(&y, 0, count, 100.0f * (float)rank, 1));

	OK(ncclGroupStart());
	OK(monelSendStrided(&x.t, (rank + 1) % n, comm, NULL));
	OK(monelRecvStrided(&y.t, (rank + n - 1) % n, comm, NULL));
	OK(ncclGroupEnd());
	MUST(all(&y, 0, count, 100.0f * (float)((rank + n - 1) % n), 1) && gaps(&y));

	/* An input may be expanded, an output not: that is found here, and told the others. */
	int64_t shape[] = {rows, columns}, none[] = {0, 0};
	float one = (float)rank;
	monelTensor_t expanded = {&one, ncclFloat32, 2, shape, none};
	OK(monelAllReduceStrided(&expanded, &y.t, ncclSum, comm, NULL));
	MUST(all(&y, 0, count, 3, 0));
	GIVES(ncclInvalidArgument, monelAllReduceStrided(&x.t, &expanded, ncclSum, comm, NULL), "dst");

	/* The same through NCCL's own function. */
#ifdef NCCL_COLLCONFIG_INITIALIZER
	fill(&x, 100.0f * (float)rank);
	monelTensor_t layout = x.t;
	layout.data = NULL;
	ncclConfigExt_t other = {NULL, {1234, 5}, {.i = 9}};
	ncclConfigExt_t recv = {&other, {MONEL_VENDOR_ID, MONEL_OPTION_RECV_LAYOUT}, {.raw = &y.t}};
	ncclConfigExt_t send = {&recv, {MONEL_VENDOR_ID, MONEL_OPTION_SEND_LAYOUT}, {.raw = &layout}};
	ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
	config.ext = &send;
	OK(ncclAllReduceConfig(x.t.data, y.t.data, count, ncclFloat32, ncclSum, comm, NULL, &config));
	MUST(all(&y, 0, count, 300, 3) && gaps(&y));
	GIVES(ncclInvalidArgument,
		ncclAllReduceConfig(x.t.data, y.t.data, count + 1, ncclFloat32, ncclSum, comm, NULL, &config), "elements");
	other.next = &send; /* a circle: of options that are there twice, or without end */
	GIVES(ncclInvalidArgument,
		ncclAllReduceConfig(x.t.data, y.t.data, count, ncclFloat32, ncclSum, comm, NULL, &config), "twice");
	other.next = &other;
	GIVES(ncclInvalidArgument,
		ncclAllReduceConfig(x.t.data, y.t.data, count, ncclFloat32, ncclSum, comm, NULL, &config), "circle");
	config.magic = 0;
	GIVES(ncclInvalidArgument,
		ncclAllReduceConfig(x.t.data, y.t.data, count, ncclFloat32, ncclSum, comm, NULL, &config), "INITIALIZER");
#endif
	GIVES(ncclInvalidArgument, monelAllReduceStrided(NULL, &y.t, ncclSum, comm, NULL), "NULL");
	monelTensor_t bad = x.t;
	bad.ndim = -1;
	GIVES(ncclInvalidArgument, monelAllReduceStrided(&bad, &y.t, ncclSum, comm, NULL), "dimensions");
	int64_t huge[] = {INT64_MAX, INT64_MAX};
	bad = x.t, bad.shape = huge;
	GIVES(ncclInvalidArgument, monelAllReduceStrided(&bad, &y.t, ncclSum, comm, NULL), "memory");
	free(x.memory), free(y.memory), free(wide.memory), free(far.memory);
}

static void *run(void *arg) {
	int rank = (int)(intptr_t)arg;
	each(comms[rank], rank);
	return NULL;
}

int main(void) {
	pthread_t threads[n];
	OK(ncclCommInitAll(comms, n, NULL));
	for (int r = 0; r < n; r++)
		MUST(pthread_create(&threads[r], NULL, run, (void *)(intptr_t)r) == 0);
	for (int r = 0; r < n; r++)
		pthread_join(threads[r], NULL);
	for (int r = 0; r < n; r++)
		OK(ncclCommDestroy(comms[r]));
	return 0;
}
