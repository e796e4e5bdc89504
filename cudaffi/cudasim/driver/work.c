/* Errors to inject into what streams carry out. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

struct failure { char kernel[120]; bool any_kernel; uint64_t left; CUresult result; };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct failure failures[16];
static atomic_uint armed;

void work_fail(const char *kernel, uint64_t n, CUresult result) {
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < LENGTH(failures) && n > 0; i++) {
		struct failure *f = &failures[i];
		if (f->left > 0)
			continue;
		f->any_kernel = kernel == NULL;
		snprintf(f->kernel, sizeof f->kernel, "%s", kernel != NULL ? kernel : "");
		f->left = n;
		f->result = result;
		armed++;
		break;
	}
	pthread_mutex_unlock(&lock);
}

/* Of a kernel that is being launched, or with "" of whatever is put on a stream. */
CUresult work_failing(const char *kernel) {
	if (atomic_load_explicit(&armed, memory_order_relaxed) == 0)
		return CUDA_SUCCESS;
	CUresult result = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < LENGTH(failures); i++) {
		struct failure *f = &failures[i];
		bool meant = f->any_kernel ? *kernel != 0 : strcmp(f->kernel, kernel) == 0;
		if (f->left > 0 && meant && --f->left == 0) {
			armed--;
			result = f->result;
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}

uint64_t work_armed(void) { return armed; }

void work_reset(void) {
	pthread_mutex_lock(&lock);
	memset(failures, 0, sizeof failures);
	armed = 0;
	pthread_mutex_unlock(&lock);
}
