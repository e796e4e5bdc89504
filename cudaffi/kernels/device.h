// What the kernels need of CUDA, and its stand-in when a C++ compiler builds
// them for the host. Besides, only kernels.cu and the conversions of numbers.h know
// where they run.
//
// A kernel is a function that each block calls. Statements outside EACH_THREAD
// are the same for all threads of a block; EACH_THREAD(t) is followed by what
// thread t does. On the host it is a loop, so that all threads have done one
// EACH_THREAD before the next begins, as after a BARRIER on the GPU; no variable
// of a thread outlives its EACH_THREAD.

#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef int i32;
typedef long long i64;

// Every kernel runs in blocks of so many threads.
constexpr u32 threads = 256;

// Grid says which of how many blocks this is.
struct Grid {
	u32 block, blocks;
};

#ifdef __CUDA__

#define DEVICE static inline __attribute__((device, always_inline))
#define METHOD inline __attribute__((device, always_inline))
#define UNROLL _Pragma("unroll")
#define ROLL _Pragma("unroll 1")
#define EACH_THREAD(t) if (const u32 t = (u32)__nvvm_read_ptx_sreg_tid_x(); true)
#define BARRIER() __syncthreads()
// BLOCK_SHARED is a variable that all threads of a block have in common.
#define BLOCK_SHARED static __attribute__((shared))
// TRANSLATE makes an address that the GPU may touch one for whoever runs this.
#define TRANSLATE(p) (p)

// What a GPU can load and store at once besides single words.
typedef u32 words2 __attribute__((vector_size(8)));
typedef u32 words4 __attribute__((vector_size(16)));
extern __attribute__((shared)) words4 shared_memory[];

// Words that the host or other blocks work on at the same time. One thread handles
// them for its block, between BARRIERs: load_acquire sees what was written before
// what it finds; add_to_share, tell_blocks and tell_host come after all that the
// block has done, and tell_host after all that the blocks have done which have added
// to the share before.
DEVICE u32 load_acquire(u64 at)
{
	u32 v;
	asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(v) : "l"(at) : "memory");
	return v;
}

DEVICE u32 add_to_share(u64 at, u32 v)
{
	u32 before;
	asm volatile("fence.acq_rel.gpu;\n\tatom.acq_rel.gpu.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(at), "r"(v) : "memory");
	return before;
}

DEVICE void tell_blocks(u64 at, u32 v) { asm volatile("fence.acq_rel.gpu;\n\tst.release.gpu.global.u32 [%0], %1;" :: "l"(at), "r"(v) : "memory"); }
DEVICE void tell_host(u64 at, u32 v) { asm volatile("fence.acq_rel.sys;\n\tst.release.sys.global.u32 [%0], %1;" :: "l"(at), "r"(v) : "memory"); }

// relax is a pause between two looks, of which there were so many.
DEVICE void relax(u32 looks)
{
	if (looks > 64)
		asm volatile("nanosleep.u32 %0;" :: "r"(looks > 4096 ? 1000 : 50));
}

#define GLOBAL(T, at) (*(__attribute__((address_space(1))) T *)(at))

template <class T> DEVICE T load(u64 at) { return GLOBAL(const T, at); }
template <class T> DEVICE void store(u64 at, T v) { GLOBAL(T, at) = v; }

DEVICE u32 *shared() { return (u32 *)shared_memory; }

DEVICE float as_float(u32 b) { return __builtin_bit_cast(float, b); }
DEVICE u32 as_bits(float f) { return __builtin_bit_cast(u32, f); }
DEVICE double as_double(u64 b) { return __builtin_bit_cast(double, b); }
DEVICE u64 as_bits(double f) { return __builtin_bit_cast(u64, f); }

// permute picks the bytes of b:a that the four nibbles of s number.
DEVICE u32 permute(u32 a, u32 b, u32 s) { return __nvvm_prmt(a, b, s); }

#else

#include "host.h"
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define DEVICE static inline
#define METHOD inline
#define UNROLL
#define ROLL
#define EACH_THREAD(t) for (u32 t = 0; t < threads; t++)
#define BARRIER()
#define BLOCK_SHARED static thread_local
#define TRANSLATE(p) ((u64)monel_host_translate((void *)(p)))

typedef u32 words2 __attribute__((vector_size(8)));
typedef u32 words4 __attribute__((vector_size(16)));

DEVICE u32 load_acquire(u64 at) { return __atomic_load_n((u32 *)at, __ATOMIC_ACQUIRE); }
DEVICE u32 add_to_share(u64 at, u32 v) { return __atomic_fetch_add((u32 *)at, v, __ATOMIC_ACQ_REL); }
DEVICE void tell_blocks(u64 at, u32 v) { __atomic_store_n((u32 *)at, v, __ATOMIC_RELEASE); }
DEVICE void tell_host(u64 at, u32 v) { __atomic_store_n((u32 *)at, v, __ATOMIC_RELEASE); }

DEVICE void relax(u32 looks)
{
	if (looks < 16)
		sched_yield();
	else
		usleep(looks < 1000 ? 20 : 200);
}

template <class T> DEVICE T load(u64 at)
{
	T v;
	memcpy(&v, (const void *)at, sizeof v);
	return v;
}

template <class T> DEVICE void store(u64 at, T v) { memcpy((void *)at, &v, sizeof v); }

// Streams of a simulated device run kernels on several threads.
static thread_local words4 shared_memory[3072];

DEVICE u32 *shared() { return (u32 *)shared_memory; }

template <class T, class F> DEVICE T cast(F f)
{
	T t;
	memcpy(&t, &f, sizeof t);
	return t;
}

DEVICE float as_float(u32 b) { return cast<float>(b); }
DEVICE u32 as_bits(float f) { return cast<u32>(f); }
DEVICE double as_double(u64 b) { return cast<double>(b); }
DEVICE u64 as_bits(double f) { return cast<u64>(f); }

DEVICE u32 permute(u32 a, u32 b, u32 s)
{
	u64 both = (u64)b << 32 | a;
	u32 v = 0;
	for (int i = 0; i < 4; i++)
		v |= (u32)(both >> 8 * (s >> 4 * i & 7) & 0xff) << 8 * i;
	return v;
}

#endif

template <class T> DEVICE T least(T a, T b) { return a < b ? a : b; }
template <class T> DEVICE T most(T a, T b) { return a > b ? a : b; }

DEVICE u32 high(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
DEVICE u64 high(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
