// The kernels by name. This is the only file to compile: for GPUs to PTX, with
// AGENT for the agent alone, and by a C++ compiler for the host.

#include "linear.h"
#include "strided.h"
#include "agent.h"

// KERNELS lists each kernel: name, what it is told, function. The numbers are
// bytes of an element.
#define KERNELS(K) \
	K(copy, Run, copy) \
	K(reduce_1, Run, reduce<1>) \
	K(reduce_2, Run, reduce<2>) \
	K(reduce_4, Run, reduce<4>) \
	K(reduce_8, Run, reduce<8>) \
	K(strided_1, Job, strided<1>) \
	K(strided_2, Job, strided<2>) \
	K(strided_4, Job, strided<4>) \
	K(strided_8, Job, strided<8>) \
	K(strided_16, Job, strided<16>) \
	K(tiled_1, Job, tiled<1>) \
	K(tiled_2, Job, tiled<2>) \
	K(tiled_4, Job, tiled<4>) \
	K(tiled_8, Job, tiled<8>) \
	K(tiled_16, Job, tiled<16>)

#if defined AGENT || !defined __CUDA__

// carry_out does what a command says.
DEVICE void carry_out(Grid g, const Command &c)
{
	u32 k = 0;
#define CASE(name, T, ...) \
	if (c.kernel == k++) \
		__VA_ARGS__(g, *(const T *)&c.told);
	KERNELS(CASE)
}

// agent carries out commands until one ends it. The first block alone looks at the
// host's memory and relays what it finds: looks at one place across the bus are
// answered one after the other.
DEVICE void agent(Grid g, const Agent &a)
{
	BLOCK_SHARED Command now;
	const u64 commands = TRANSLATE(a.commands), relay = TRANSLATE(a.relay), done = TRANSLATE(a.done), shares = TRANSLATE(a.shares);
	const bool relays = g.block == 0 && g.blocks > 1;
	EACH_THREAD(t)
	{
		if (t == 0 && g.block == 0)
			tell_host(done + 4 * agent_slots, a.first);
	}
	for (u32 number = a.first;; number++) {
		const u64 place = (u64)(number % agent_slots) * sizeof now;
		const u64 from = (g.block == 0 ? commands : relay) + place;
		EACH_THREAD(t)
		{
			if (t == 0)
				await_command(from, number);
		}
		BARRIER();
		EACH_THREAD(t)
		{
			fetch_command(now, from, relays ? relay + place : 0, t);
		}
		BARRIER();
		EACH_THREAD(t)
		{
			if (t == 0 && relays)
				tell_blocks(relay + place, number);
		}
		const bool end = now.kernel == agent_end;
		if (!end)
			carry_out(g, now);
		BARRIER();
		EACH_THREAD(t)
		{
			if (t == 0)
				finish_command(done, shares, number, g.blocks);
		}
		if (end)
			return;
	}
}

#endif

#ifdef __CUDA__

#define ENTRY(name, T, ...) \
	extern "C" __attribute__((global, launch_bounds(256))) void monel_##name(const T p) \
	{ \
		__VA_ARGS__(Grid{(u32)__nvvm_read_ptx_sreg_ctaid_x(), (u32)__nvvm_read_ptx_sreg_nctaid_x()}, p); \
	}
#ifdef AGENT
ENTRY(agent, Agent, agent)
#else
KERNELS(ENTRY)
#endif

#else

#include <stddef.h>

// Here an agent has one block: several would wait for each other.
#define ENTRY(name, T, ...) \
	static void host_##name(const unsigned grid[3], const unsigned[3], void **params) \
	{ \
		for (u32 b = 0; b < grid[0]; b++) \
			__VA_ARGS__(Grid{b, grid[0]}, *(const T *)params[0]); \
	}
KERNELS(ENTRY)
ENTRY(agent, Agent, agent)

static const struct {
	const char *name;
	monel_host_kernel run;
} kernels[] = {
#define ROW(name, T, ...) {"monel_" #name, host_##name},
	KERNELS(ROW)
	ROW(agent, Agent, agent)
};

constexpr int kernel_count = (int)(sizeof kernels / sizeof *kernels);

extern "C" const char *monel_host_kernel_name(int i)
{
	return i >= 0 && i < kernel_count ? kernels[i].name : nullptr;
}

extern "C" monel_host_kernel monel_host_kernel_named(const char *name)
{
	for (int i = 0; i < kernel_count; i++)
		if (!strcmp(kernels[i].name, name))
			return kernels[i].run;
	return nullptr;
}

// The places of everything in Run and Job, for job.go to be compared with.
extern "C" int monel_host_layout(unsigned *at, int room)
{
#define AT(T, member) (unsigned)offsetof(T, member)
	const unsigned all[] = {
		sizeof(Arithmetic), AT(Arithmetic, type), AT(Arithmetic, op), AT(Arithmetic, ranks), AT(Arithmetic, shift), AT(Arithmetic, magic32), AT(Arithmetic, magic64), AT(Arithmetic, inverse),
		sizeof(Run), AT(Run, out), AT(Run, out2), AT(Run, in), AT(Run, src), AT(Run, count), AT(Run, skew), AT(Run, units), AT(Run, arithmetic),
		sizeof(Dim), AT(Dim, size), AT(Dim, magic), AT(Dim, shift), AT(Dim, step), AT(Dim, a), AT(Dim, b),
		sizeof(Job), AT(Job, a), AT(Job, b), AT(Job, in), AT(Job, out), AT(Job, lo), AT(Job, hi), AT(Job, flags),
		AT(Job, dims), AT(Job, first), AT(Job, count), AT(Job, arithmetic), AT(Job, rows), AT(Job, columns),
		AT(Job, row_skew), AT(Job, column_skew), AT(Job, log_rows), AT(Job, log_columns), AT(Job, row_dim), AT(Job, row_step),
		AT(Job, row_a), AT(Job, row_b), AT(Job, column_a), AT(Job, column_b), AT(Job, steps), AT(Job, dim),
		sizeof(Command), AT(Command, number), AT(Command, kernel), AT(Command, told),
		sizeof(Agent), AT(Agent, commands), AT(Agent, done), AT(Agent, relay), AT(Agent, shares), AT(Agent, first),
	};
	const int n = (int)(sizeof all / sizeof *all);
	for (int i = 0; i < n && i < room; i++)
		at[i] = all[i];
	return n;
}

#endif
