/* What is known of an address. */
#include "sim.h"

#include <string.h>

/* A copy of the range at address, if it is of one that is alive. */
static bool find(uint64_t address, struct range *out) {
	struct arena *a;
	pthread_mutex_lock(&memory_lock);
	struct range *r = range_find(address, &a);
	if (a == NULL)
		r = registered_find(address);
	bool ok = r != NULL && r->live;
	if (ok)
		*out = *r;
	pthread_mutex_unlock(&memory_lock);
	return ok;
}

static bool on_host(const struct range *r) { return r->where == PINNED || r->where == REGISTERED; }

/* Writes the attribute of memory r, or of memory that nobody knows (NULL). */
static CUresult attribute(void *data, CUpointer_attribute which, uint64_t address, const struct range *r) {
	switch (which) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = r != NULL ? (CUcontext)r->context->o.handle : NULL;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned *)data = r == NULL ? 0 : on_host(r) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = r != NULL ? address : 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*(void **)data = r != NULL && (on_host(r) || r->where == MANAGED) ? (void *)address : NULL;
		return r != NULL && *(void **)data == NULL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned *)data = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)data = r != NULL ? r->number : 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		*(unsigned *)data = r != NULL && r->where == MANAGED;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)data = r != NULL ? r->device : -2;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(unsigned *)data = r != NULL && r->where == DEVICE;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		*(CUdeviceptr *)data = r != NULL ? r->base : 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		*(size_t *)data = r != NULL ? r->size : 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(unsigned *)data = r != NULL;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

API CUresult cuPointerGetAttribute(void *data, CUpointer_attribute which, CUdeviceptr pointer) {
	ENTER(cuPointerGetAttribute);
	struct range r;
	if (data == NULL || !find(pointer, &r))
		return CUDA_ERROR_INVALID_VALUE;
	return attribute(data, which, pointer, &r);
}

/* Knows nothing of an address rather than failing. */
API CUresult cuPointerGetAttributes(unsigned int n, CUpointer_attribute *which, void **data, CUdeviceptr pointer) {
	ENTER(cuPointerGetAttributes);
	if (which == NULL || data == NULL || n == 0)
		return CUDA_ERROR_INVALID_VALUE;
	struct range r;
	bool known = find(pointer, &r);
	for (unsigned i = 0; i < n; i++) {
		CUresult result = attribute(data[i], which[i], pointer, known ? &r : NULL);
		if (result != CUDA_SUCCESS && which[i] != CU_POINTER_ATTRIBUTE_HOST_POINTER)
			return result;
	}
	return CUDA_SUCCESS;
}

API CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute which, CUdeviceptr pointer) {
	ENTER(cuPointerSetAttribute);
	struct range r;
	if (value == NULL || which != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || !find(pointer, &r) || r.where != DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr pointer) {
	ENTER(cuMemGetAddressRange_v2);
	struct range r;
	if (!find(pointer, &r))
		return CUDA_ERROR_NOT_FOUND;
	if (base != NULL)
		*base = r.base;
	if (size != NULL)
		*size = r.size;
	return CUDA_SUCCESS;
}

API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pointer, void *memory, unsigned int flags) {
	ENTER(cuMemHostGetDevicePointer_v2);
	NEED_CONTEXT(c);
	struct range r;
	if (pointer == NULL || flags != 0 || !find((uint64_t)memory, &r) || !on_host(&r))
		return CUDA_ERROR_INVALID_VALUE;
	*pointer = (CUdeviceptr)memory;
	return CUDA_SUCCESS;
}

API CUresult cuMemHostGetFlags(unsigned int *flags, void *memory) {
	ENTER(cuMemHostGetFlags);
	struct range r;
	if (flags == NULL || !find((uint64_t)memory, &r) || r.where != PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = r.flags;
	return CUDA_SUCCESS;
}
