/* A few kernels of the simulator's own, for the tests of it and of what calls it.
 * Their PTX has only their declarations (Kernels in the Go package). */
#include "sim.h"

#include <sched.h>
#include <string.h>
#include <time.h>

void *monel_host_translate(void *pointer);

#define PARAM(type, i) (*(type *)params[i])

/* For every element of out: out[i] = a[i] + b, words of 32 bits. */
static void add(const unsigned grid[3], const unsigned block[3], void **params) {
	uint32_t *out = monel_host_translate(PARAM(void *, 0));
	const uint32_t *a = monel_host_translate(PARAM(void *, 1));
	uint32_t b = PARAM(uint32_t, 2);
	uint64_t n = PARAM(uint64_t, 3), threads = (uint64_t)grid[0] * block[0];
	for (uint64_t thread = 0; thread < threads; thread++)
		for (uint64_t i = thread; i < n; i += threads)
			out[i] = a[i] + b;
}

/* Writes a byte at an offset from a pointer. */
static void poke(const unsigned grid[3], const unsigned block[3], void **params) {
	(void)grid, (void)block;
	unsigned char *at = monel_host_translate(PARAM(void *, 0));
	at[PARAM(int64_t, 1)] = PARAM(unsigned char, 2);
}

/* Takes a while. */
static void nap(const unsigned grid[3], const unsigned block[3], void **params) {
	(void)grid, (void)block;
	uint64_t us = PARAM(uint64_t, 0);
	struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};
	nanosleep(&t, NULL);
}

/* Ends when a word, of pinned memory perhaps, holds a value. */
static void spin(const unsigned grid[3], const unsigned block[3], void **params) {
	(void)grid, (void)block;
	_Atomic uint32_t *word = monel_host_translate(PARAM(void *, 0));
	while (atomic_load(word) != PARAM(uint32_t, 1))
		sched_yield();
}

/* Copies a structure that it gets by value, to see that all of it arrives. */
struct block { unsigned char bytes[72]; };
static void echo(const unsigned grid[3], const unsigned block[3], void **params) {
	(void)grid, (void)block;
	memcpy(monel_host_translate(PARAM(void *, 0)), params[1], sizeof(struct block));
}

host_kernel builtin_kernel(const char *name) {
	static const struct { const char *name; host_kernel kernel; } table[] = {
		{"monel_sim_add", add},
		{"monel_sim_poke", poke},
		{"monel_sim_nap", nap},
		{"monel_sim_echo", echo},
		{"monel_sim_spin", spin},
	};
	for (size_t i = 0; i < LENGTH(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].kernel;
	return NULL;
}
