/* The host's part of NCCL's API for kernels that communicate. There is no such
 * kernel here: no rank reaches another's memory, and each is a team of its own. */
#include "abi.h"
#include "_cgo_export.h"
#include <stdbool.h>

/* ncclTeam_t of nccl_device.h. */
typedef struct {
	int nRanks, rank, stride;
} team;

#define REFUSED(name)                                                                              \
	FUNCTION(ncclResult_t, name, (void)) {                                                     \
		ENTER();                                                                           \
		return monel_refuse(ncclInvalidUsage, #name " is not supported: "                  \
			"collectives are called by the host here, and kernels cannot communicate"); \
	}

REFUSED(ncclCommQueryProperties)
REFUSED(ncclDevCommCreate)
REFUSED(ncclDevCommDestroy)
REFUSED(ncclGetCftDeviceLeInfo)
REFUSED(ncclGetLsaDevicePointer)
REFUSED(ncclGetLsaMultimemDevicePointer)
REFUSED(ncclGetMultimemDeviceLeInfo)
REFUSED(ncclGetMultimemDevicePointer)
REFUSED(ncclGetPeerDeviceLeInfo)
REFUSED(ncclGetPeerDevicePointer)
REFUSED(ncclGinBarrierCreateRequirement)
REFUSED(ncclGinInboxA2ACreateRequirement)
REFUSED(ncclGinOutboxCreateRequirement)
REFUSED(ncclLLA2ACreateRequirement)
REFUSED(ncclLsaBarrierCreateRequirement)

FUNCTION(int, ncclLLA2ACalcSlots, (int maxElts, int maxEltSize)) { return 0; }

/* world is the team of all ranks, alone that of the rank itself; both are empty if comm
 * is none. */
static team world(ncclComm_t comm) {
	team t = {0, 0, 1};
	if (pncclCommCount(comm, &t.nRanks) != ncclSuccess || pncclCommUserRank(comm, &t.rank) != ncclSuccess)
		return (team){0, 0, 1};
	return t;
}

static team alone(ncclComm_t comm) { return world(comm).nRanks == 0 ? (team){0, 0, 1} : (team){1, 0, 1}; }

FUNCTION(team, ncclTeamWorld, (ncclComm_t comm)) { return world(comm); }
FUNCTION(team, ncclTeamLsa, (ncclComm_t comm)) { return alone(comm); }
FUNCTION(team, ncclTeamCft, (ncclComm_t comm, int mode)) { return alone(comm); }
FUNCTION(team, ncclTeamCftMultimem, (ncclComm_t comm)) { return alone(comm); }
FUNCTION(team, ncclTeamRail, (ncclComm_t comm)) { return world(comm); }

FUNCTION(int, ncclTeamRankToWorld, (ncclComm_t comm, team t, int rank)) {
	return world(comm).rank + (rank - t.rank) * t.stride;
}

/* In a team of one, ranks are counted from this one. */
FUNCTION(int, ncclTeamRankToLsa, (ncclComm_t comm, team t, int rank)) { return (rank - t.rank) * t.stride; }
