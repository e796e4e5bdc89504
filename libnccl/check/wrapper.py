#!/usr/bin/env python3
"""A wrapper of NCCL such as inference engines have: ctypes, functions by name, the
unique id by value. The library is named by MONEL_LIBNCCL.

usage: wrapper.py           runs two processes that use it
"""

import array
import ctypes
import os
import subprocess
import sys

# What SGLang's, vLLM's and CuPy's wrappers ask for; one that is missing fails the load.
SGLANG = """ncclGetErrorString ncclGetVersion ncclGetUniqueId ncclCommInitRank ncclAllReduce ncclAllGather
    ncclReduceScatter ncclSend ncclRecv ncclBroadcast ncclCommDestroy""".split()
VLLM = SGLANG + """ncclReduce ncclGroupStart ncclGroupEnd ncclCommWindowRegister ncclCommWindowDeregister
    ncclCommInitRankConfig ncclCommAbort ncclGetLastError""".split()
CUPY = """ncclGetErrorString ncclGetVersion ncclGetUniqueId ncclCommInitRank ncclCommInitAll ncclCommDestroy
    ncclCommAbort ncclCommGetAsyncError ncclCommCount ncclCommCuDevice ncclCommUserRank ncclGroupStart ncclGroupEnd
    ncclAllReduce ncclReduce ncclBroadcast ncclBcast ncclReduceScatter ncclAllGather ncclSend ncclRecv
    ncclRedOpCreatePreMulSum ncclRedOpDestroy""".split()

FLOAT32, SUM, MAX = 7, 0, 2


class UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * 128)]


class Library:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        for name in SGLANG + VLLM + CUPY:
            getattr(self.lib, name)
        self.lib.ncclGetErrorString.restype = ctypes.c_char_p
        self.lib.ncclGetLastError.restype = ctypes.c_char_p

    def __getattr__(self, name):
        function = getattr(self.lib, name)

        def call(*args):
            result = function(*args)
            if result != 0:
                text = self.lib.ncclGetErrorString(result).decode()
                raise RuntimeError(f"{name}: {text}: {self.lib.ncclGetLastError(None).decode()}")

        return call


def size(n):
    return ctypes.c_size_t(n)


class Floats:
    """Host memory, as a pointer and a list."""

    def __init__(self, values):
        self.values = array.array("f", values)

    @property
    def at(self):
        return ctypes.c_void_p(self.values.buffer_info()[0])

    def __len__(self):
        return len(self.values)

    def must_be(self, want):
        assert list(self.values) == [float(w) for w in want], (list(self.values), list(want))


def rank(me, n, text):
    lib = Library(os.environ["MONEL_LIBNCCL"])
    id = UniqueId.from_buffer_copy(bytes.fromhex(text))
    comm, none = ctypes.c_void_p(), ctypes.c_void_p()
    lib.ncclCommInitRank(ctypes.byref(comm), n, id, me)

    mine = Floats(range(me, me + 6))
    out = Floats([0] * 6)
    lib.ncclAllReduce(mine.at, out.at, size(6), FLOAT32, SUM, comm, none)
    out.must_be(sum(r + i for r in range(n)) for i in range(6))

    wide = Floats([0] * 6 * n)
    lib.ncclAllGather(mine.at, wide.at, size(6), FLOAT32, comm, none)
    wide.must_be(r + i for r in range(n) for i in range(6))

    part = Floats([0] * 6)
    lib.ncclReduceScatter(wide.at, part.at, size(6), FLOAT32, MAX, comm, none)
    part.must_be(me + i for i in range(6))

    lib.ncclBroadcast(mine.at, out.at, size(6), FLOAT32, 1, comm, none)
    out.must_be(1 + i for i in range(6))
    lib.ncclReduce(mine.at, out.at, size(6), FLOAT32, SUM, 0, comm, none)
    out.must_be([sum(r + i for r in range(n)) for i in range(6)] if me == 0 else [1 + i for i in range(6)])

    if me == 0:
        lib.ncclSend(mine.at, size(6), FLOAT32, 1, comm, none)
    elif me == 1:
        lib.ncclRecv(out.at, size(6), FLOAT32, 0, comm, none)
        out.must_be(range(6))

    lib.ncclGroupStart()
    lib.ncclSend(mine.at, size(6), FLOAT32, (me + 1) % n, comm, none)
    lib.ncclRecv(out.at, size(6), FLOAT32, (me - 1) % n, comm, none)
    lib.ncclAllReduce(part.at, part.at, size(6), FLOAT32, SUM, comm, none)
    lib.ncclGroupEnd()
    out.must_be((me - 1) % n + i for i in range(6))
    part.must_be(sum(r + i for r in range(n)) for i in range(6))

    window = ctypes.c_void_p()
    lib.ncclCommWindowRegister(comm, part.at, size(24), ctypes.byref(window), 1)
    lib.ncclCommWindowDeregister(comm, window)
    try:
        lib.ncclBroadcast(mine.at, out.at, size(6), FLOAT32, n, comm, none)
        sys.exit("a root that is no rank was accepted")
    except RuntimeError as e:
        assert "invalid argument" in str(e) and "root" in str(e), e
    lib.ncclCommDestroy(comm)


def main():
    if len(sys.argv) > 1:
        return rank(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    lib = Library(os.environ["MONEL_LIBNCCL"])
    version = ctypes.c_int()
    lib.ncclGetVersion(ctypes.byref(version))
    assert version.value >= 22703, version
    n = 2
    id = UniqueId()
    lib.ncclGetUniqueId(ctypes.byref(id))
    ranks = [subprocess.Popen([sys.executable, __file__, str(r), str(n), bytes(id).hex()]) for r in range(n)]
    sys.exit(max(r.wait(timeout=60) for r in ranks))


main()
