/* Collectives and messages, brought into one form. */
#include "abi.h"
#include "_cgo_export.h"

static ncclResult_t carry(monelCall call) {
	ENTER();
	call.group = monel_thread()->group;
	return (ncclResult_t)monelCarry(&call);
}

#define ON(handle, on) .comm = (uintptr_t)(handle), .stream = (uintptr_t)(on)

FUNCTION(ncclResult_t, ncclAllReduceConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_ALL_REDUCE, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, .op = op, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclAllReduce,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclAllReduceConfig(sendbuff, recvbuff, count, datatype, op, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclBroadcastConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_BROADCAST, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, .root = root, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclBroadcast,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclBroadcastConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclBcast,
	(void *buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm, cudaStream_t stream)) {
	return pncclBroadcastConfig(buff, buff, count, datatype, root, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclReduceConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, int root,
		ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_REDUCE, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, .op = op, .root = root, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclReduce,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, int root,
		ncclComm_t comm, cudaStream_t stream)) {
	return pncclReduceConfig(sendbuff, recvbuff, count, datatype, op, root, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclAllGatherConfig,
	(const void *sendbuff, void *recvbuff, size_t sendcount, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_ALL_GATHER, .send = sendbuff, .recv = recvbuff, .count = sendcount,
		.dtype = datatype, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclAllGather,
	(const void *sendbuff, void *recvbuff, size_t sendcount, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclAllGatherConfig(sendbuff, recvbuff, sendcount, datatype, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclReduceScatterConfig,
	(const void *sendbuff, void *recvbuff, size_t recvcount, ncclDataType_t datatype, ncclRedOp_t op,
		ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_REDUCE_SCATTER, .send = sendbuff, .recv = recvbuff, .count = recvcount,
		.dtype = datatype, .op = op, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclReduceScatter,
	(const void *sendbuff, void *recvbuff, size_t recvcount, ncclDataType_t datatype, ncclRedOp_t op,
		ncclComm_t comm, cudaStream_t stream)) {
	return pncclReduceScatterConfig(sendbuff, recvbuff, recvcount, datatype, op, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclAlltoAllConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_ALL_TO_ALL, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclAlltoAll,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclAlltoAllConfig(sendbuff, recvbuff, count, datatype, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclGatherConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_GATHER, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, .root = root, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclGather,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclGatherConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclScatterConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config)) {
	return carry((monelCall){.kind = MONEL_SCATTER, .send = sendbuff, .recv = recvbuff, .count = count,
		.dtype = datatype, .root = root, ON(comm, stream), .config = config});
}

FUNCTION(ncclResult_t, ncclScatter,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream)) {
	return pncclScatterConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, NULL);
}

FUNCTION(ncclResult_t, ncclSend,
	(const void *sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream)) {
	return carry((monelCall){.kind = MONEL_SEND, .send = sendbuff, .count = count, .dtype = datatype, .root = peer,
		ON(comm, stream)});
}

FUNCTION(ncclResult_t, ncclRecv,
	(void *recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream)) {
	return carry((monelCall){.kind = MONEL_RECV, .recv = recvbuff, .count = count, .dtype = datatype, .root = peer,
		ON(comm, stream)});
}

#define STRIDED(what, from, to) .strided = 1, .kind = (what), .send = (from), .recv = (void *)(to)

ncclResult_t monelAllReduceStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op,
	ncclComm_t comm, cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_ALL_REDUCE, send, recv), .op = op, ON(comm, stream)});
}

ncclResult_t monelBroadcastStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_BROADCAST, send, recv), .root = root, ON(comm, stream)});
}

ncclResult_t monelReduceStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op, int root,
	ncclComm_t comm, cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_REDUCE, send, recv), .op = op, .root = root, ON(comm, stream)});
}

ncclResult_t monelAllGatherStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclComm_t comm,
	cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_ALL_GATHER, send, recv), ON(comm, stream)});
}

ncclResult_t monelReduceScatterStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op,
	ncclComm_t comm, cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_REDUCE_SCATTER, send, recv), .op = op, ON(comm, stream)});
}

ncclResult_t monelAlltoAllStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclComm_t comm,
	cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_ALL_TO_ALL, send, recv), ON(comm, stream)});
}

ncclResult_t monelGatherStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_GATHER, send, recv), .root = root, ON(comm, stream)});
}

ncclResult_t monelScatterStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_SCATTER, send, recv), .root = root, ON(comm, stream)});
}

ncclResult_t monelSendStrided(const monelTensor_t *send, int peer, ncclComm_t comm, cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_SEND, send, NULL), .root = peer, ON(comm, stream)});
}

ncclResult_t monelRecvStrided(const monelTensor_t *recv, int peer, ncclComm_t comm, cudaStream_t stream) {
	return carry((monelCall){STRIDED(MONEL_RECV, NULL, recv), .root = peer, ON(comm, stream)});
}
