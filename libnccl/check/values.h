/* Elements of NCCL's types as numbers, one by one, for checks. */
#ifndef VALUES_H_
#define VALUES_H_

#include <math.h>
#include <nccl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types that some headers have only together with CUDA's. */
enum { bfloat16 = 9, e4m3 = 10 };

static inline size_t size_of(int type) {
	static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
	return sizes[type];
}

/* The fields of a small float: exponent bits and fraction bits. */
static inline void fields(int type, int *exponent, int *fraction) {
	*exponent = type == bfloat16 ? 8 : type == e4m3 ? 4 : 5;
	*fraction = type == ncclFloat16 ? 10 : type == bfloat16 ? 7 : type == e4m3 ? 3 : 2;
}

/* pack_float is a normal number that the type holds exactly, or 0. */
static inline unsigned pack_float(int type, double v) {
	int e, f, power;
	fields(type, &e, &f);
	if (v == 0)
		return 0;
	double m = frexp(fabs(v), &power); /* in [0.5,1) */
	unsigned bits = (unsigned)(power - 1 + (1 << (e - 1)) - 1) << f;
	bits |= (unsigned)((m * 2 - 1) * (1 << f));
	return bits | (v < 0 ? 1u << (e + f) : 0);
}

static inline double unpack_float(int type, unsigned bits) {
	int e, f;
	fields(type, &e, &f);
	int power = (int)(bits >> f & ((1u << e) - 1));
	double m = bits & ((1u << f) - 1);
	double v = power == 0 ? ldexp(m, 2 - (1 << (e - 1)) - f) : ldexp(1 + m / (1 << f), power - (1 << (e - 1)) + 1);
	return bits >> (e + f) & 1 ? -v : v;
}

#define AS(type) (((type *)p)[i])

static inline void set(void *p, size_t i, int type, double v) {
	switch (type) {
	case ncclInt8: AS(int8_t) = (int8_t)v; return;
	case ncclUint8: AS(uint8_t) = (uint8_t)v; return;
	case ncclInt32: AS(int32_t) = (int32_t)v; return;
	case ncclUint32: AS(uint32_t) = (uint32_t)v; return;
	case ncclInt64: AS(int64_t) = (int64_t)v; return;
	case ncclUint64: AS(uint64_t) = (uint64_t)v; return;
	case ncclFloat32: AS(float) = (float)v; return;
	case ncclFloat64: AS(double) = v; return;
	case ncclFloat16:
	case bfloat16: AS(uint16_t) = (uint16_t)pack_float(type, v); return;
	default: AS(uint8_t) = (uint8_t)pack_float(type, v);
	}
}

static inline double get(const void *p, size_t i, int type) {
	switch (type) {
	case ncclInt8: return AS(const int8_t);
	case ncclUint8: return AS(const uint8_t);
	case ncclInt32: return AS(const int32_t);
	case ncclUint32: return AS(const uint32_t);
	case ncclInt64: return (double)AS(const int64_t);
	case ncclUint64: return (double)AS(const uint64_t);
	case ncclFloat32: return AS(const float);
	case ncclFloat64: return AS(const double);
	case ncclFloat16:
	case bfloat16: return unpack_float(type, AS(const uint16_t));
	default: return unpack_float(type, AS(const uint8_t));
	}
}

/* MUST ends the process, with what was expected and the library's own words. */
#define MUST(condition)                                                                                    \
	do {                                                                                               \
		if (!(condition)) {                                                                        \
			fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__, #condition, \
				ncclGetLastError(NULL));                                                   \
			_Exit(1);                                                                          \
		}                                                                                          \
	} while (0)

#define OK(call) MUST((call) == ncclSuccess)

/* GIVES is a call that must be refused with a result, and say why. */
#define GIVES(result, call, words)                                                                       \
	do {                                                                                             \
		MUST((call) == (result));                                                                \
		if (strstr(ncclGetLastError(NULL), words) == NULL) {                                     \
			fprintf(stderr, "%s:%d: \"%s\" is not in: %s\n", __FILE__, __LINE__, words,      \
				ncclGetLastError(NULL));                                                 \
			_Exit(1);                                                                        \
		}                                                                                        \
	} while (0)

/* A buffer with poison before, behind, and in it until it is written. */
enum { guard = 64, poison = 0x5b };

typedef struct {
	unsigned char *whole;
	void *at;
	size_t bytes;
} buffer;

static inline buffer make(size_t count, int type) {
	buffer b = {.bytes = count * size_of(type)};
	b.whole = malloc(b.bytes + 2 * guard);
	memset(b.whole, poison, b.bytes + 2 * guard);
	b.at = b.whole + guard;
	return b;
}

static inline int intact(buffer b) {
	for (size_t i = 0; i < guard; i++)
		if (b.whole[i] != poison || b.whole[guard + b.bytes + i] != poison)
			return 0;
	return 1;
}

static inline int untouched(buffer b) {
	for (size_t i = 0; i < b.bytes; i++)
		if (b.whole[guard + i] != poison)
			return 0;
	return 1;
}

#endif
