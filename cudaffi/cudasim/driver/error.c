/* Names and texts of results. */
#include "sim.h"

static const struct { CUresult code; const char *name, *text; } results[] = {
#define R(name, text) {name, #name, text},
	R(CUDA_SUCCESS, "no error")
	R(CUDA_ERROR_INVALID_VALUE, "invalid argument")
	R(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")
	R(CUDA_ERROR_NOT_INITIALIZED, "initialization error")
	R(CUDA_ERROR_DEINITIALIZED, "driver shutting down")
	R(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")
	R(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")
	R(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid")
	R(CUDA_ERROR_INVALID_CONTEXT, "invalid device context")
	R(CUDA_ERROR_MAP_FAILED, "mapping of buffer object failed")
	R(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")
	R(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")
	R(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "peer access is not supported between these two devices")
	R(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed")
	R(CUDA_ERROR_NVLINK_UNCORRECTABLE, "uncorrectable NVLink error detected during the execution")
	R(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "PTX JIT compiler library not found")
	R(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.")
	R(CUDA_ERROR_OPERATING_SYSTEM, "OS call failed or operation not supported on this OS")
	R(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")
	R(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state")
	R(CUDA_ERROR_NOT_FOUND, "named symbol not found")
	R(CUDA_ERROR_NOT_READY, "device not ready")
	R(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")
	R(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch")
	R(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated")
	R(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "peer access is already enabled")
	R(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "peer access has not been enabled")
	R(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "cannot set while device is active in this process")
	R(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed")
	R(CUDA_ERROR_ASSERT, "device-side assert triggered")
	R(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part or all of the requested memory range is already mapped")
	R(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "pointer does not correspond to a registered memory region")
	R(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered")
	R(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address")
	R(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure")
	R(CUDA_ERROR_NOT_PERMITTED, "operation not permitted")
	R(CUDA_ERROR_NOT_SUPPORTED, "operation not supported")
	R(CUDA_ERROR_SYSTEM_NOT_READY, "system not yet initialized")
	R(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination")
	R(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing")
	R(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture")
	R(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would result in a merge of separate capture sequences")
	R(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began")
	R(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work")
	R(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream")
	R(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing blocking stream")
	R(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream")
	R(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "attempt to terminate a thread-local capture sequence from another thread")
	R(CUDA_ERROR_TIMEOUT, "wait operation timed out")
	R(CUDA_ERROR_UNKNOWN, "unknown error")
#undef R
};

API CUresult cuGetErrorName(CUresult error, const char **name) {
	ENTER(cuGetErrorName);
	for (size_t i = 0; i < LENGTH(results); i++) {
		if (results[i].code == error) {
			*name = results[i].name;
			return CUDA_SUCCESS;
		}
	}
	*name = NULL;
	return CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuGetErrorString(CUresult error, const char **text) {
	ENTER(cuGetErrorString);
	for (size_t i = 0; i < LENGTH(results); i++) {
		if (results[i].code == error) {
			*text = results[i].text;
			return CUDA_SUCCESS;
		}
	}
	*text = NULL;
	return CUDA_ERROR_INVALID_VALUE;
}
