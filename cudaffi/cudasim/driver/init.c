/* Starting the driver, and finding its functions. */
#include "sim.h"

#include <string.h>

API CUresult cuInit(unsigned int flags) {
	ENTER(cuInit);
	if (flags != 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (settings.devices == 0)
		return CUDA_ERROR_NO_DEVICE;
	if (!arenas_open())
		return CUDA_ERROR_OUT_OF_MEMORY;
	trap_install();
	atomic_store_explicit(&initialised, true, memory_order_release);
	return CUDA_SUCCESS;
}

API CUresult cuDriverGetVersion(int *version) {
	ENTER(cuDriverGetVersion);
	if (version == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*version = (int)settings.version;
	return CUDA_SUCCESS;
}

/* All functions, whose types the table does not know. */
#define CALL(name, symbol, since) extern void symbol##_address(void) __asm__(#symbol);
#include "calls.h"
#undef CALL
static void (*const addresses[CALLS])(void) = {
#define CALL(name, symbol, since) symbol##_address,
#include "calls.h"
#undef CALL
};

/* The newest version of name that cudaVersion may have. */
static CUresult look_up(const char *name, void **address, int version, cuuint64_t flags,
	CUdriverProcAddressQueryResult *status) {
	if (name == NULL || address == NULL || (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	*address = NULL;
	bool known = false;
	for (int id = 0; id < CALLS; id++) {
		if (strcmp(calls[id].name, name) != 0 || calls[id].since > (int)settings.version)
			continue;
		known = true;
		if (calls[id].since <= version)
			*address = (void *)addresses[id];
	}
	if (status != NULL)
		*status = *address != NULL ? CU_GET_PROC_ADDRESS_SUCCESS
			: known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return *address != NULL ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

API CUresult cuGetProcAddress_v2(const char *symbol, void **address, int version, cuuint64_t flags,
	CUdriverProcAddressQueryResult *status) {
	ENTER(cuGetProcAddress_v2);
	return look_up(symbol, address, version, flags, status);
}

#ifndef MONEL_SIM_OFFICIAL /* whose header has only the newest */
API CUresult cuGetProcAddress(const char *symbol, void **address, int version, cuuint64_t flags) {
	ENTER(cuGetProcAddress);
	return look_up(symbol, address, version, flags, NULL);
}
#endif
