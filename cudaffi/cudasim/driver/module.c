/* Modules: PTX whose kernels are looked up among those compiled for the host. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host's build of the kernels, which may be missing. */
extern host_kernel monel_host_kernel_named(const char *name) __attribute__((weak));

static host_kernel find_kernel(const char *name) {
	host_kernel k = builtin_kernel(name);
	return k == NULL && monel_host_kernel_named != NULL ? monel_host_kernel_named(name) : k;
}

/* The newest PTX that drivers of a CUDA version read. */
static unsigned newest_ptx(unsigned cuda) {
	unsigned major = cuda / 1000, minor = cuda / 10 % 100;
	if (major <= 11)
		return 70 + minor;
	if (major == 12)
		return minor <= 5 ? 80 + minor : 79 + minor; /* 12.6 has 8.5 too */
	return 90 + minor;
}

static struct function *function_new(struct context *c, struct module *m, const struct ptx_entry *e) {
	struct function *f = calloc(1, sizeof *f);
	f->module = m;
	f->name = strdup(e->name);
	f->kernel = find_kernel(e->name);
	f->count = e->count;
	f->offsets = calloc(e->count + 1, sizeof *f->offsets);
	f->sizes = calloc(e->count + 1, sizeof *f->sizes);
	f->max_threads = e->max_threads < 1024 ? e->max_threads : 1024;
	f->static_shared = e->shared;
	uint32_t at = 0;
	for (size_t i = 0; i < e->count; i++) {
		uint32_t alignment = e->alignments[i] > 16 ? e->alignments[i] : 16; /* for any type of the host's */
		at = (at + alignment - 1) / alignment * alignment;
		f->offsets[i] = at;
		f->sizes[i] = e->sizes[i];
		at += e->sizes[i];
	}
	f->bytes = at;
	object_add(&f->o, FUNCTION, c);
	return f;
}

static CUresult build(struct context *c, const char *image, struct module **out, char *why, size_t size) {
	if (strncmp(image, "\177ELF", 4) == 0 || strncmp(image, "\x50\xed\x55\xba", 4) == 0) {
		snprintf(why, size, "the simulated driver has kernels of PTX only");
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	}
	struct ptx p;
	CUresult r = CUDA_SUCCESS;
	if (!ptx_parse(image, &p, why, size)) {
		r = CUDA_ERROR_INVALID_PTX;
	} else if (p.version > newest_ptx((unsigned)settings.version)) {
		snprintf(why, size, "ptxas fatal : Unsupported .version %u.%u; current version is '%u.%u'", p.version / 10, p.version % 10,
			newest_ptx((unsigned)settings.version) / 10, newest_ptx((unsigned)settings.version) % 10);
		r = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
	} else if (p.target > settings.capability) {
		snprintf(why, size, "the PTX is for sm_%u, the GPU is sm_%u", p.target, (unsigned)settings.capability);
		r = CUDA_ERROR_NO_BINARY_FOR_GPU;
	}
	for (size_t i = 0; i < p.count && r == CUDA_SUCCESS; i++) {
		if (find_kernel(p.entries[i].name) == NULL) {
			snprintf(why, size, "kernel %s has not been compiled for the host", p.entries[i].name);
			fault("a module was loaded whose kernel %s has not been compiled for the host", p.entries[i].name);
			r = CUDA_ERROR_INVALID_PTX;
		}
	}
	if (r == CUDA_SUCCESS) {
		struct module *m = calloc(1, sizeof *m);
		m->target = p.target;
		m->functions = calloc(p.count + 1, sizeof *m->functions);
		for (; m->count < p.count; m->count++)
			m->functions[m->count] = function_new(c, m, &p.entries[m->count]);
		object_add(&m->o, MODULE, c);
		*out = m;
	}
	ptx_free(&p);
	return r;
}

/* Logs go where the options say, and how much was written replaces their size. */
static void put_log(const char *text, CUjit_option buffer, CUjit_option size, unsigned n, CUjit_option *options, void **values) {
	char *at = NULL;
	unsigned room = 0;
	for (unsigned i = 0; i < n; i++) {
		if (options[i] == buffer)
			at = values[i];
		if (options[i] == size)
			room = (unsigned)(uintptr_t)values[i];
	}
	unsigned written = 0;
	if (at != NULL && room > 0)
		written = (unsigned)snprintf(at, room, "%s", text);
	if (written >= room && room > 0)
		written = room - 1;
	for (unsigned i = 0; i < n; i++)
		if (options[i] == size)
			values[i] = (void *)(uintptr_t)written;
}

static CUresult load(CUmodule *module, const void *image, unsigned n, CUjit_option *options, void **values, const char *who) {
	NEED_CONTEXT(c);
	if (module == NULL || image == NULL || (n > 0 && (options == NULL || values == NULL)))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < n; i++)
		if (options[i] < 0 || options[i] >= CU_JIT_NUM_OPTIONS)
			return CUDA_ERROR_INVALID_VALUE;
	NOT_CAPTURING();
	CUresult r = implicit_sync(c, who);
	if (r != CUDA_SUCCESS)
		return r;
	char why[400] = "";
	struct module *m = NULL;
	r = build(c, image, &m, why, sizeof why);
	put_log(why, CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, n, options, values);
	put_log("", CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, n, options, values);
	if (m != NULL)
		*module = (CUmodule)m->o.handle;
	return r;
}

API CUresult cuModuleLoadData(CUmodule *module, const void *image) {
	ENTER(cuModuleLoadData);
	return load(module, image, 0, NULL, NULL, "cuModuleLoadData");
}

API CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int n, CUjit_option *options, void **values) {
	ENTER(cuModuleLoadDataEx);
	return load(module, image, n, options, values, "cuModuleLoadDataEx");
}

API CUresult cuModuleUnload(CUmodule module) {
	ENTER_RELEASE(cuModuleUnload);
	struct context *c = context_peek();
	if (c == NULL)
		return CUDA_ERROR_INVALID_CONTEXT;
	struct module *m = object_get(module, MODULE);
	if (m == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	NOT_CAPTURING();
	CUresult r = implicit_sync(m->o.context, "cuModuleUnload");
	if (r != CUDA_SUCCESS)
		return r;
	if (!object_kill(&m->o))
		return CUDA_ERROR_INVALID_HANDLE;
	for (size_t i = 0; i < m->count; i++)
		object_kill(&m->functions[i]->o);
	LEAVE((CUresult)m->o.context->error);
}

API CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
	ENTER(cuModuleGetFunction);
	NEED_CONTEXT(c);
	struct module *m = object_get(module, MODULE);
	if (m == NULL || function == NULL || name == NULL)
		return m == NULL ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < m->count; i++) {
		if (strcmp(m->functions[i]->name, name) == 0) {
			*function = (CUfunction)m->functions[i]->o.handle;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_NOT_FOUND;
}

/* Kernels load when they are first asked for, which may wait for the device. */
CUresult function_load(struct function *f, const char *who) {
	if (atomic_load_explicit(&f->loaded, memory_order_relaxed))
		return CUDA_SUCCESS;
	CUresult r = implicit_sync(f->o.context, who);
	if (r == CUDA_SUCCESS)
		f->loaded = true;
	return r;
}

API CUresult cuFuncLoad(CUfunction function) {
	ENTER(cuFuncLoad);
	NEED_CONTEXT(c);
	struct function *f = object_get(function, FUNCTION);
	return f != NULL ? function_load(f, "cuFuncLoad") : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function) {
	ENTER(cuFuncIsLoaded);
	struct function *f = object_get(function, FUNCTION);
	if (f == NULL || state == NULL)
		return f == NULL ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	*state = f->loaded ? CU_FUNCTION_LOADING_STATE_LOADED : CU_FUNCTION_LOADING_STATE_UNLOADED;
	return CUDA_SUCCESS;
}

API CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
	ENTER(cuFuncGetAttribute);
	NEED_CONTEXT(c);
	struct function *f = object_get(function, FUNCTION);
	if (f == NULL || value == NULL)
		return f == NULL ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	CUresult r = function_load(f, "cuFuncGetAttribute");
	if (r != CUDA_SUCCESS)
		return r;
	switch (attribute) {
	case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = (int)f->max_threads; break;
	case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = (int)f->static_shared; break;
	case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;
	case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = (int)f->module->target; break;
	case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = (int)settings.capability; break;
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = (int)f->dynamic_shared; break;
	case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
	case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
	case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
	case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		*value = 0;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

API CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
	ENTER(cuFuncSetAttribute);
	NEED_CONTEXT(c);
	struct function *f = object_get(function, FUNCTION);
	if (f == NULL)
		return CUDA_ERROR_INVALID_HANDLE;
	if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
		return CUDA_SUCCESS;
	if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value + (int)f->static_shared > 99 << 10)
		return CUDA_ERROR_INVALID_VALUE;
	f->dynamic_shared = (unsigned)value;
	return CUDA_SUCCESS;
}

API CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config) {
	ENTER(cuFuncSetCacheConfig);
	(void)config;
	return object_get(function, FUNCTION) != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t shared) {
	ENTER(cuOccupancyMaxActiveBlocksPerMultiprocessor);
	(void)shared;
	struct function *f = object_get(function, FUNCTION);
	if (f == NULL || blocks == NULL || threads <= 0)
		return f == NULL ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	*blocks = 2048 / threads < 32 ? 2048 / threads : 32;
	return CUDA_SUCCESS;
}
