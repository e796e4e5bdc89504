"""Every collective on NumPy arrays of many layouts, against NumPy itself."""

import ctypes
import os
import subprocess
import sys
import types
import unittest

import numpy as np

import monel
from monel import tensors
from ranks import run_ranks

N = 3
SHAPE = (4, 3, 5)
TYPES = [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32, np.float64]
POISON = 77


def layouts(shape, dtype):
    """Arrays of a shape that lie differently in memory, with the memory around them."""
    big = [2 * s + 1 for s in shape]
    for name, take in {
        "contiguous": lambda m: m[tuple(slice(0, s) for s in shape)].copy(),
        "permuted": lambda m: np.full(shape[::-1], POISON, dtype).transpose(*range(len(shape))[::-1]),
        "sliced": lambda m: m[tuple(slice(1, s + 1) for s in shape)],
        "stepped": lambda m: m[tuple(slice(0, 2 * s, 2) for s in shape)],
        "reversed": lambda m: m[tuple(slice(s - 1, None, -1) for s in shape)],
    }.items():
        whole = np.full(big, POISON, dtype)
        yield name, take(whole), whole


def values(rank, shape, dtype):
    """1, 2 and 3, so that every type holds all sums and products."""
    return ((np.arange(np.prod(shape)).reshape(shape) * 5 + rank * 7) % 3 + 1).astype(dtype)


def around(x, whole):
    """Whether the memory around x is as it was."""
    if not np.shares_memory(x, whole):
        return True
    rest = whole.copy()
    view = np.ndarray(x.shape, x.dtype, rest, offset=x.ctypes.data - whole.ctypes.data, strides=x.strides)
    view[...] = POISON
    return bool((rest == POISON).all())


def blocked(rank, dtype):
    """What a rank gives where every rank has a block: N blocks of SHAPE."""
    return values(rank, (N * SHAPE[0], *SHAPE[1:]), dtype)


class Collectives(unittest.TestCase):
    def each(self, check, shape=SHAPE):
        """check(comm, x, y, values of rank) for all types and layouts of y."""

        def body(comm):
            for dtype in TYPES:
                for name, y, whole in layouts(shape, dtype):
                    check(comm, y, dtype)
                    self.assertTrue(around(y, whole), (name, dtype))

        run_ranks(N, body)

    def test_all_reduce(self):
        combine = {monel.Op.SUM: np.sum, monel.Op.PROD: np.prod, monel.Op.MAX: np.max, monel.Op.MIN: np.min}

        def check(comm, y, dtype):
            given = [values(r, SHAPE, dtype) for r in range(N)]
            for op, of in combine.items():
                want = of(given, axis=0).astype(dtype)
                y[...] = given[comm.rank]
                self.assertIs(comm.all_reduce(y, op), y)
                np.testing.assert_array_equal(y, want)
                x = np.asfortranarray(given[comm.rank])
                comm.all_reduce(x, op, out=y)
                np.testing.assert_array_equal(y, want)
                np.testing.assert_array_equal(x, given[comm.rank])

        self.each(check)

    def test_broadcast(self):
        def check(comm, y, dtype):
            y[...] = values(comm.rank, SHAPE, dtype)
            comm.broadcast(y, 1)
            np.testing.assert_array_equal(y, values(1, SHAPE, dtype))

        self.each(check)

    def test_reduce(self):
        def check(comm, y, dtype):
            y[...] = values(comm.rank, SHAPE, dtype)
            got = comm.reduce(y, 2)
            if comm.rank == 2:
                self.assertIs(got, y)
                np.testing.assert_array_equal(y, sum(values(r, SHAPE, dtype) for r in range(N)))
            else:
                np.testing.assert_array_equal(y, values(comm.rank, SHAPE, dtype))

        self.each(check)

    def test_all_gather_and_gather(self):
        want = lambda dtype: np.concatenate([values(r, SHAPE, dtype) for r in range(N)])

        def check(comm, y, dtype):
            x = values(comm.rank, SHAPE, dtype)
            comm.all_gather(x, y)
            np.testing.assert_array_equal(y, want(dtype))
            y[...] = POISON
            comm.gather(x, 0, y)
            np.testing.assert_array_equal(y, want(dtype) if comm.rank == 0 else np.full_like(y, POISON))

        self.each(check, (N * SHAPE[0], *SHAPE[1:]))

    def test_reduce_scatter_and_scatter(self):
        def check(comm, y, dtype):
            mine = slice(comm.rank * SHAPE[0], (comm.rank + 1) * SHAPE[0])
            comm.reduce_scatter(blocked(comm.rank, dtype), y)
            np.testing.assert_array_equal(y, sum(blocked(r, dtype) for r in range(N))[mine])
            comm.scatter(blocked(comm.rank, dtype), 1, y)
            np.testing.assert_array_equal(y, blocked(1, dtype)[mine])

        self.each(check)

    def test_all_to_all(self):
        def check(comm, y, dtype):
            mine = slice(comm.rank * SHAPE[0], (comm.rank + 1) * SHAPE[0])
            comm.all_to_all(blocked(comm.rank, dtype), y)
            np.testing.assert_array_equal(y, np.concatenate([blocked(r, dtype)[mine] for r in range(N)]))

        self.each(check, (N * SHAPE[0], *SHAPE[1:]))

    def test_messages(self):
        def check(comm, y, dtype):
            with monel.group():
                comm.send(values(comm.rank, SHAPE, dtype).T.copy().T, (comm.rank + 1) % N)
                comm.recv(y, (comm.rank - 1) % N)
            np.testing.assert_array_equal(y, values((comm.rank - 1) % N, SHAPE, dtype))
            if comm.rank == 0:
                comm.send(y, 1)
            elif comm.rank == 1:
                comm.recv(y, 0)
                np.testing.assert_array_equal(y, values(N - 1, SHAPE, dtype))

        self.each(check)

    def test_other_sizes(self):
        def body(comm):
            for shape in [(0,), (), (1,), (70001,), (300, 301)]:
                x = np.broadcast_to(np.float32(comm.rank + 1), shape)
                y = np.zeros(shape, np.float32)
                comm.all_reduce(x, out=y)  # an expanded input
                np.testing.assert_array_equal(y, np.full(shape, 6, np.float32))
            comm.barrier()

        run_ranks(N, body)


class Errors(unittest.TestCase):
    def test_arguments(self):
        def body(comm):
            x = np.zeros(4, np.float32)
            with self.assertRaises(monel.InvalidArgument):
                comm.broadcast(x, 9)
            with self.assertRaisesRegex(ValueError, "read-only"):
                comm.all_reduce(np.broadcast_to(np.float32(1), (3,)))
            with self.assertRaises(TypeError):
                comm.all_reduce(np.zeros(3, np.complex64))
            with self.assertRaises(TypeError):
                comm.all_reduce([1, 2, 3])
            with self.assertRaisesRegex(monel.InvalidArgument, "share memory|overlap"):
                comm.all_reduce(x, out=np.lib.stride_tricks.as_strided(x, (4,), (0,)))
            comm.all_reduce(x)  # it stays usable
            comm.close()
            with self.assertRaises(monel.InvalidUsage):
                comm.all_reduce(x)

        run_ranks(2, body)

    def test_group_borrows(self):
        def body(comm):
            x = np.ones(5, np.float32)
            with monel.group():
                comm.all_reduce(x)
                with self.assertRaisesRegex(monel.InvalidUsage, "group"):
                    comm.close()
            self.assertTrue((x == 2).all())
            self.assertIsNone(comm.error())

        run_ranks(2, body)

    def test_streams(self):
        address_of = monel.communicator.address_of
        self.assertEqual([address_of(s) for s in (None, 0, 7)], [None, None, 7])
        self.assertEqual(address_of(types.SimpleNamespace(cuda_stream=9)), 9)
        self.assertEqual(address_of(types.SimpleNamespace(__cuda_stream__=lambda: (0, 11))), 11)
        with self.assertRaises(TypeError):
            address_of("default")

    def test_disagreement(self):
        def body(comm):
            x = np.ones(3 + comm.rank, np.float32)
            with self.assertRaisesRegex(monel.InvalidUsage, "rank"):
                comm.all_reduce(x)
            self.assertTrue((x == 1).all())

        run_ranks(2, body)

    def test_abort(self):
        def body(comm):
            if comm.rank == 0:
                comm.abort()
                return
            with self.assertRaisesRegex(monel.RemoteError, "rank 0"):
                comm.all_reduce(np.zeros(3))

        run_ranks(2, body)


class Foreign:
    """An array that only DLPack describes, of a version, with flags."""

    def __init__(self, array, flags=0, major=1):
        self.array, self.flags, self.major = array, flags, major

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, stream=None, max_version=None):
        a = self.array
        self.shape, self.strides = (ctypes.c_int64 * a.ndim)(*a.shape), (ctypes.c_int64 * a.ndim)(*(s // a.itemsize for s in a.strides))
        self.managed = tensors._DLVersioned(self.major, 0, None, None, self.flags)
        self.managed.tensor = tensors._DLTensor(a.ctypes.data, 1, 0, a.ndim, 2, 32, 1, self.shape, self.strides, 0)
        new = ctypes.pythonapi.PyCapsule_New
        new.argtypes, new.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p], ctypes.py_object
        return new(ctypes.addressof(self.managed), b"dltensor_versioned", None)


class DLPack(unittest.TestCase):
    def test_versions_and_flags(self):
        def body(comm):
            a = np.arange(12, dtype=np.float32).reshape(3, 4).T + comm.rank
            comm.all_reduce(Foreign(a))
            np.testing.assert_array_equal(a, 2 * np.arange(12).reshape(3, 4).T + 1)
            for flags in (1, 2):  # read-only, copied
                with self.assertRaisesRegex(ValueError, "read-only"):
                    comm.all_reduce(Foreign(a, flags))
            with self.assertRaisesRegex(TypeError, "version"):
                comm.all_reduce(Foreign(a, major=2))
            out = np.zeros_like(a)
            comm.all_reduce(Foreign(np.ones_like(a), 1), out=out)  # it is only read
            self.assertTrue((out == 2).all())

        run_ranks(2, body)


RANK = """
import numpy as np, monel, sys
with monel.init() as comm:
    x = np.arange(6, dtype=np.float32).reshape(2, 3).T + comm.rank
    comm.all_reduce(x)
    assert (x == 2 * np.arange(6).reshape(2, 3).T + 1).all(), x
    id = np.frombuffer(monel.unique_id() if comm.rank == 0 else bytes(128), np.uint8).copy()
    comm.broadcast(id, 0)
    with monel.Communicator(comm.size, comm.rank, id.tobytes()) as other:
        assert (other.rank, other.size) == (comm.rank, 2)
        other.all_reduce(x, monel.Op.AVG)
"""


class Processes(unittest.TestCase):
    def test_init(self):
        import socket

        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            root = "127.0.0.1:%d" % s.getsockname()[1]
        job = {**os.environ, "MONEL_SIZE": "2", "MONEL_ROOT": root, "MONEL_SECRET": "for this test only"}
        ranks = [subprocess.Popen([sys.executable, "-c", RANK], env={**job, "MONEL_RANK": str(r)}) for r in range(2)]
        self.assertEqual([r.wait(60) for r in ranks], [0, 0])


if __name__ == "__main__":
    unittest.main()
