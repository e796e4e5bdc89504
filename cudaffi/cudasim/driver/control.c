/* The interface for tests, which the real driver does not have. Functions that
 * give text return its length, and write as much as there is room for. */
#include "sim.h"

#include <string.h>

/* What this interface is; a change that breaks callers makes it a new number. */
API uint64_t monel_sim_interface(void);
API uint64_t monel_sim_interface(void) { return 1; }

/* Back to the beginning: streams are stopped, every object is gone, nothing is
 * counted, no error is going to happen. The driver stays initialised, and no
 * handle or address is given out a second time. Nobody may be calling. */
API void monel_sim_reset(void);
API void monel_sim_reset(void) {
	queues_reset();
	captures_reset();
	memory_reset();
	contexts_reset();
	objects_reset();
	work_reset();
	calls_reset();
	faults_reset();
	settings_reset();
}

API uint64_t monel_sim_set(const char *name, uint64_t value);
API uint64_t monel_sim_set(const char *name, uint64_t value) { return settings_set(name, value); }

API void monel_sim_fail_call(const char *name, uint64_t n, uint64_t result);
API void monel_sim_fail_call(const char *name, uint64_t n, uint64_t result) { call_fail(name, n, (CUresult)result); }

API void monel_sim_fail_nth(uint64_t n, uint64_t result);
API void monel_sim_fail_nth(uint64_t n, uint64_t result) { call_fail_nth(n, (CUresult)result); }

API void monel_sim_fail_kernel(const char *name, uint64_t n, uint64_t result);
API void monel_sim_fail_kernel(const char *name, uint64_t n, uint64_t result) {
	work_fail(*name != 0 ? name : NULL, n, (CUresult)result);
}

API void monel_sim_fail_work(uint64_t n, uint64_t result);
API void monel_sim_fail_work(uint64_t n, uint64_t result) { work_fail("", n, (CUresult)result); }

/* False if the device has no context. */
API uint64_t monel_sim_lose(uint64_t device, uint64_t result);
API uint64_t monel_sim_lose(uint64_t device, uint64_t result) { return contexts_lose((int)device, (CUresult)result); }

/* Errors that have not happened yet. */
API uint64_t monel_sim_armed(void);
API uint64_t monel_sim_armed(void) { return call_armed() + work_armed(); }

API uint64_t monel_sim_count(const char *name);
API uint64_t monel_sim_count(const char *name) { return call_count(name); }

API uint64_t monel_sim_calls(char *at, uint64_t room);
API uint64_t monel_sim_calls(char *at, uint64_t room) {
	struct text t = {at, room, 0};
	calls_say(&t);
	return t.length;
}

API uint64_t monel_sim_faults(char *at, uint64_t room);
API uint64_t monel_sim_faults(char *at, uint64_t room) {
	struct text t = {at, room, 0};
	memory_check();
	faults_say(&t);
	return t.length;
}

API void monel_sim_forget_faults(void);
API void monel_sim_forget_faults(void) { faults_reset(); }

static _Thread_local uint64_t counted;

static void one(void *object) {
	struct object *o = object;
	if (o->kind != STREAM || !((struct stream *)o)->is_default)
		counted++;
}

static uint64_t count(enum kind k) {
	counted = 0;
	objects_each(k, NULL, one);
	return counted;
}

/* Numbers of what exists: a name and a count in each line. */
API uint64_t monel_sim_live(char *at, uint64_t room);
API uint64_t monel_sim_live(char *at, uint64_t room) {
	struct text t = {at, room, 0};
	struct tally m[WHERES];
	memory_tally(m);
	say(&t, "retained %d\npushed %d\n", contexts_retained(), contexts_pushed());
	for (enum kind k = 0; k < KINDS; k++)
		say(&t, "%s %llu\n", kind_names[k], (unsigned long long)count(k));
	static const char *const names[WHERES] = {"device", "pinned", "managed", "imported", "registered"};
	for (enum where w = 0; w < WHERES; w++)
		say(&t, "%s %llu\n%s_bytes %llu\n", names[w], (unsigned long long)m[w].pieces, names[w], (unsigned long long)m[w].bytes);
	return t.length;
}

static _Thread_local struct text *telling;

static void tell(void *object) {
	struct object *o = object;
	if (o->kind == STREAM && ((struct stream *)o)->is_default)
		return;
	say(telling, "a %s of device %d, handle %#llx\n", kind_names[o->kind], o->context->device, (unsigned long long)o->handle);
}

/* What should have been released, a line each; nothing if all was. */
API uint64_t monel_sim_leaks(char *at, uint64_t room);
API uint64_t monel_sim_leaks(char *at, uint64_t room) {
	static const enum kind owned[] = {STREAM, EVENT, MODULE, GRAPH};
	struct text t = {at, room, 0};
	contexts_say(&t);
	telling = &t;
	for (size_t i = 0; i < LENGTH(owned); i++)
		objects_each(owned[i], NULL, tell);
	memory_say(&t);
	return t.length;
}

/* Copies device memory out of and into the simulation, at once and uncounted.
 * False if it is not allocated. */
API uint64_t monel_sim_read(void *to, uint64_t address, uint64_t n);
API uint64_t monel_sim_read(void *to, uint64_t address, uint64_t n) {
	unsigned char *host;
	enum memory kind;
	if (memory_resolve(address, n, "reading by a test", &host, &kind) != CUDA_SUCCESS)
		return false;
	memcpy(to, host, n);
	return true;
}

API uint64_t monel_sim_write(uint64_t address, const void *from, uint64_t n);
API uint64_t monel_sim_write(uint64_t address, const void *from, uint64_t n) {
	unsigned char *host;
	enum memory kind;
	if (memory_resolve(address, n, "writing by a test", &host, &kind) != CUDA_SUCCESS)
		return false;
	memcpy(host, from, n);
	return true;
}
