/* Communicators, and what belongs to them. */
#include "abi.h"
#include "_cgo_export.h"

static ncclResult_t unsupported(const char *function, const char *why) {
	ENTER();
	return monel_refuse(ncclInvalidUsage, "%s is not supported: %s", function, why);
}

FUNCTION(ncclResult_t, ncclGetVersion, (int *version)) {
	ENTER();
	if (version == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclGetVersion: version is NULL");
	return (ncclResult_t)monelVersion(version);
}

FUNCTION(void, ncclResetDebugInit, (void)) {}

FUNCTION(ncclResult_t, ncclMemAlloc, (void **ptr, size_t size)) {
	ENTER();
	return (ncclResult_t)monelMemAlloc(ptr, size);
}

FUNCTION(ncclResult_t, ncclMemFree, (void *ptr)) {
	ENTER();
	return (ncclResult_t)monelMemFree(ptr);
}

FUNCTION(ncclResult_t, ncclSetEncryption, (const ncclEncryptionConfig_t *config)) {
	ENTER();
	if (config == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclSetEncryption: config is NULL");
	if (config->size < sizeof *config || config->magic != NCCL_API_MAGIC)
		return monel_refuse(ncclInvalidArgument, "config was not set to NCCL_ENCRYPTION_CONFIG_INITIALIZER");
	return (ncclResult_t)monelSetEncryption(config->mode, (char *)config->psk);
}

FUNCTION(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * uniqueId)) {
	ENTER();
	return (ncclResult_t)monelUniqueID(uniqueId);
}

FUNCTION(ncclResult_t, ncclCommInitRankConfig,
	(ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank, ncclConfig_t *config)) {
	ENTER();
	return (ncclResult_t)monelCommInit(comm, nranks, &commId, 1, rank, config, monel_thread()->group);
}

FUNCTION(ncclResult_t, ncclCommInitRank, (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank)) {
	return pncclCommInitRankConfig(comm, nranks, commId, rank, NULL);
}

ncclResult_t monelCommInitEnv(ncclComm_t *comm) {
	ENTER();
	return (ncclResult_t)monelCommInitLaunched(comm);
}

FUNCTION(ncclResult_t, ncclCommInitRankScalable,
	(ncclComm_t * newcomm, int nranks, int myrank, int nId, ncclUniqueId *commIds, ncclConfig_t *config)) {
	ENTER();
	if (nId < 1 || nId > nranks || commIds == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclCommInitRankScalable: %d ids; give 1 to %d", nId, nranks);
	return (ncclResult_t)monelCommInit(newcomm, nranks, commIds, nId, myrank, config, monel_thread()->group);
}

FUNCTION(ncclResult_t, ncclCommInitAll, (ncclComm_t * comm, int ndev, const int *devlist)) {
	ENTER();
	return (ncclResult_t)monelCommInitAll(comm, ndev, (int *)devlist);
}

FUNCTION(ncclResult_t, ncclCommFinalize, (ncclComm_t comm)) {
	ENTER();
	return (ncclResult_t)monelCommFinalize((uintptr_t)comm);
}

FUNCTION(ncclResult_t, ncclCommDestroy, (ncclComm_t comm)) {
	ENTER();
	return (ncclResult_t)monelCommDestroy((uintptr_t)comm);
}

FUNCTION(ncclResult_t, ncclCommAbort, (ncclComm_t comm)) {
	ENTER();
	return (ncclResult_t)monelCommAbort((uintptr_t)comm);
}

FUNCTION(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t *asyncError)) {
	ENTER();
	if (asyncError == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclCommGetAsyncError: asyncError is NULL");
	int state = 0;
	int result = monelCommState((uintptr_t)comm, &state);
	*asyncError = (ncclResult_t)state;
	return (ncclResult_t)result;
}

/* ask gets one number of a communicator. */
static ncclResult_t ask(const char *function, ncclComm_t comm, int which, int *answer) {
	ENTER();
	if (answer == NULL)
		return monel_refuse(ncclInvalidArgument, "%s: no place for the answer", function);
	return (ncclResult_t)monelCommAsk((uintptr_t)comm, which, answer);
}

FUNCTION(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int *count)) {
	return ask("ncclCommCount", comm, MONEL_ASK_COUNT, count);
}

FUNCTION(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int *rank)) {
	return ask("ncclCommUserRank", comm, MONEL_ASK_RANK, rank);
}

FUNCTION(ncclResult_t, ncclCommCuDevice, (const ncclComm_t comm, int *device)) {
	return ask("ncclCommCuDevice", comm, MONEL_ASK_DEVICE, device);
}

FUNCTION(ncclResult_t, ncclCommRegister, (const ncclComm_t comm, void *buff, size_t size, void **handle)) {
	ENTER();
	return (ncclResult_t)monelRegister((uintptr_t)comm, buff, size, handle);
}

FUNCTION(ncclResult_t, ncclCommDeregister, (const ncclComm_t comm, void *handle)) {
	ENTER();
	return (ncclResult_t)monelDeregister((uintptr_t)comm, (uintptr_t)handle);
}

FUNCTION(ncclResult_t, ncclCommWindowRegister,
	(ncclComm_t comm, void *buff, size_t size, ncclWindow_t *win, int winFlags)) {
	ENTER();
	return (ncclResult_t)monelRegister((uintptr_t)comm, buff, size, (void **)win);
}

FUNCTION(ncclResult_t, ncclCommWindowDeregister, (ncclComm_t comm, ncclWindow_t win)) {
	ENTER();
	return (ncclResult_t)monelDeregister((uintptr_t)comm, (uintptr_t)win);
}

FUNCTION(ncclResult_t, ncclWinGetUserPtr, (ncclComm_t comm, ncclWindow_t win, void **outUserPtr)) {
	ENTER();
	return (ncclResult_t)monelRegistered((uintptr_t)comm, (uintptr_t)win, outUserPtr);
}

FUNCTION(ncclResult_t, ncclRedOpCreatePreMulSum,
	(ncclRedOp_t * op, void *scalar, ncclDataType_t datatype, ncclScalarResidence_t residence, ncclComm_t comm)) {
	ENTER();
	int number = 0;
	if (op == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclRedOpCreatePreMulSum: op is NULL");
	int result = monelOpCreate((uintptr_t)comm, scalar, datatype, residence, &number);
	*op = (ncclRedOp_t)number;
	return (ncclResult_t)result;
}

FUNCTION(ncclResult_t, ncclRedOpDestroy, (ncclRedOp_t op, ncclComm_t comm)) {
	ENTER();
	return (ncclResult_t)monelOpDestroy((uintptr_t)comm, op);
}

FUNCTION(ncclResult_t, ncclCommSplit,
	(ncclComm_t comm, int color, int key, ncclComm_t *newcomm, ncclConfig_t *config)) {
	ENTER();
	return (ncclResult_t)monelCommSplit((uintptr_t)comm, color, key, newcomm, config, monel_thread()->group);
}

FUNCTION(ncclResult_t, ncclCommShrink,
	(ncclComm_t comm, int *excludeRanksList, int excludeRanksCount, ncclComm_t *newcomm, ncclConfig_t *config,
		int shrinkFlags)) {
	ENTER();
	return (ncclResult_t)monelCommShrink((uintptr_t)comm, excludeRanksList, excludeRanksCount, newcomm, config,
		shrinkFlags, monel_thread()->group);
}

FUNCTION(ncclResult_t, ncclCommRevoke, (ncclComm_t comm, int revokeFlags)) {
	ENTER();
	return (ncclResult_t)monelCommRevoke((uintptr_t)comm, revokeFlags);
}

FUNCTION(ncclResult_t, ncclCommGetUniqueId, (ncclComm_t comm, ncclUniqueId *uniqueId)) {
	ENTER();
	return (ncclResult_t)monelCommGrowID((uintptr_t)comm, uniqueId);
}

FUNCTION(ncclResult_t, ncclCommGrow,
	(ncclComm_t comm, int nRanks, const ncclUniqueId *uniqueId, int rank, ncclComm_t *newcomm,
		ncclConfig_t *config)) {
	ENTER();
	return (ncclResult_t)monelCommGrow((uintptr_t)comm, nRanks, (ncclUniqueId *)uniqueId, rank, newcomm, config,
		monel_thread()->group);
}

FUNCTION(ncclResult_t, ncclCommSuspend, (ncclComm_t comm, int flags)) {
	ENTER();
	return (ncclResult_t)monelCommSuspend((uintptr_t)comm, flags);
}

FUNCTION(ncclResult_t, ncclCommResume, (ncclComm_t comm)) {
	ENTER();
	return (ncclResult_t)monelCommResume((uintptr_t)comm);
}

FUNCTION(ncclResult_t, ncclCommMemStats, (ncclComm_t comm, ncclCommMemStat_t stat, uint64_t *value)) {
	ENTER();
	return (ncclResult_t)monelCommMemory((uintptr_t)comm, stat, value);
}

#define ONE_SIDED "there are no one-sided operations; use ncclSend and ncclRecv"

FUNCTION(ncclResult_t, ncclPutSignal,
	(const void *localbuff, size_t count, ncclDataType_t datatype, int peer, ncclWindow_t peerWin,
		size_t peerWinOffset, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm, cudaStream_t stream)) {
	return unsupported("ncclPutSignal", ONE_SIDED);
}

FUNCTION(ncclResult_t, ncclSignal,
	(int peer, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm, cudaStream_t stream)) {
	return unsupported("ncclSignal", ONE_SIDED);
}

FUNCTION(ncclResult_t, ncclWaitSignal,
	(int nDesc, ncclWaitSignalDesc_t *signalDescs, ncclComm_t comm, cudaStream_t stream)) {
	return unsupported("ncclWaitSignal", ONE_SIDED);
}
