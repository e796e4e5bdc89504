"""Tensors of devices, on the simulated driver: package monel and the process group put their
calls on streams in the right order. Two ranks are threads with a device each. It is run by
device_test.go, whose streams are late by random times."""

import threading
import unittest

import numpy as np
import torch
import torch.distributed as dist

import monel
import monel.torch
from ranks import run_ranks
from simulated import Array, Memory, Stream, driver, on, replace_cuda

POISON = 77
SHAPE = (40, 30, 8)
N = 2


def given(rank, salt=0):
    return np.random.default_rng([rank, salt]).integers(1, 9, SHAPE).astype(np.float32)


def total(salt=0):
    return sum(given(r, salt) for r in range(N))


VIEWS = {
    "contiguous": (SHAPE, lambda m: m),
    "transposed": (SHAPE[::-1], lambda m: m.transpose(2, 1, 0)),
    "sliced": ((44, 62, 9), lambda m: m[2:42, 1:61:2, :8]),
}


class Placed:
    """A view of a device's memory, with a copy of all that on the host."""

    def __init__(self, device, name):
        stored, of = VIEWS[name]
        self.host = np.full(stored, POISON, np.float32)
        self.view = of(self.host)
        self.memory = Memory(device, self.host)
        self.x = Array(self.memory, self.view, self.host)
        self.kept = []

    def put(self, values, stream):
        self.view[...] = values
        self.kept.append(self.host.copy())  # until the stream has read it
        self.memory.put(self.kept[-1], stream)

    def put_late(self, values, stream):
        """The same behind much else, which leaves other values there for a while."""
        for _ in range(20):
            self.put(0, stream)
        self.put(values, stream)

    def fetch(self, stream):
        """A copy of the memory, which is right when the stream is through."""
        got = np.zeros_like(self.host)
        self.memory.fetch(got, stream)
        return got

    def must_be(self, got, want, what):
        self.view[...] = want
        np.testing.assert_array_equal(got, self.host, what)  # between the elements, too


class Direct(unittest.TestCase):
    def test_order(self):
        """Copies and collectives are ordered by the stream alone."""

        def body(comm):
            stream = Stream(comm.rank)
            for name in VIEWS:
                p, rounds = Placed(comm.rank, name), 4
                got = []
                for k in range(rounds):
                    p.put(given(comm.rank, k), stream)
                    comm.all_reduce(p.x, stream=stream)
                    got.append(p.fetch(stream))
                    comm.broadcast(p.x, 1, stream=stream.cuda_stream)
                stream.synchronize()
                for k in range(rounds):
                    p.must_be(got[k], total(k), f"{name}, round {k}")
            self.assertIsNone(comm.error())

        run_ranks(N, body)

    def test_messages(self):
        def body(comm):
            stream = Stream(comm.rank)
            a, b = Placed(comm.rank, "transposed"), Placed(comm.rank, "sliced")
            a.put(given(comm.rank), stream)
            b.put(0, stream)
            with monel.group():
                comm.send(a.x, 1 - comm.rank, stream=stream)
                comm.recv(b.x, 1 - comm.rank, stream=stream)
            got = b.fetch(stream)
            stream.synchronize()
            b.must_be(got, given(1 - comm.rank), "recv")

        run_ranks(N, body)

    def test_a_device_here_and_the_host_there(self):
        def body(comm):
            if comm.rank == 0:
                x = given(0)
                comm.all_reduce(x)
                np.testing.assert_array_equal(x, total())
            else:
                stream, p = Stream(1), Placed(1, "transposed")
                p.put(given(1), stream)
                comm.all_reduce(p.x, stream=stream)
                got = p.fetch(stream)
                stream.synchronize()
                p.must_be(got, total(), "the device")

        run_ranks(N, body)

    def test_disagreement(self):
        def body(comm):
            stream, p = Stream(comm.rank), Placed(comm.rank, "transposed" if comm.rank else "sliced")
            p.put(given(comm.rank), stream)
            if comm.rank:
                p.x.__cuda_array_interface__["shape"] = (39, 30, 8)
            with self.assertRaises(monel.InvalidUsage):
                comm.all_reduce(p.x, stream=stream)
                got = p.fetch(stream)
                stream.synchronize()
                p.must_be(got, given(comm.rank), "the tensor of a refused call")
                raise comm.error()

        run_ranks(N, body)


class Distributed(unittest.TestCase):
    def each(self, body):
        """body(group, rank) on a thread for each rank of a process group."""
        store, errors = dist.HashStore(), []

        def one(rank):
            try:
                group = monel.torch.ProcessGroupMonel(store, rank, N)
                with on(Stream(rank)):
                    body(group, rank)
                group.shutdown()
            except BaseException as e:
                errors.append(e)

        threads = [threading.Thread(target=one, args=(r,)) for r in range(N)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
            self.assertFalse(t.is_alive(), "a rank hangs")
        if errors:
            raise errors[0]

    def test_order(self):
        """Calls come after the stream that was current, and what waits for them comes after them."""

        def body(group, rank):
            first, second = Stream(rank), Stream(rank)
            for name in VIEWS:
                ps = [Placed(rank, name) for _ in range(4)]
                with on(first):
                    works = []
                    for k, p in enumerate(ps):
                        p.put_late(given(rank, k), first)
                        works.append(group.allreduce([p.x]))
                with on(second):
                    got = []
                    for p, w in zip(ps, works):
                        w.wait()
                        got.append(p.fetch(second))
                second.synchronize()
                for k, p in enumerate(ps):
                    p.must_be(got[k], total(k), f"{name}, call {k}")
                    self.assertTrue(works[k].is_completed() and works[k].is_success())
                    self.assertIs(works[k].result()[0], p.x)
                    self.assertEqual(len(p.x.borrowed), 1)

        self.each(body)

    def test_completion(self):
        """A work is not completed before its result is there; wait with a timeout is the host's."""

        def body(group, rank):
            stream, p = Stream(rank), Placed(rank, "sliced")
            for wait in (lambda work: work.wait(20), lambda work: work.is_completed()):
                with on(stream):
                    p.put_late(given(rank), stream)
                    work = group.allreduce([p.x])
                    while not wait(work):
                        pass
                    self.assertTrue(work.is_completed())
                other = Stream(rank)  # which waits for nothing
                got = p.fetch(other)
                other.synchronize()
                p.must_be(got, total(), "all_reduce")

        self.each(body)

    def test_messages(self):
        """Both directions at once, each rank receiving first."""

        def body(group, rank):
            stream = Stream(rank)
            a, b = Placed(rank, "transposed"), Placed(rank, "sliced")
            for k in range(3):
                with on(stream):
                    a.put(given(rank, k), stream)
                    b.put(0, stream)
                    works = [group.recv([b.x], 1 - rank), group.send([a.x], 1 - rank)]
                    for w in works:
                        w.wait()
                    got = b.fetch(stream)
                stream.synchronize()
                b.must_be(got, given(1 - rank, k), "recv")

        self.each(body)

    def test_barrier(self):
        """A barrier waits for what the rank's streams have."""

        def body(group, rank):
            stream, p = Stream(rank), Placed(rank, "contiguous")
            with on(stream):
                p.put(given(rank), stream)
                group.allreduce([p.x]).wait()
                got = p.fetch(stream)
                group.barrier().wait()
            p.must_be(got, total(), "after a barrier")  # and no synchronize

        self.each(body)

    def test_host_and_device(self):
        """Calls on the host's memory and a device's keep their order."""

        def body(group, rank):
            stream, p = Stream(rank), Placed(rank, "transposed")
            xs = [torch.full((3, 5), rank + 1.0).t() for _ in range(3)]
            with on(stream):
                works = []
                for k, x in enumerate(xs):
                    works.append(group.allreduce([x]))
                    p.put(given(rank, k), stream)
                    works.append(group.allreduce([p.x]))
                    works[-1].wait()
                    got = p.fetch(stream)
                for w in works:
                    w.wait()
            stream.synchronize()
            p.must_be(got, total(2), "the device")
            self.assertTrue(all(bool((x == 3).all()) for x in xs))

        self.each(body)

    def test_refusals(self):
        def body(group, rank):
            p = Placed(rank, "contiguous")
            with self.assertRaisesRegex(ValueError, "one device"):
                group.allreduce_coalesced([p.x, torch.zeros(3)])

        self.each(body)


if __name__ == "__main__":
    replace_cuda()
    program = unittest.main(exit=False)
    faults = driver.faults()
    if faults:
        raise SystemExit(f"the simulated driver has found:\n{faults}")
    raise SystemExit(not program.result.wasSuccessful())
