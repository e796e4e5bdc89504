/* Device memory as a descriptor, which stands for a dma-buf: a file from whose current
 * position on the bytes of the range lie. Nobody but a simulation takes that for one. */
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The descriptor of a range, -1 if it is not all device memory of one allocation. */
static int export(uint64_t address, size_t size) {
	int file = -1;
	pthread_mutex_lock(&memory_lock);
	struct arena *a = &device_arena;
	for (size_t i = 0; i < a->count; i++) {
		struct range *r = &a->ranges[i];
		if (!r->live || r->where != DEVICE || address < r->lo || address >= r->hi || size > r->hi - address)
			continue;
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", a->file);
		file = open(path, O_RDWR | O_CLOEXEC); /* with a position of its own */
		if (file >= 0 && lseek(file, (off_t)(address - a->base), SEEK_SET) < 0) {
			close(file);
			file = -1;
		}
		r->held = r->held || file >= 0;
		break;
	}
	pthread_mutex_unlock(&memory_lock);
	return file;
}

/* For what plays the kernel's part, which knows device memory by its addresses. */
API int monel_sim_export(uint64_t address, size_t size) { return export(address, size); }

API CUresult cuMemGetHandleForAddressRange(void *handle, CUdeviceptr pointer, size_t size, CUmemRangeHandleType type, unsigned long long flags) {
	ENTER(cuMemGetHandleForAddressRange);
	NEED_CONTEXT(c);
	(void)c;
	if (handle == NULL || size == 0 || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD || flags != 0 ||
		pointer % page_size() != 0 || size % page_size() != 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!settings.dmabuf || settings.version < 11070)
		return CUDA_ERROR_NOT_SUPPORTED;
	int file = export(pointer, size);
	if (file < 0)
		return CUDA_ERROR_INVALID_VALUE;
	*(int *)handle = file;
	return CUDA_SUCCESS;
}
