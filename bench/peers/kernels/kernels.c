//go:build ignore

// The line above is for the go command, which refuses C beside Go where cgo is on.
//
// out[i] = a[i] + b[i], as a C programmer writes it and leaves to the compiler.
// Integers are unsigned so that they wrap around; the instructions are those of
// signed ones.
#include <stddef.h>
#include <stdint.h>

#define ADD(name, type)                                                                                \
	void add_##name(type *restrict out, const type *restrict a, const type *restrict b, ptrdiff_t n) \
	{                                                                                              \
		for (ptrdiff_t i = 0; i < n; i++)                                                      \
			out[i] = a[i] + b[i];                                                          \
	}

ADD(float, float)
ADD(double, double)
ADD(int32, uint32_t)
ADD(int64, uint64_t)
#ifdef __FLT16_MAX__
ADD(half, _Float16)
#endif
