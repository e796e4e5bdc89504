/* What Monel's libnccl.so.2 has beyond NCCL: collectives on tensors as they lie in
 * memory. */
#ifndef MONEL_NCCL_H_
#define MONEL_NCCL_H_

#include <nccl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor. data is the address of its element (0, 0, ...), in host memory or a CUDA
 * device's; ndim may be 0, for one element. strides are in elements, NULL for
 * row-major contiguous; they may be negative, and in tensors that are only read 0 or
 * otherwise such that elements share memory. The arrays are read before the call
 * returns, the elements are borrowed as those of ncclAllReduce are. Memory between the
 * elements is never written. */
typedef struct {
	void *data;
	ncclDataType_t dtype;
	int ndim;
	const int64_t *shape;
	const int64_t *strides;
} monelTensor_t;

/* Each is what the function of NCCL is that it is named after, streams and groups
 * included, with elements matched in row-major order of the shapes, whatever the
 * strides, which may differ between ranks and between the two tensors. In all-reduce
 * and broadcast, shapes are the same on all ranks; elsewhere only counts have to fit. Where
 * NCCL has one buffer hold a block of every rank, the tensor has that many times as
 * many elements as the other one. A tensor that NCCL ignores on a rank (send of a
 * broadcast elsewhere than at the root, say) may be NULL there.
 *
 * In place, send and recv are the same tensor, or one is the part of the other that
 * NCCL's rule for the collective names; otherwise they must not share memory.
 *
 * ncclInvalidArgument stands for tensors that cannot be right, and ncclInvalidUsage
 * for ranks that disagree; ncclGetLastError says what is wrong and on which rank. */
ncclResult_t monelAllReduceStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op,
	ncclComm_t comm, cudaStream_t stream);
ncclResult_t monelBroadcastStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t monelReduceStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op, int root,
	ncclComm_t comm, cudaStream_t stream);
ncclResult_t monelAllGatherStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t monelReduceScatterStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclRedOp_t op,
	ncclComm_t comm, cudaStream_t stream);
ncclResult_t monelAlltoAllStrided(const monelTensor_t *send, const monelTensor_t *recv, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t monelGatherStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t monelScatterStrided(const monelTensor_t *send, const monelTensor_t *recv, int root, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t monelSendStrided(const monelTensor_t *send, int peer, ncclComm_t comm, cudaStream_t stream);
ncclResult_t monelRecvStrided(const monelTensor_t *recv, int peer, ncclComm_t comm, cudaStream_t stream);

/* The same through NCCL's own functions: options of ncclCollConfig_t.ext whose
 * val.raw is the address of a monelTensor_t that says how a buffer lies. Its data is
 * NULL or the buffer, its dtype the call's, and it has as many elements as the buffer
 * otherwise would. NVIDIA's library ignores the options, and takes the buffers for
 * contiguous. */
#define MONEL_VENDOR_ID 0x4d6f6e
#define MONEL_OPTION_SEND_LAYOUT 1
#define MONEL_OPTION_RECV_LAYOUT 2

/* A communicator of this process as its launcher describes it: torchrun, Open MPI, MPICH,
 * Slurm, or the variables MONEL_RANK and its siblings, as engine.FromEnv reads them when
 * the library is loaded. No unique id has to be handed around. Not for groups. */
ncclResult_t monelCommInitEnv(ncclComm_t *comm);

#ifdef __cplusplus
}
#endif
#endif
