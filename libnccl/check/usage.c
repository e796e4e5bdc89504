/* What NCCL's interface asks for besides collectives, in one process: configurations of
 * older and newer callers, parameters, registration. */
#include "values.h"
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

static ncclUniqueId fresh(void) {
	ncclUniqueId id;
	OK(ncclGetUniqueId(&id));
	return id;
}

static ncclComm_t alone(ncclConfig_t *config) {
	ncclComm_t comm = NULL;
	OK(ncclCommInitRankConfig(&comm, 1, fresh(), 0, config));
	return comm;
}

static void configurations(void) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	OK(ncclCommDestroy(alone(&config)));
	OK(ncclCommDestroy(alone(NULL)));
	/* A caller of 2.14 knows no more than blocking; memory behind its struct is its own. */
	ncclConfig_t old = NCCL_CONFIG_INITIALIZER;
	old.size = offsetof(ncclConfig_t, blocking) + sizeof old.blocking + 4;
	old.version = 21400;
	memset((char *)&old + old.size, 0x7f, sizeof old - old.size);
	OK(ncclCommDestroy(alone(&old)));
	/* A later one knows more. */
	struct {
		ncclConfig_t known;
		int later[8];
	} next = {NCCL_CONFIG_INITIALIZER, {1, 2, 3}};
	next.known.size = sizeof next;
	OK(ncclCommDestroy(alone(&next.known)));

	ncclComm_t comm = NULL;
	ncclConfig_t bad = NCCL_CONFIG_INITIALIZER;
	bad.magic = 1;
	GIVES(ncclInvalidArgument, ncclCommInitRankConfig(&comm, 1, fresh(), 0, &bad), "INITIALIZER");
	ncclConfig_t wrong = NCCL_CONFIG_INITIALIZER;
	wrong.blocking = 2;
	GIVES(ncclInvalidArgument, ncclCommInitRankConfig(&comm, 1, fresh(), 0, &wrong), "blocking");
	GIVES(ncclInvalidArgument, ncclCommInitRank(&comm, 2, fresh(), 2), "rank 2 of 2");
	GIVES(ncclInvalidArgument, ncclCommInitRank(NULL, 1, fresh(), 0), "NULL");
	ncclUniqueId none;
	memset(&none, 7, sizeof none);
	MUST(ncclCommInitRank(&comm, 2, none, 0) != ncclSuccess && comm == NULL);
	int twice[] = {1, 1};
	ncclComm_t pair[2];
	GIVES(ncclInvalidUsage, ncclCommInitAll(pair, 2, twice), "twice");
}

/* waits until a communicator is ready. */
static ncclResult_t settle(ncclComm_t comm) {
	ncclResult_t state = ncclInProgress;
	while (state == ncclInProgress) {
		OK(ncclCommGetAsyncError(comm, &state));
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	return state;
}

static void without_blocking(void) {
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = 0;
	ncclUniqueId id = fresh();
	ncclComm_t comms[2];
	float x[2] = {1, 2};
	MUST(ncclCommInitRankConfig(&comms[0], 2, id, 0, &config) == ncclInProgress);
	/* The other rank has not come. */
	GIVES(ncclInvalidArgument, ncclAllReduce(x, x, 1, ncclFloat, ncclSum, comms[0], NULL), "not ready");
	ncclResult_t state = ncclSuccess;
	OK(ncclCommGetAsyncError(comms[0], &state));
	MUST(state == ncclInProgress);
	MUST(ncclCommInitRankConfig(&comms[1], 2, id, 1, &config) == ncclInProgress);
	for (int r = 0; r < 2; r++)
		MUST(settle(comms[r]) == ncclSuccess);
	OK(ncclGroupStart());
	for (int r = 0; r < 2; r++)
		OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
	OK(ncclGroupEnd());
	MUST(x[0] == 3 && x[1] == 3);
	for (int r = 0; r < 2; r++)
		OK(ncclCommDestroy(comms[r]));
	/* One whose other rank never comes can be aborted. */
	MUST(ncclCommInitRankConfig(&comms[0], 2, fresh(), 0, &config) == ncclInProgress);
	OK(ncclCommAbort(comms[0]));
}

static void disagreement(void) {
	ncclComm_t comms[2];
	float x[4] = {1, 2, 3, 4};
	OK(ncclCommInitAll(comms, 2, NULL));
	OK(ncclGroupStart());
	OK(ncclAllReduce(&x[0], &x[0], 1, ncclFloat, ncclSum, comms[0], NULL));
	OK(ncclAllReduce(&x[2], &x[2], 2, ncclFloat, ncclSum, comms[1], NULL));
	GIVES(ncclInvalidUsage, ncclGroupEnd(), "rank 1");
	MUST(x[0] == 1 && x[2] == 3);
	OK(ncclGroupStart());
	for (int r = 0; r < 2; r++)
		OK(ncclAllReduce(&x[2 * r], &x[2 * r], 2, ncclFloat, ncclSum, comms[r], NULL));
	OK(ncclGroupEnd());
	MUST(x[0] == 4 && x[3] == 6);
	for (int r = 0; r < 2; r++)
		OK(ncclCommDestroy(comms[r]));
}

static void extras(void) {
	ncclComm_t comm = alone(NULL);
	void *p = NULL, *handle = NULL, *back = NULL;
	OK(ncclMemAlloc(&p, 1000));
	MUST((uintptr_t)p % 4096 == 0);
	memset(p, 1, 1000);
	OK(ncclCommRegister(comm, p, 1000, &handle));
	OK(ncclCommDeregister(comm, handle));
	GIVES(ncclInvalidArgument, ncclCommDeregister(comm, handle), "registered");
	ncclWindow_t window = NULL;
	OK(ncclCommWindowRegister(comm, p, 1000, &window, NCCL_WIN_COLL_SYMMETRIC));
	MUST(window != NULL);
	OK(ncclWinGetUserPtr(comm, window, &back));
	MUST(back == p);
	OK(ncclCommWindowDeregister(comm, window));
	OK(ncclMemFree(p));

	float x = 5;
	ncclSimInfo_t sim = NCCL_SIM_INFO_INITIALIZER;
	OK(ncclGroupStart());
	OK(ncclBroadcast(&x, &x, 1, ncclFloat, 0, comm, NULL));
	OK(ncclGroupSimulateEnd(&sim));
	MUST(sim.estimatedTime == NCCL_UNDEF_FLOAT);

	GIVES(ncclInvalidUsage, ncclSignal(0, 0, 0, 0, comm, NULL), "ncclSend");
	for (int r = 0; r <= ncclNumResults; r++)
		MUST(strlen(ncclGetErrorString((ncclResult_t)r)) > 5);
	OK(ncclCommDestroy(comm));
	OK(ncclCommDestroy(NULL));
}

/* What leaves a host is encrypted under a key that both the id's maker and the ranks have. */
static void encryption(void) {
	ncclEncryptionConfig_t config = NCCL_ENCRYPTION_CONFIG_INITIALIZER;
	ncclComm_t comms[2];
	float x[2] = {1, 2};
	config.mode = NCCL_ENCRYPTION_MODE_PSK;
	GIVES(ncclInvalidArgument, ncclSetEncryption(&config), "psk");
	config.mode = 7;
	GIVES(ncclInvalidArgument, ncclSetEncryption(&config), "mode 7");
	config.mode = NCCL_ENCRYPTION_MODE_PSK;
	config.psk = "a key of both";
	OK(ncclSetEncryption(&config));
	setenv("NCCL_SHM_DISABLE", "1", 1);
	for (int wrong = 0; wrong < 2; wrong++) {
		ncclUniqueId id = fresh();
		if (wrong) {
			config.psk = "another key";
			OK(ncclSetEncryption(&config));
			MUST(ncclCommInitRank(&comms[0], 2, id, 0) != ncclSuccess);
			MUST(strstr(ncclGetLastError(NULL), "secret") != NULL);
			continue;
		}
		OK(ncclGroupStart());
		for (int r = 0; r < 2; r++)
			OK(ncclCommInitRank(&comms[r], 2, id, r));
		OK(ncclGroupEnd());
		OK(ncclGroupStart());
		for (int r = 0; r < 2; r++)
			OK(ncclAllReduce(&x[r], &x[r], 1, ncclFloat, ncclSum, comms[r], NULL));
		OK(ncclGroupEnd());
		MUST(x[0] == 3 && x[1] == 3);
		for (int r = 0; r < 2; r++)
			OK(ncclCommDestroy(comms[r]));
	}
	unsetenv("NCCL_SHM_DISABLE");
	ncclEncryptionConfig_t none = NCCL_ENCRYPTION_CONFIG_INITIALIZER;
	OK(ncclSetEncryption(&none));
	OK(ncclCommDestroy(alone(NULL)));
}

/* A communicator's name is in what is written about it. */
static void names(void) {
	char folder[] = "/tmp/monel-names-XXXXXX", path[64];
	MUST(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/%%c.json", folder);
	setenv("MONEL_TRACE_FILE", path, 1);
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.commName = "weights";
	ncclComm_t comm = alone(&config), child = NULL;
	config.commName = "halves";
	OK(ncclCommSplit(comm, 0, 0, &child, &config));
	OK(ncclCommDestroy(child));
	OK(ncclCommDestroy(comm));
	unsetenv("MONEL_TRACE_FILE");
	const char *names[] = {"weights", "halves"};
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s.json", folder, names[i]);
		MUST(unlink(path) == 0);
	}
	MUST(rmdir(folder) == 0);
}

static void parameters(void) {
	const char **keys = NULL, *text = NULL;
	int count = 0, length = 0;
	OK(ncclParamGetAllParameterKeys(&keys, &count));
	MUST(count > 5);
	ncclParamHandle_t hop;
	OK(ncclParamBind(&hop, "MONEL_HOP_BYTES"));
	setenv("MONEL_HOP_BYTES", "300", 1);
	int16_t number = 0;
	uint8_t small = 0;
	OK(ncclParamGetI16(hop, &number));
	MUST(number == 300);
	GIVES(ncclInvalidArgument, ncclParamGetU8(hop, &small), "not a number of that type");
	OK(ncclParamGetStr(hop, &text));
	MUST(strcmp(text, "300") == 0);
	OK(ncclParamGetParameter("MONEL_HOP_BYTES", &text, &length));
	MUST(length == 3);
	unsetenv("MONEL_HOP_BYTES");
	GIVES(ncclInvalidArgument, ncclParamBind(&hop, "NCCL_NONSENSE"), "NCCL_NONSENSE");

	int version = 0;
	setenv("MONEL_NCCL_VERSION", "2.19.3", 1);
	OK(ncclGetVersion(&version));
	MUST(version == 21903);
	setenv("MONEL_NCCL_VERSION", "2708", 1);
	OK(ncclGetVersion(&version));
	MUST(version == 2708);
	setenv("MONEL_NCCL_VERSION", "new", 1);
	GIVES(ncclInvalidUsage, ncclGetVersion(&version), "new");
	unsetenv("MONEL_NCCL_VERSION");
	OK(ncclGetVersion(&version));
	MUST(version == NCCL_VERSION_CODE);
}

int main(int argc, char **argv) {
	configurations();
	names();
	without_blocking();
	disagreement();
	extras();
	encryption();
	parameters();
	/* The library stays when it is closed. */
	void *library = dlopen("libnccl.so.2", RTLD_NOW);
	MUST(library != NULL && dlclose(library) == 0 && dlclose(library) == 0);
	int version = 0;
	OK(ncclGetVersion(&version));
	return 0;
}
