"""A wrapper of NCCL such as inference engines have, on our libnccl.so.2: ctypes, functions
by name, the unique id by value, addresses of contiguous tensors, the current stream. The
library is named by VLLM_NCCL_SO_PATH, and NVIDIA's is in the process beside it."""

import ctypes
import os

import torch
import torch.distributed as dist

from .common import SHAPE, Load, device, given, must_be, total

TYPES = {torch.int64: 4, torch.float16: 6, torch.float32: 7, torch.bfloat16: 9}
SUM = 0


class UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * 128)]


class Wrapper:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.ncclGetLastError.restype = ctypes.c_char_p

    def __call__(self, name, *args):
        result = getattr(self.lib, name)(*args)
        if result != 0:
            raise RuntimeError(f"{name}: {result}: {self.lib.ncclGetLastError(None).decode()}")


def start(rank, size):
    where = device(rank)
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, rank == 0)
    nccl = Wrapper(os.environ["VLLM_NCCL_SO_PATH"])
    id, comm = UniqueId(), ctypes.c_void_p()
    if rank == 0:
        nccl("ncclGetUniqueId", ctypes.byref(id))
        store.set("id", bytes(id))
    id = UniqueId.from_buffer_copy(store.get("id"))
    nccl("ncclCommInitRank", ctypes.byref(comm), size, id, rank)
    load = Load(where)
    ahead, behind = (rank + 1) % size, (rank - 1) % size

    def at(x):
        return ctypes.c_void_p(x.data_ptr())

    def call(name, *tensors, count, more=()):
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        nccl(name, *map(at, tensors), ctypes.c_size_t(count), TYPES[tensors[0].dtype], *more, comm, stream)

    def collectives():
        wide = (size * SHAPE[0], *SHAPE[1:])
        mine = slice(rank * SHAPE[0], (rank + 1) * SHAPE[0])
        n = torch.Size(SHAPE).numel()
        with torch.cuda.stream(torch.cuda.Stream(where)):
            for dtype in TYPES:
                x, y = given(rank).to(dtype).to(where), torch.zeros(SHAPE, dtype=dtype, device=where)
                load(1)
                call("ncclAllReduce", x, y, count=n, more=(SUM,))
                must_be(y, total(size), f"all_reduce {dtype}")
                call("ncclBroadcast", x, y, count=n, more=(size - 1,))
                must_be(y, given(size - 1), f"broadcast {dtype}")
                big = torch.zeros(wide, dtype=dtype, device=where)
                call("ncclAllGather", x, big, count=n)
                must_be(big, torch.cat([given(r) for r in range(size)]), f"all_gather {dtype}")
                big.copy_(given(rank, wide))
                call("ncclReduceScatter", big, y, count=n, more=(SUM,))
                must_be(y, total(size, wide)[mine], f"reduce_scatter {dtype}")

    def messages():
        x, y = given(rank).float().to(where), torch.zeros(SHAPE, device=where)
        nccl("ncclGroupStart")
        call("ncclSend", x, count=x.numel(), more=(ahead,))
        call("ncclRecv", y, count=x.numel(), more=(behind,))
        nccl("ncclGroupEnd")
        must_be(y, given(behind))
        nccl("ncclCommDestroy", comm)

    return [collectives, messages]
