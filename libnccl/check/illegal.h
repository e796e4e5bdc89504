/* Calls that must be refused, whatever else goes on: no other rank hears of them. */
#ifndef ILLEGAL_H_
#define ILLEGAL_H_

#include "random.h"
#include <monel_nccl.h>

/* A communicator that has been destroyed, if there has been one. */
static _Atomic(ncclComm_t) dead;

static inline ncclComm_t no_communicator(team *t) {
	switch (below(&t->own, 3)) {
	case 0: return NULL;
	case 1: return dead;
	default: return (ncclComm_t)(uintptr_t)(draw(&t->own) | 1); /* no handle is odd */
	}
}

static inline void wrong_collective(team *t, ncclComm_t comm) {
	static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 62};
	float x[4] = {1, 2, 3, 4};
	int bad = below(&t->own, 2) ? -1 - below(&t->own, 1000) : t->n + below(&t->own, 1000);
	switch (below(&t->own, 11)) {
	case 0: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllReduce(x, x, 4, 12 + below(&t->own, 100), ncclSum, comm, NULL)); break;
	case 1: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclReduceScatter(x, x, 1, ncclFloat, 50000 + below(&t->own, 10000), comm, NULL)); break;
	case 2: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclBroadcast(x, x, 4, ncclFloat, bad, comm, NULL)); break;
	case 3: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclReduce(x, x, 4, ncclFloat, ncclMax, bad, comm, NULL)); break;
	case 4: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclSend(x, 4, ncclFloat, bad, comm, NULL)); break;
	case 5: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclRecv(x, 4, ncclFloat, bad, comm, NULL)); break;
	case 6: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllReduce(x, x, counts[below(&t->own, 3)], ncclDouble, ncclSum, comm, NULL)); break;
	case 7: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllGather(NULL, x, 1, ncclFloat, comm, NULL)); break;
	case 8: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllReduce(x, NULL, 1, ncclFloat, ncclSum, comm, NULL)); break;
	case 9: {
		ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
		config.magic = (unsigned)draw(&t->own) & 0xffff;
		FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllReduceConfig(x, x, 4, ncclFloat, ncclSum, comm, NULL, &config));
		break;
	}
	case 10: {
		int64_t shape[] = {2, INT64_MAX / (1 + below(&t->own, 2))};
		monelTensor_t tensor = {x, ncclFloat, 2, shape, NULL};
		if (below(&t->own, 2))
			tensor.ndim = 65 + below(&t->own, 1000);
		FAILS(ncclInvalidArgument, ncclInvalidArgument, monelAllReduceStrided(&tensor, &tensor, ncclSum, comm, NULL));
		break;
	}
	}
}

static inline void wrong_communicator(team *t) {
	ncclComm_t none = no_communicator(t), out = NULL;
	float x = 0;
	int number = 0;
	void *p = NULL;
	ncclRedOp_t op;
	ncclResult_t state;
	ncclUniqueId id;
	switch (below(&t->own, 13)) {
	case 0: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclAllReduce(&x, &x, 1, ncclFloat, ncclSum, none, NULL)); break;
	case 1: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclSend(&x, 1, ncclFloat, 0, none, NULL)); break;
	case 2: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommCount(none, &number)); break;
	case 3: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommGetAsyncError(none, &state)); break;
	case 4: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommSplit(none, 0, 0, &out, NULL)); break;
	case 5: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommShrink(none, NULL, 0, &out, NULL, 0)); break;
	case 6: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommRegister(none, &x, 4, &p)); break;
	case 7: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclRedOpCreatePreMulSum(&op, &x, ncclFloat, ncclScalarHostImmediate, none)); break;
	case 8: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommFinalize(none)); break;
	case 9: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommRevoke(none, 0)); break;
	case 10: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommGetUniqueId(none, &id)); break;
	case 11: /* NULL is nothing to be destroyed */
		if (none != NULL)
			FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommDestroy(none));
		break;
	case 12:
		if (none != NULL)
			FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommAbort(none));
		break;
	}
}

static inline void wrong_rest(team *t, ncclComm_t comm) {
	ncclComm_t out = NULL;
	void *p = NULL;
	float x = 0;
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclUniqueId id;
	ncclParamHandle_t param;
	int far = t->n + below(&t->own, 9), own = 0;
	ncclCommUserRank(comm, &own);
	config.blocking = 1;
	switch (below(&t->own, 16)) {
	case 0: FAILS(ncclInvalidUsage, ncclInvalidUsage, ncclGroupEnd()); break;
	case 1: FAILS(ncclInvalidUsage, ncclInvalidUsage, ncclGroupSimulateEnd(NULL)); break;
	case 2: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommCount(comm, NULL)); break;
	case 3: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommDeregister(comm, &x)); break;
	case 4: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclRedOpDestroy(below(&t->own, 5), comm)); break;
	case 5: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommSplit(comm, 0, 0, NULL, NULL)); break;
	case 6:
		config.blocking = 2 + below(&t->own, 9);
		FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommSplit(comm, 0, 0, &out, &config));
		break;
	case 7:
		config.size = below(&t->own, 16);
		FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommSplit(comm, 0, 0, &out, &config));
		break;
	case 8: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommShrink(comm, &own, 1, &out, &config, 0)); break;
	case 9: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclCommShrink(comm, &far, 1, &out, &config, 0)); break;
	case 10: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclGetUniqueId(NULL)); break;
	case 11:
		for (size_t i = 0; i < sizeof id; i++)
			id.internal[i] = (char)draw(&t->own);
		MUST(ncclCommInitRank(&out, 2, id, 0) != ncclSuccess && out == NULL);
		break;
	case 12: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclWinGetUserPtr(comm, (ncclWindow_t)&x, &p)); break;
	case 13: FAILS(ncclInvalidArgument, ncclInvalidArgument, ncclParamBind(&param, "NCCL_RANDOM")); break;
	case 14: FAILS(ncclInvalidUsage, ncclInvalidUsage, ncclWaitSignal(0, NULL, comm, NULL)); break;
	case 15: FAILS(ncclInvalidUsage, ncclInvalidUsage, ncclCommResume(comm)); break;
	}
}

static inline void illegal(team *t) {
	ncclComm_t comm = t->comm[below(&t->own, t->m)];
	switch (below(&t->own, 3)) {
	case 0: wrong_collective(t, comm); break;
	case 1: wrong_communicator(t); break;
	case 2: wrong_rest(t, comm); break;
	}
}

#endif
