#!/usr/bin/env python3
"""PyTorch's own NCCL backend on Monel's libnccl.so.2: needs a GPU and a PyTorch with CUDA,
so it is no part of make libnccl-check.

usage: LD_PRELOAD=$PWD/build/libnccl.so.2 python3 libnccl/check/torch_nccl.py [RANKS]

RANKS (2) processes, one for each GPU in turns; they may share one. Every collective of
torch.distributed, groups of ranks, messages and asynchronous calls are compared with what
they must give. Prints a line for each, and ends with 1 if one is wrong.
"""

import ctypes
import os
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class _Info(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]


def file_of(function):
    """The library that a call of function goes to from any library of this process. PyTorch
    loads the one that it was built with as well, but a preloaded one comes first."""
    info = _Info()
    address = ctypes.cast(getattr(ctypes.CDLL(None), function), ctypes.c_void_p)
    ctypes.CDLL(None).dladdr(address, ctypes.byref(info))
    return info.file.decode()


class Checks:
    def __init__(self, rank, size):
        self.rank, self.size, self.wrong = rank, size, 0
        self.device = torch.device("cuda", torch.cuda.current_device())

    def of(self, rank, count=1000, dtype=torch.float32):
        return (torch.arange(count, device=self.device) % 7 + rank + 1).to(dtype)

    def equal(self, name, got, want):
        right = len(got) == len(want) and all(torch.equal(g, w) for g, w in zip(got, want))
        self.wrong += not right
        if self.rank == 0 or not right:
            print(f"rank {self.rank}: {name}: {'right' if right else 'WRONG'}", flush=True)


def collectives(c):
    n, rank, everybody = c.size, c.rank, range(c.size)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8):
        x = c.of(rank, dtype=dtype)
        dist.all_reduce(x)
        c.equal(f"all_reduce {dtype}", [x], [sum(c.of(r, dtype=dtype) for r in everybody)])
    x = c.of(rank)
    dist.all_reduce(x, op=dist.ReduceOp.AVG)
    c.equal("all_reduce avg", [x], [sum(c.of(r) for r in everybody) / n])
    x = c.of(rank)
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    c.equal("all_reduce max", [x], [c.of(n - 1)])
    x = c.of(rank)
    dist.broadcast(x, src=n - 1)
    c.equal("broadcast", [x], [c.of(n - 1)])
    x = c.of(rank)
    dist.reduce(x, dst=0)
    if rank == 0:
        c.equal("reduce", [x], [sum(c.of(r) for r in everybody)])
    parts = [torch.empty_like(c.of(0)) for _ in everybody]
    dist.all_gather(parts, c.of(rank))
    c.equal("all_gather", parts, [c.of(r) for r in everybody])
    out = torch.empty(1000 * n, device=c.device)
    dist.all_gather_into_tensor(out, c.of(rank))
    c.equal("all_gather_into_tensor", [out], [torch.cat([c.of(r) for r in everybody])])
    out = torch.empty(1000, device=c.device)
    dist.reduce_scatter_tensor(out, torch.cat([c.of(rank + r) for r in everybody]))
    c.equal("reduce_scatter_tensor", [out], [sum(c.of(r + rank) for r in everybody)])
    dist.reduce_scatter(out, [c.of(rank + r) for r in everybody])
    c.equal("reduce_scatter", [out], [sum(c.of(r + rank) for r in everybody)])
    out = torch.empty(1000 * n, device=c.device)
    dist.all_to_all_single(out, torch.cat([c.of(10 * rank + r) for r in everybody]))
    c.equal("all_to_all_single", [out], [torch.cat([c.of(10 * r + rank) for r in everybody])])
    dist.all_to_all(parts, [c.of(10 * rank + r) for r in everybody])
    c.equal("all_to_all", parts, [c.of(10 * r + rank) for r in everybody])
    uneven = [torch.empty(10 * (rank + 1), device=c.device) for _ in everybody]
    dist.all_to_all(uneven, [c.of(rank, 10 * (r + 1)) for r in everybody])
    c.equal("all_to_all uneven", uneven, [c.of(r, 10 * (rank + 1)) for r in everybody])
    dist.gather(c.of(rank), parts if rank == 0 else None, dst=0)
    if rank == 0:
        c.equal("gather", parts, [c.of(r) for r in everybody])
    dist.scatter(out[:1000], [c.of(r) for r in everybody] if rank == 0 else None, src=0)
    c.equal("scatter", [out[:1000]], [c.of(rank)])
    dist.barrier()


def messages(c):
    if c.size == 1:
        return  # nobody to send to
    to, of = (c.rank + 1) % c.size, (c.rank - 1) % c.size
    got = torch.empty(1000, device=c.device)
    sent = c.of(c.rank)
    works = dist.batch_isend_irecv([dist.P2POp(dist.isend, sent, to), dist.P2POp(dist.irecv, got, of)])
    for work in works:
        work.wait()
    c.equal("batch_isend_irecv", [got], [c.of(of)])
    if c.rank < 2:
        if c.rank == 0:
            dist.send(sent, 1)
        else:
            dist.recv(got, 0)
            c.equal("send, recv", [got], [c.of(0)])


def asynchronous(c):
    # Many at once behind work of the stream, which orders them; the host waits once.
    big = torch.ones(2048, 2048, device=c.device)
    tensors = []
    for i in range(300):
        big = big @ big / 2048
        x = big[0, :1000] * (c.rank + i)
        work = dist.all_reduce(x, async_op=True)
        tensors.append((x, work))
    for x, work in tensors:
        work.wait()
    torch.cuda.synchronize()
    base = c.size * (c.size - 1) // 2
    c.equal("300 asynchronous all_reduces", [x for x, _ in tensors],
            [torch.full((1000,), float(base + i * c.size), device=c.device) for i in range(300)])


def groups(c):
    even = dist.new_group(list(range(0, c.size, 2)))
    whole = dist.new_group(list(range(c.size)))
    x = c.of(c.rank)
    if c.rank % 2 == 0:
        dist.all_reduce(x, group=even)
        c.equal("all_reduce of a group", [x], [sum(c.of(r) for r in range(0, c.size, 2))])
    x = c.of(c.rank)
    dist.all_reduce(x, group=whole)
    c.equal("all_reduce of another", [x], [sum(c.of(r) for r in range(c.size))])


def run(rank, size, path):
    torch.cuda.set_device(rank % torch.cuda.device_count())
    device = torch.device("cuda", torch.cuda.current_device())
    # With a device, communicators of groups are split off the first.
    dist.init_process_group("nccl", init_method=f"file://{path}", rank=rank, world_size=size, device_id=device)
    c = Checks(rank, size)
    for part in (collectives, messages, asynchronous, groups):
        part(c)
    torch.cuda.synchronize()
    ours = file_of("monelAllReduceStrided")
    if rank == 0:
        print(f"NCCL {torch.cuda.nccl.version()} of {ours}", flush=True)
    for function in ("ncclCommInitRankConfig", "ncclAllReduce", "ncclSend"):
        if file_of(function) != ours:
            c.wrong += 1
            print(f"rank {rank}: {function} is that of {file_of(function)}", flush=True)
    dist.destroy_process_group()
    sys.exit(1 if c.wrong else 0)


def main():
    try:
        ctypes.CDLL(None).monelAllReduceStrided
    except AttributeError:
        sys.exit("Monel's libnccl.so.2 is not loaded; set LD_PRELOAD to it")
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(run, (size, os.path.join(folder, "store")), nprocs=size, start_method="spawn")


if __name__ == "__main__":
    main()
