/* First versions of functions that have newer ones. Some have the same
 * arguments; those with the 32-bit sizes and addresses of CUDA 3 are here to be
 * found by whoever looks up the wrong name, and to say so. */
#include "sim.h"

#define VALUE(name, type) \
	CUresult name##_v2(CUstream, CUdeviceptr, type, unsigned); \
	API CUresult name(CUstream stream, CUdeviceptr address, type value, unsigned flags); \
	API CUresult name(CUstream stream, CUdeviceptr address, type value, unsigned flags) { \
		return name##_v2(stream, address, value, flags); \
	}
VALUE(cuStreamWaitValue32, cuuint32_t)
VALUE(cuStreamWaitValue64, cuuint64_t)
VALUE(cuStreamWriteValue32, cuuint32_t)
VALUE(cuStreamWriteValue64, cuuint64_t)

#define OBSOLETE(name) \
	API CUresult name(void); \
	API CUresult name(void) { \
		fault("the obsolete %s was called; current programs call a newer version of it", #name); \
		return CUDA_ERROR_INVALID_VALUE; \
	}
OBSOLETE(cuDeviceTotalMem)
OBSOLETE(cuCtxPushCurrent)
OBSOLETE(cuCtxPopCurrent)
OBSOLETE(cuDevicePrimaryCtxRelease)
OBSOLETE(cuDevicePrimaryCtxReset)
OBSOLETE(cuDevicePrimaryCtxSetFlags)
OBSOLETE(cuStreamDestroy)
OBSOLETE(cuStreamBeginCapture)
OBSOLETE(cuStreamGetCaptureInfo)
OBSOLETE(cuEventDestroy)
OBSOLETE(cuMemGetInfo)
OBSOLETE(cuMemAlloc)
OBSOLETE(cuMemFree)
OBSOLETE(cuMemGetAddressRange)
OBSOLETE(cuMemAllocHost)
OBSOLETE(cuMemHostGetDevicePointer)
OBSOLETE(cuMemHostRegister)
OBSOLETE(cuMemcpyHtoD)
OBSOLETE(cuMemcpyDtoH)
OBSOLETE(cuMemcpyDtoD)
OBSOLETE(cuMemcpyHtoDAsync)
OBSOLETE(cuMemcpyDtoHAsync)
OBSOLETE(cuMemcpyDtoDAsync)
OBSOLETE(cuMemsetD8)
OBSOLETE(cuMemsetD16)
OBSOLETE(cuMemsetD32)
OBSOLETE(cuIpcOpenMemHandle)
