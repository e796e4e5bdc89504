/* The simulated GPUs, which all are alike. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static bool is_device(CUdevice device) { return device >= 0 && (uint64_t)device < settings.devices; }

API CUresult cuDeviceGetCount(int *count) {
	ENTER(cuDeviceGetCount);
	if (count == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*count = (int)settings.devices;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
	ENTER(cuDeviceGet);
	if (device == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(ordinal))
		return CUDA_ERROR_INVALID_DEVICE;
	*device = ordinal;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
	ENTER(cuDeviceGetName);
	if (name == NULL || length <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	snprintf(name, (size_t)length, "Simulated GPU %d", device);
	return CUDA_SUCCESS;
}

static CUresult uuid(CUuuid *out, CUdevice device) {
	if (out == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	/* The same in every process, as with a GPU that they share. */
	memcpy(out->bytes, "simulated-gpu", 13);
	out->bytes[13] = out->bytes[14] = 0;
	out->bytes[15] = (char)device;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid(CUuuid *out, CUdevice device) {
	ENTER(cuDeviceGetUuid);
	return uuid(out, device);
}

API CUresult cuDeviceGetUuid_v2(CUuuid *out, CUdevice device) {
	ENTER(cuDeviceGetUuid_v2);
	return uuid(out, device);
}

API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
	ENTER(cuDeviceTotalMem_v2);
	if (bytes == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = settings.memory;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice device) {
	ENTER(cuDeviceGetPCIBusId);
	if (id == NULL || length < 13)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	snprintf(id, (size_t)length, "0000:%02X:00.0", 0x17 + device);
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *id) {
	ENTER(cuDeviceGetByPCIBusId);
	unsigned domain, bus, slot, function;
	if (device == NULL || id == NULL || sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return CUDA_ERROR_INVALID_VALUE;
	if (domain != 0 || slot != 0 || function != 0 || !is_device((int)bus - 0x17))
		return CUDA_ERROR_INVALID_DEVICE;
	*device = (int)bus - 0x17;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
	ENTER(cuDeviceComputeCapability);
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	*major = (int)settings.capability / 10;
	*minor = (int)settings.capability % 10;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
	ENTER(cuDeviceCanAccessPeer);
	if (!is_device(device) || !is_device(peer))
		return CUDA_ERROR_INVALID_DEVICE;
	*can = device != peer;
	return CUDA_SUCCESS;
}

static int attribute(CUdevice_attribute a, CUdevice device) {
	switch (a) {
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
		return 1024;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
		return 65535;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return 99 << 10;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return 100 << 10;
	case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return 1 << 10;
	case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
		return 65536;
	case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1500000;
	case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 2000000;
	case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 4096;
	case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 32 << 20;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return (int)settings.multiprocessors;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return 2048;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return 32;
	case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
	case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
	case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
	case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
	case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
	case CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS:
	case CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
	case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
		return 1;
	case CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS_V1:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR_V1:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR:
		return (int)settings.values;
	case CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED: return (int)settings.dmabuf;
	case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return 0x17 + device;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return (int)settings.capability / 10;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return (int)settings.capability % 10;
	default: return 0;
	}
}

API CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute a, CUdevice device) {
	ENTER(cuDeviceGetAttribute);
	if (value == NULL || a <= 0 || a >= CU_DEVICE_ATTRIBUTE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_device(device))
		return CUDA_ERROR_INVALID_DEVICE;
	if (a >= CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS && settings.version < 11070)
		return CUDA_ERROR_INVALID_VALUE; /* not known yet */
	*value = attribute(a, device);
	return CUDA_SUCCESS;
}
