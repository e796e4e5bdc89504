/* Device memory of other processes: their file of it is opened through /proc,
 * so it works between processes of one user that see each other. */
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* At the start of the file, and in handles: that it is this file. */
static struct label { char magic[8]; uint64_t nonce; } own = {"cudasim", 0};

/* What the bytes of a handle are. */
struct handle {
	struct label label;
	int32_t process, file;
	int32_t device;
	uint32_t zero;
	uint64_t base, offset, size;
};
_Static_assert(sizeof(struct handle) <= sizeof(CUipcMemHandle), "handles are of 64 bytes");

bool ipc_label(struct arena *a) {
	return getrandom(&own.nonce, sizeof own.nonce, 0) == sizeof own.nonce && pwrite(a->file, &own, sizeof own, 0) == sizeof own;
}

API CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr pointer) {
	ENTER(cuIpcGetMemHandle);
	NEED_CONTEXT(c);
	if (handle == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	struct arena *a;
	pthread_mutex_lock(&memory_lock);
	struct range *r = range_find(pointer, &a);
	bool ok = r != NULL && r->live && r->where == DEVICE;
	if (ok) {
		struct handle h = {own, getpid(), a->file, r->device, 0, r->base, r->lo - a->base, r->size};
		r->exported = true;
		memset(handle, 0, sizeof *handle);
		memcpy(handle, &h, sizeof h);
	}
	pthread_mutex_unlock(&memory_lock);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static int open_file(const struct handle *h) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/fd/%d", h->process, h->file);
	int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return -1;
	/* The process may have ended, and its number be another's. */
	struct label there;
	if (pread(file, &there, sizeof there, 0) == sizeof there && memcmp(&there, &h->label, sizeof there) == 0)
		return file;
	close(file);
	return -1;
}

/* Memory that is open already is not mapped again. */
static struct range *opened(const struct handle *h, struct context *c) {
	for (size_t i = 0; i < device_arena.count; i++) {
		struct range *r = &device_arena.ranges[i];
		if (r->live && r->where == IMPORTED && r->owner == h->process && r->origin == h->offset && r->context == c)
			return r;
	}
	return NULL;
}

API CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pointer, CUipcMemHandle handle, unsigned int flags) {
	ENTER(cuIpcOpenMemHandle_v2);
	NEED_CONTEXT(c);
	struct handle h;
	memcpy(&h, &handle, sizeof h);
	if (pointer == NULL || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS || memcmp(h.label.magic, own.magic, sizeof own.magic) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (h.label.nonce == own.nonce) /* its own memory */
		return CUDA_ERROR_INVALID_CONTEXT;
	if (h.device < 0 || (uint64_t)h.device >= settings.devices)
		return CUDA_ERROR_INVALID_DEVICE;
	int file = open_file(&h);
	if (file < 0)
		return CUDA_ERROR_MAP_FAILED;
	CUresult result = CUDA_SUCCESS;
	pthread_mutex_lock(&memory_lock);
	struct range *r = opened(&h, c);
	/* In the same place on its pages as in the owner's. */
	uint64_t page = page_size(), bytes = h.base % page + h.size + page - 1, whole = bytes - bytes % page;
	if (r != NULL) {
		r->references++;
	} else if ((r = arena_place(&device_arena, whole, page)) == NULL) {
		result = CUDA_ERROR_OUT_OF_MEMORY;
	} else if (mmap((void *)(r->lo + device_arena.shadow), whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)h.offset) == MAP_FAILED) {
		arena_remove(&device_arena, r);
		r = NULL;
		result = CUDA_ERROR_MAP_FAILED;
	} else {
		r->base = r->lo + h.base % page;
		r->size = h.size;
		r->where = IMPORTED;
		r->context = c;
		r->device = h.device;
		r->references = 1;
		r->origin = h.offset;
		r->owner = h.process;
		atomic_fetch_or(&c->peers, 1u << h.device);
	}
	if (r != NULL)
		*pointer = r->base;
	pthread_mutex_unlock(&memory_lock);
	close(file);
	return result;
}

API CUresult cuIpcCloseMemHandle(CUdeviceptr pointer) {
	ENTER_RELEASE(cuIpcCloseMemHandle);
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	CUresult result = implicit_sync(c, "cuIpcCloseMemHandle");
	if (result != CUDA_SUCCESS)
		return result;
	struct arena *a;
	pthread_mutex_lock(&memory_lock);
	struct range *r = range_find(pointer, &a);
	if (r == NULL || !r->live || r->where != IMPORTED || r->base != pointer) {
		char what[160];
		memory_describe(pointer, what, sizeof what);
		fault("cuIpcCloseMemHandle of %s", what);
		result = CUDA_ERROR_INVALID_VALUE;
	} else if (--r->references == 0) {
		arena_close(a, r, NULL);
	}
	pthread_mutex_unlock(&memory_lock);
	LEAVE(result);
}
