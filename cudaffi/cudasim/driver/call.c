/* Every function of the driver starts here: it is counted, and fails if a test
 * said so. */
#include "sim.h"

#include <string.h>

const struct call calls[CALLS] = {
#define CALL(name, symbol, since) {#name, #symbol, since},
#include "calls.h"
#undef CALL
};

atomic_bool initialised;
_Thread_local bool in_host_function;

static atomic_uint_fast64_t counts[CALLS], total;

/* Errors to inject: into the call of a function that makes left 0, or, where
 * name is NULL, the call of any. Few, and looked at only while there are some. */
struct injection { const char *name; uint64_t left; CUresult result; };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct injection injections[64];
static atomic_uint armed;

/* Saying what an error means is no work of the device, and fails for nobody. */
static bool explains(enum call_id id) {
	return id == CALL_cuGetErrorName || id == CALL_cuGetErrorString;
}

static bool needs_init(enum call_id id) {
	switch (id) {
	case CALL_cuInit:
	case CALL_cuDriverGetVersion:
	case CALL_cuGetErrorName:
	case CALL_cuGetErrorString:
	case CALL_cuGetProcAddress:
	case CALL_cuGetProcAddress_v2:
		return false;
	default:
		return true;
	}
}

static bool is(enum call_id id, const char *name) {
	return strcmp(calls[id].name, name) == 0 || strcmp(calls[id].symbol, name) == 0;
}

static CUresult injected(enum call_id id) {
	CUresult result = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < LENGTH(injections); i++) {
		struct injection *in = &injections[i];
		if (in->left == 0 || (in->name != NULL ? !is(id, in->name) : explains(id)))
			continue;
		if (--in->left == 0) {
			armed--;
			result = in->result;
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}

static CUresult enter(enum call_id id, CUresult *late) {
	atomic_fetch_add_explicit(&counts[id], 1, memory_order_relaxed);
	if (!explains(id))
		atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	*late = CUDA_SUCCESS;
	if (atomic_load_explicit(&armed, memory_order_relaxed) != 0)
		*late = injected(id);
	if (!needs_init(id))
		return CUDA_SUCCESS;
	if (!atomic_load_explicit(&initialised, memory_order_acquire))
		return CUDA_ERROR_NOT_INITIALIZED;
	if (in_host_function) {
		fault("%s was called from a host function, which may call no function of the driver", calls[id].symbol);
		return CUDA_ERROR_NOT_PERMITTED;
	}
	return CUDA_SUCCESS;
}

CUresult call_enter(enum call_id id) {
	CUresult late, result = enter(id, &late);
	return late != CUDA_SUCCESS ? late : result;
}

CUresult call_enter_release(enum call_id id, CUresult *late) { return enter(id, late); }

static void inject(const char *name, uint64_t n, CUresult result) {
	if (n == 0)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < LENGTH(injections); i++) {
		if (injections[i].left == 0) {
			injections[i] = (struct injection){name, n, result};
			armed++;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void call_fail(const char *name, uint64_t n, CUresult result) {
	for (int id = 0; id < CALLS; id++) {
		if (is(id, name)) {
			/* Of one spelling that lasts, whatever the caller passed. */
			inject(strcmp(calls[id].name, name) == 0 ? calls[id].name : calls[id].symbol, n, result);
			return;
		}
	}
	fault("an error was to be injected into %s, which the simulated driver does not have", name);
}

void call_fail_nth(uint64_t n, CUresult result) { inject(NULL, n, result); }

uint64_t call_armed(void) { return armed; }

uint64_t call_count(const char *name) {
	if (*name == 0)
		return total;
	uint64_t n = 0;
	for (int id = 0; id < CALLS; id++)
		if (is(id, name))
			n += counts[id];
	return n;
}

void calls_say(struct text *t) {
	for (int id = 0; id < CALLS; id++) {
		if (id > 0 && strcmp(calls[id].name, calls[id - 1].name) == 0)
			continue; /* counted with the older version */
		uint64_t n = call_count(calls[id].name);
		if (n > 0)
			say(t, "%s %llu\n", calls[id].name, (unsigned long long)n);
	}
}

void calls_reset(void) {
	pthread_mutex_lock(&lock);
	memset(injections, 0, sizeof injections);
	armed = 0;
	pthread_mutex_unlock(&lock);
	for (int id = 0; id < CALLS; id++)
		counts[id] = 0;
	total = 0;
}
