// The agent: one kernel for a whole collective. It starts in its place among the
// work of a stream, carries out what the host writes to a ring of commands while
// it runs, and ends when a command says so. So the host starts no kernels while a
// collective is in progress, and no stream waits for another.
//
// Blocks go through the commands independently of each other, each doing its
// share. Commands that are under way together do not touch the same memory, except
// to read it.

#pragma once

#include "tiled.h"

// agent_slots is how many commands the ring has room for, and agent_end the kernel
// that ends the agent.
constexpr u32 agent_slots = 32, agent_end = 0xffffffff;

// Command is a launch for the agent. number is written last, and counts up
// from one command to the next.
struct alignas(16) Command {
	u32 number;
	u32 kernel; // by its place in KERNELS
	u32 unused[2];
	union {
		Run run;
		Job job;
	} told;
};

// Agent is where an agent finds its commands, and says what is done.
struct Agent {
	u64 commands; // agent_slots of them, in memory of the host
	u64 done;     // as many words there: the number of the last command done of each slot;
	              // behind them one that is first once the agent has begun
	u64 relay;    // agent_slots commands in memory of the device, for blocks but the first
	u64 shares;   // as many words there, 0: how many blocks have done their share
	u32 first;    // the number of the first command
	u32 unused;
};

// await_command waits for the command of that number at an address.
DEVICE void await_command(u64 at, u32 number)
{
	for (u32 looks = 0; load_acquire(at) != number; looks++)
		relax(looks);
}

// fetch_command copies a command to this block's memory, and to the relay if that
// is not 0. These are ordinary loads, in which all threads take part: each acquiring
// one would cross the bus by itself.
DEVICE void fetch_command(Command &now, u64 from, u64 relay, u32 t)
{
	constexpr u32 pieces = sizeof now / 16;
	for (u32 i = t; i < pieces; i += threads) {
		words4 v = load<words4>(from + 16 * i);
		((words4 *)&now)[i] = v;
		if (relay == 0)
			continue;
		if (i == 0)
			v[0]--; // the number comes last
		store<words4>(relay + 16 * i, v);
	}
}

// finish_command says that this block has done its share of a command, and if it
// is the last one, that the command is done.
DEVICE void finish_command(u64 done, u64 shares, u32 number, u32 blocks)
{
	const u64 place = (u64)(number % agent_slots) * 4;
	if (add_to_share(shares + place, 1) != blocks - 1)
		return;
	store<u32>(shares + place, 0);
	tell_host(done + place, number);
}
