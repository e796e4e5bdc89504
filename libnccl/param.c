/* Parameters: the environment variables that the library reads, as they are now. */
#include "abi.h"
#include <errno.h>
#include <stdlib.h>

static const char *keys[] = {
	"MONEL_HOP_BYTES",
	"MONEL_INIT_TIMEOUT",
	"MONEL_NCCL_VERSION",
	"MONEL_TIMEOUT",
	"NCCL_ALGO",
	"NCCL_DEBUG",
	"NCCL_NSOCKS_PERTHREAD",
	"NCCL_SOCKET_IFNAME",
	"NCCL_SOCKET_NTHREADS",
};
enum { key_count = sizeof keys / sizeof *keys, value_bytes = sizeof ((monelThread *)0)->bound_value };
_Static_assert(key_count <= sizeof ((monelThread *)0)->keys / sizeof *keys, "room for all keys");

static ncclResult_t find(const char *key, int *index) {
	ENTER();
	for (int i = 0; key != NULL && i < key_count; i++) {
		if (strcmp(key, keys[i]) == 0) {
			*index = i;
			return ncclSuccess;
		}
	}
	return monel_refuse(ncclInvalidArgument, "%s is no parameter of this library; ncclParamGetAllParameterKeys lists them",
		key == NULL ? "NULL" : key);
}

/* value_of copies a parameter's value, which is empty where the variable is not set. */
static char *value_of(int index, char *into) {
	const char *value = getenv(keys[index]);
	snprintf(into, value_bytes, "%s", value == NULL ? "" : value);
	return into;
}

FUNCTION(ncclResult_t, ncclParamBind, (ncclParamHandle_t * out, const char *key)) {
	int index = 0;
	ncclResult_t result = find(key, &index);
	if (result != ncclSuccess)
		return result;
	if (out == NULL)
		return monel_refuse(ncclInvalidArgument, "ncclParamBind: no place for the handle");
	*out = (ncclParamHandle_t)(uintptr_t)(index + 1);
	return ncclSuccess;
}

static ncclResult_t index_of(ncclParamHandle_t h, const void *out, int *index) {
	ENTER();
	uintptr_t number = (uintptr_t)h;
	if (number < 1 || number > key_count)
		return monel_refuse(ncclInvalidArgument, "the handle is none of ncclParamBind's");
	if (out == NULL)
		return monel_refuse(ncclInvalidArgument, "no place for the value of %s", keys[number - 1]);
	*index = (int)number - 1;
	return ncclSuccess;
}

FUNCTION(ncclResult_t, ncclParamGetStr, (ncclParamHandle_t h, const char **out)) {
	int index = 0;
	ncclResult_t result = index_of(h, out, &index);
	if (result == ncclSuccess)
		*out = value_of(index, monel_thread()->bound_value);
	return result;
}

FUNCTION(ncclResult_t, ncclParamGet, (ncclParamHandle_t h, void *out, int maxLen, int *len)) {
	int index = 0;
	ncclResult_t result = index_of(h, out, &index);
	if (result != ncclSuccess)
		return result;
	char text[value_bytes];
	size_t length = strlen(value_of(index, text));
	if (maxLen < 0 || length > (size_t)maxLen)
		return monel_refuse(ncclInvalidArgument, "%s has %zu bytes, and there is room for %d", keys[index], length, maxLen);
	memcpy(out, text, length);
	if (len != NULL)
		*len = (int)length;
	return ncclSuccess;
}

/* parse reads a value as a number; a variable that is not set is 0. */
static ncclResult_t parse(ncclParamHandle_t h, const void *out, int is_signed, int bits, uint64_t *number) {
	int index = 0;
	ncclResult_t result = index_of(h, out, &index);
	if (result != ncclSuccess)
		return result;
	char text[value_bytes], *end = text;
	value_of(index, text);
	errno = 0;
	int fits;
	if (is_signed) {
		long long v = strtoll(text, &end, 0);
		long long most = (long long)(UINT64_MAX >> (65 - bits));
		fits = v <= most && v >= -most - 1;
		*number = (uint64_t)v;
	} else {
		unsigned long long v = strtoull(text, &end, 0);
		fits = v <= UINT64_MAX >> (64 - bits) && strchr(text, '-') == NULL;
		*number = v;
	}
	if (errno != 0 || *end != 0 || !fits)
		return monel_refuse(ncclInvalidArgument, "%s is \"%s\", not a number of that type", keys[index], text);
	return ncclSuccess;
}

#define GETTER(name, type, is_signed)                                             \
	FUNCTION(ncclResult_t, name, (ncclParamHandle_t h, type * out)) {             \
		uint64_t number = 0;                                                      \
		ncclResult_t result = parse(h, out, is_signed, 8 * sizeof *out, &number); \
		if (result == ncclSuccess)                                                \
			*out = (type)number;                                                  \
		return result;                                                            \
	}

GETTER(ncclParamGetI8, int8_t, 1)
GETTER(ncclParamGetI16, int16_t, 1)
GETTER(ncclParamGetI32, int32_t, 1)
GETTER(ncclParamGetI64, int64_t, 1)
GETTER(ncclParamGetU8, uint8_t, 0)
GETTER(ncclParamGetU16, uint16_t, 0)
GETTER(ncclParamGetU32, uint32_t, 0)
GETTER(ncclParamGetU64, uint64_t, 0)

FUNCTION(ncclResult_t, ncclParamGetParameter, (const char *key, const char **value, int *valueLen)) {
	int index = 0;
	ncclResult_t result = find(key, &index);
	if (result != ncclSuccess)
		return result;
	if (value == NULL)
		return monel_refuse(ncclInvalidArgument, "no place for the value of %s", key);
	*value = value_of(index, monel_thread()->asked_value);
	if (valueLen != NULL)
		*valueLen = (int)strlen(*value);
	return ncclSuccess;
}

FUNCTION(ncclResult_t, ncclParamGetAllParameterKeys, (const char ***out, int *tableLen)) {
	ENTER();
	if (out == NULL || tableLen == NULL)
		return monel_refuse(ncclInvalidArgument, "no place for the table of keys");
	*out = memcpy(monel_thread()->keys, keys, sizeof keys);
	*tableLen = key_count;
	return ncclSuccess;
}

FUNCTION(void, ncclParamDumpAll, (void)) {
	char text[value_bytes];
	for (int i = 0; i < key_count; i++)
		fprintf(stderr, "monel: %s=%s\n", keys[i], value_of(i, text));
}
