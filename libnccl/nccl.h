/* The interface of NCCL 2.32 as libnccl.so.2 of Monel implements it: the same names,
 * values, structs and functions as NVIDIA's header of that version, which works with
 * this library as well. scripts/libnccl.sh compares the two. What the functions do
 * here is said in libnccl/README.md, what they do in general in NVIDIA's manual. */
#ifndef NCCL_H_
#define NCCL_H_

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* Programs for NCCL expect its header to bring CUDA's. Where there are none, or
 * MONEL_NO_CUDA is defined, the two types that functions take are enough. */
#if !defined(MONEL_NO_CUDA) && defined(__has_include)
#if __has_include(<cuda_runtime.h>)
#include <cuda_runtime.h>
#include <cuda_fp16.h>
#if CUDART_VERSION >= 11000
#include <cuda_bf16.h>
#endif
#define MONEL_HAS_CUDA
#endif
#endif
#ifndef MONEL_HAS_CUDA
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
#endif

#define NCCL_MAJOR 2
#define NCCL_MINOR 32
#define NCCL_PATCH 3
#define NCCL_SUFFIX ""
#define NCCL_VERSION_CODE 23203
#define NCCL_VERSION(X, Y, Z) \
	(((X) <= 2 && (Y) <= 8) ? (X)*1000 + (Y)*100 + (Z) : (X)*10000 + (Y)*100 + (Z))

#ifdef __cplusplus
extern "C" {
#endif

/* NCCL_FUNCTION declares a function and its twin for profilers, which is named with
 * a p in front. */
#define NCCL_FUNCTION(result, name, parameters) \
	result name parameters;                     \
	result p##name parameters

/* Handles. A handle is a number that is never used again, not an address. */
typedef struct ncclComm *ncclComm_t;
typedef struct ncclWindow_vidmem *ncclWindow_t;
typedef struct ncclParamHandle *ncclParamHandle_t;
#define NCCL_COMM_NULL NULL

#define NCCL_UNIQUE_ID_BYTES 128
typedef struct {
	char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;

typedef enum {
	ncclSuccess = 0,
	ncclUnhandledCudaError = 1,
	ncclSystemError = 2,
	ncclInternalError = 3,
	ncclInvalidArgument = 4,
	ncclInvalidUsage = 5,
	ncclRemoteError = 6,
	ncclInProgress = 7,
	ncclTimeout = 8,
	ncclNumResults = 9
} ncclResult_t;

typedef enum { ncclNumOps_dummy = 5 } ncclRedOp_dummy_t;
typedef enum {
	ncclSum = 0,
	ncclProd = 1,
	ncclMax = 2,
	ncclMin = 3,
	ncclAvg = 4,
	ncclNumOps = 5, /* the first that ncclRedOpCreatePreMulSum may return */
	ncclMaxRedOp = 0x7fffffff >> (32 - 8 * sizeof(ncclRedOp_dummy_t))
} ncclRedOp_t;

typedef enum {
	ncclInt8 = 0,
	ncclChar = 0,
	ncclUint8 = 1,
	ncclInt32 = 2,
	ncclInt = 2,
	ncclUint32 = 3,
	ncclInt64 = 4,
	ncclUint64 = 5,
	ncclFloat16 = 6,
	ncclHalf = 6,
	ncclFloat32 = 7,
	ncclFloat = 7,
	ncclFloat64 = 8,
	ncclDouble = 8,
	ncclBfloat16 = 9,
	ncclFloat8e4m3 = 10,
	ncclFloat8e5m2 = 11,
	ncclNumTypes = 12
} ncclDataType_t;

typedef enum {
	ncclScalarDevice = 0,        /* read when a collective uses it */
	ncclScalarHostImmediate = 1, /* read when the operator is made */
} ncclScalarResidence_t;

/* What members of the structs below are that nobody has set, and what tells structs
 * from other memory. */
#define NCCL_CONFIG_UNDEF_INT INT_MIN
#define NCCL_CONFIG_UNDEF_PTR NULL
#define NCCL_UNDEF_FLOAT -1.0f
#define NCCL_API_MAGIC 0xcafebeef

#define NCCL_SPLIT_NOCOLOR -1
#define NCCL_SHRINK_DEFAULT 0x00
#define NCCL_SHRINK_ABORT 0x01
#define NCCL_REVOKE_DEFAULT 0x00
#define NCCL_SUSPEND_MEM 0x01

#define NCCL_WIN_DEFAULT 0x00
#define NCCL_WIN_COLL_SYMMETRIC 0x01
#define NCCL_WIN_STRICT_ORDERING 0x02
#define NCCL_WIN_GIN_ONLY 0x04
#define NCCL_WIN_CFT_COUNTED 0x08
#define NCCL_WIN_REQUIRED_ALIGNMENT 4096

#define NCCL_CTA_POLICY_DEFAULT 0x00
#define NCCL_CTA_POLICY_EFFICIENCY 0x01
#define NCCL_CTA_POLICY_ZERO 0x02

typedef enum {
	ncclHostCftDefault = NCCL_CONFIG_UNDEF_INT,
	ncclHostCftEnable = 1,
	ncclHostCftDisable = 2,
	ncclHostCftFallback = 3
} ncclHostCftMode_t;

typedef enum {
	ncclNvlsHostModeDefault = NCCL_CONFIG_UNDEF_INT,
	ncclNvlsHostModeEnable = 0,
	ncclNvlsHostModeDisableTransport = 1 << 0,
	ncclNvlsHostModeDisableSymmetricMultimem = 1 << 1,
	ncclNvlsHostModeDisable = INT_MAX
} ncclNvlsHostMode_t;

/* How a communicator is to behave. Members are only ever added at the end; size says
 * how many of them the caller knows. */
typedef struct ncclConfig_v23100 {
	size_t size;
	unsigned int magic;
	unsigned int version;
	int blocking;
	int cgaClusterSize;
	int minCTAs;
	int maxCTAs;
	const char *netName;
	int splitShare;
	int trafficClass;
	const char *commName;
	int collnetEnable;
	int CTAPolicy;
	int shrinkShare;
	int nvlsCTAs;
	int nChannelsPerNetPeer;
	int nvlinkCentricSched;
	int graphUsageMode;
	int numRmaCtx;
	int maxP2pPeers;
	int graphStreamOrdering;
	int launchOrderImplicit;
	int numRmaSig;
	int rmaEagerInit;
	int hostCftMode;
	int nvlsHostMode;
} ncclConfig_t;

/* clang-format off */
#define NCCL_CONFIG_INITIALIZER { \
	sizeof(ncclConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
	NCCL_CONFIG_UNDEF_PTR, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_PTR, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
}
/* clang-format on */

/* One option of a vendor, in a list. Monel's are in monel_nccl.h; those of others are
 * ignored. */
typedef struct ncclConfigExt {
	struct ncclConfigExt *next;
	struct {
		int vendorId;
		int optionId;
	} key;
	union {
		int i;
		const char *s;
		void *raw;
	} val;
} ncclConfigExt_t;

/* How one collective is to be carried out. */
typedef struct ncclCollConfig_v23200 {
	size_t size;
	unsigned int magic;
	unsigned int version;
	ncclConfigExt_t *ext;
	int minCTAs;
	int maxCTAs;
	int nvlsCTAs;
	int cgaClusterSize;
	const char *algSelection;
	int forceAlgSelection;
	int CTAPolicy;
	uint64_t userProfilerTag;
	cudaEvent_t launchCompletionEvent;
} ncclCollConfig_t;

/* clang-format off */
#define NCCL_COLLCONFIG_INITIALIZER { \
	sizeof(ncclCollConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, \
	NCCL_CONFIG_UNDEF_PTR, \
	NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
	NCCL_CONFIG_UNDEF_PTR, 1, NCCL_CONFIG_UNDEF_INT, 0, NCCL_CONFIG_UNDEF_PTR, \
}
/* clang-format on */

typedef struct ncclSimInfo_v22200 {
	size_t size;
	unsigned int magic;
	unsigned int version;
	float estimatedTime;
} ncclSimInfo_t;

#define NCCL_SIM_INFO_INITIALIZER \
	{ sizeof(ncclSimInfo_t), 0x74685283, NCCL_VERSION_CODE, NCCL_UNDEF_FLOAT }

typedef enum { NCCL_ENCRYPTION_MODE_NONE = 0, NCCL_ENCRYPTION_MODE_PSK = 1 } ncclEncryptionMode_t;
typedef struct ncclEncryptionConfig_v23200 {
	size_t size;
	unsigned int magic;
	unsigned int version;
	int mode;
	const char *psk;
} ncclEncryptionConfig_t;

/* clang-format off */
#define NCCL_ENCRYPTION_CONFIG_INITIALIZER { \
	sizeof(ncclEncryptionConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, \
	NCCL_ENCRYPTION_MODE_NONE, NCCL_CONFIG_UNDEF_PTR, \
}
/* clang-format on */

typedef enum {
	ncclStatGpuMemSuspend = 0,
	ncclStatGpuMemSuspended = 1,
	ncclStatGpuMemPersist = 2,
	ncclStatGpuMemTotal = 3
} ncclCommMemStat_t;

typedef struct {
	int opCnt;
	int peer;
	int sigIdx;
	int ctx;
} ncclWaitSignalDesc_t;

/* The library. */
NCCL_FUNCTION(ncclResult_t, ncclGetVersion, (int *version));
NCCL_FUNCTION(const char *, ncclGetErrorString, (ncclResult_t result));
NCCL_FUNCTION(const char *, ncclGetLastError, (ncclComm_t comm));
NCCL_FUNCTION(void, ncclResetDebugInit, (void));
NCCL_FUNCTION(ncclResult_t, ncclMemAlloc, (void **ptr, size_t size));
NCCL_FUNCTION(ncclResult_t, ncclMemFree, (void *ptr));
NCCL_FUNCTION(ncclResult_t, ncclSetEncryption, (const ncclEncryptionConfig_t *config));

/* Communicators. */
NCCL_FUNCTION(ncclResult_t, ncclGetUniqueId, (ncclUniqueId *uniqueId));
NCCL_FUNCTION(ncclResult_t, ncclCommInitRank, (ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank));
NCCL_FUNCTION(ncclResult_t, ncclCommInitRankConfig,
	(ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank, ncclConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclCommInitRankScalable,
	(ncclComm_t *newcomm, int nranks, int myrank, int nId, ncclUniqueId *commIds, ncclConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclCommInitAll, (ncclComm_t *comm, int ndev, const int *devlist));
NCCL_FUNCTION(ncclResult_t, ncclCommFinalize, (ncclComm_t comm));
NCCL_FUNCTION(ncclResult_t, ncclCommDestroy, (ncclComm_t comm));
NCCL_FUNCTION(ncclResult_t, ncclCommAbort, (ncclComm_t comm));
NCCL_FUNCTION(ncclResult_t, ncclCommRevoke, (ncclComm_t comm, int revokeFlags));
NCCL_FUNCTION(ncclResult_t, ncclCommSplit,
	(ncclComm_t comm, int color, int key, ncclComm_t *newcomm, ncclConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclCommShrink,
	(ncclComm_t comm, int *excludeRanksList, int excludeRanksCount, ncclComm_t *newcomm, ncclConfig_t *config,
		int shrinkFlags));
NCCL_FUNCTION(ncclResult_t, ncclCommGetUniqueId, (ncclComm_t comm, ncclUniqueId *uniqueId));
NCCL_FUNCTION(ncclResult_t, ncclCommGrow,
	(ncclComm_t comm, int nRanks, const ncclUniqueId *uniqueId, int rank, ncclComm_t *newcomm, ncclConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t *asyncError));
NCCL_FUNCTION(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int *count));
NCCL_FUNCTION(ncclResult_t, ncclCommCuDevice, (const ncclComm_t comm, int *device));
NCCL_FUNCTION(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int *rank));
NCCL_FUNCTION(ncclResult_t, ncclCommSuspend, (ncclComm_t comm, int flags));
NCCL_FUNCTION(ncclResult_t, ncclCommResume, (ncclComm_t comm));
NCCL_FUNCTION(ncclResult_t, ncclCommMemStats, (ncclComm_t comm, ncclCommMemStat_t stat, uint64_t *value));

/* Memory that a communicator is told of. */
NCCL_FUNCTION(ncclResult_t, ncclCommRegister, (const ncclComm_t comm, void *buff, size_t size, void **handle));
NCCL_FUNCTION(ncclResult_t, ncclCommDeregister, (const ncclComm_t comm, void *handle));
NCCL_FUNCTION(ncclResult_t, ncclCommWindowRegister,
	(ncclComm_t comm, void *buff, size_t size, ncclWindow_t *win, int winFlags));
NCCL_FUNCTION(ncclResult_t, ncclCommWindowDeregister, (ncclComm_t comm, ncclWindow_t win));
NCCL_FUNCTION(ncclResult_t, ncclWinGetUserPtr, (ncclComm_t comm, ncclWindow_t win, void **outUserPtr));

/* Operators. */
NCCL_FUNCTION(ncclResult_t, ncclRedOpCreatePreMulSum,
	(ncclRedOp_t *op, void *scalar, ncclDataType_t datatype, ncclScalarResidence_t residence, ncclComm_t comm));
NCCL_FUNCTION(ncclResult_t, ncclRedOpDestroy, (ncclRedOp_t op, ncclComm_t comm));

/* Collectives. */
NCCL_FUNCTION(ncclResult_t, ncclAllReduce,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
		cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclBcast,
	(void *buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclBroadcast,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclReduce,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, int root,
		ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclAllGather,
	(const void *sendbuff, void *recvbuff, size_t sendcount, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclReduceScatter,
	(const void *sendbuff, void *recvbuff, size_t recvcount, ncclDataType_t datatype, ncclRedOp_t op,
		ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclAlltoAll,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclGather,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclScatter,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream));

/* The same, each with a configuration of its own. */
NCCL_FUNCTION(ncclResult_t, ncclAllReduceConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclBroadcastConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclReduceConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, int root,
		ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclAllGatherConfig,
	(const void *sendbuff, void *recvbuff, size_t sendcount, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclReduceScatterConfig,
	(const void *sendbuff, void *recvbuff, size_t recvcount, ncclDataType_t datatype, ncclRedOp_t op,
		ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclAlltoAllConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclGatherConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));
NCCL_FUNCTION(ncclResult_t, ncclScatterConfig,
	(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
		cudaStream_t stream, const ncclCollConfig_t *config));

/* Messages. */
NCCL_FUNCTION(ncclResult_t, ncclSend,
	(const void *sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclRecv,
	(void *recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclPutSignal,
	(const void *localbuff, size_t count, ncclDataType_t datatype, int peer, ncclWindow_t peerWin,
		size_t peerWinOffset, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclSignal,
	(int peer, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm, cudaStream_t stream));
NCCL_FUNCTION(ncclResult_t, ncclWaitSignal,
	(int nDesc, ncclWaitSignalDesc_t *signalDescs, ncclComm_t comm, cudaStream_t stream));

/* Groups. */
NCCL_FUNCTION(ncclResult_t, ncclGroupStart, (void));
NCCL_FUNCTION(ncclResult_t, ncclGroupEnd, (void));
NCCL_FUNCTION(ncclResult_t, ncclGroupSimulateEnd, (ncclSimInfo_t *simInfo));

/* Parameters: the environment variables that the library reads. */
NCCL_FUNCTION(ncclResult_t, ncclParamBind, (ncclParamHandle_t *out, const char *key));
NCCL_FUNCTION(ncclResult_t, ncclParamGetI8, (ncclParamHandle_t h, int8_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetI16, (ncclParamHandle_t h, int16_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetI32, (ncclParamHandle_t h, int32_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetI64, (ncclParamHandle_t h, int64_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetU8, (ncclParamHandle_t h, uint8_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetU16, (ncclParamHandle_t h, uint16_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetU32, (ncclParamHandle_t h, uint32_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetU64, (ncclParamHandle_t h, uint64_t *out));
NCCL_FUNCTION(ncclResult_t, ncclParamGetStr, (ncclParamHandle_t h, const char **out));
NCCL_FUNCTION(ncclResult_t, ncclParamGet, (ncclParamHandle_t h, void *out, int maxLen, int *len));
NCCL_FUNCTION(ncclResult_t, ncclParamGetParameter, (const char *key, const char **value, int *valueLen));
NCCL_FUNCTION(ncclResult_t, ncclParamGetAllParameterKeys, (const char ***table, int *tableLen));
NCCL_FUNCTION(void, ncclParamDumpAll, (void));

#undef NCCL_FUNCTION

#ifdef __cplusplus
}
#endif
#endif
