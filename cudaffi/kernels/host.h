/*
 * The kernels as compiled for the host by a C++ compiler: the same sources, run
 * one block after the other. For tests and simulated drivers.
 */
#ifndef MONEL_KERNELS_HOST_H
#define MONEL_KERNELS_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel: grid and block as in cuLaunchKernel, params the addresses of its
 * parameters. It may run on several threads at once. */
typedef void (*monel_host_kernel)(const unsigned grid[3], const unsigned block[3], void **params);

/* The kernel of that name, or NULL if there is none. */
monel_host_kernel monel_host_kernel_named(const char *name);

/* The name of the i-th kernel, NULL past the last one. */
const char *monel_host_kernel_name(int i);

/* Provided by whoever embeds the kernels: where the host may touch what lies at
 * device address p. Neighbouring addresses keep their distance, and their
 * place within 16 bytes. */
extern void *monel_host_translate(void *p);

#ifdef __cplusplus
}
#endif

#endif
