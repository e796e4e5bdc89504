/* Device memory as a descriptor, which stands for a dma-buf: a file from whose current
 * position on the bytes of the range lie. Nobody but a simulation takes that for one. */
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

API CUresult cuMemGetHandleForAddressRange(void *handle, CUdeviceptr pointer, size_t size, CUmemRangeHandleType type, unsigned long long flags) {
	ENTER(cuMemGetHandleForAddressRange);
	NEED_CONTEXT(c);
	(void)c;
	if (handle == NULL || size == 0 || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD || flags != 0 ||
		pointer % page_size() != 0 || size % page_size() != 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!settings.dmabuf || settings.version < 11070)
		return CUDA_ERROR_NOT_SUPPORTED;
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&memory_lock);
	struct arena *a = &device_arena;
	for (size_t i = 0; i < a->count; i++) {
		struct range *r = &a->ranges[i];
		if (!r->live || r->where != DEVICE || pointer < r->lo || pointer >= r->hi || size > r->hi - pointer)
			continue;
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", a->file);
		int file = open(path, O_RDWR | O_CLOEXEC); /* with a position of its own */
		if (file < 0 || lseek(file, (off_t)(pointer - a->base), SEEK_SET) < 0) {
			if (file >= 0)
				close(file);
			result = CUDA_ERROR_OUT_OF_MEMORY;
			break;
		}
		r->held = true;
		*(int *)handle = file;
		result = CUDA_SUCCESS;
		break;
	}
	pthread_mutex_unlock(&memory_lock);
	return result;
}
