"""PyTorch's tensors, and torch.distributed with the backend "monel", on tensors that are
not contiguous, against sums by hand."""

import copy
import datetime
import os
import socket
import subprocess
import sys
import unittest

import torch
import torch.distributed as dist

import monel
import monel.torch
from ranks import run_ranks

SHAPE = (6, 4, 2)


def given(rank, dtype=torch.float32, shape=SHAPE):
    n = torch.Size(shape).numel()
    return ((torch.arange(n) * 5 + rank * 7) % 3 + 1).reshape(shape).to(dtype)


def layouts(dtype=torch.float32, shape=SHAPE):
    """Empty tensors of a shape that lie differently in memory, and what is around them."""
    a, b, c = shape
    yield torch.full(shape, 77, dtype=dtype), None
    yield torch.full((c, b, a), 77, dtype=dtype).permute(2, 1, 0), None
    whole = torch.full((2 * a, b + 3, c), 77, dtype=dtype)
    yield whole[::2, 1 : b + 1], whole


def clean(x, whole):
    """Whether the memory around x is as it was."""
    if whole is None:
        return True
    x.fill_(77)
    return bool((whole == 77).all())


class Tensors(unittest.TestCase):
    def test_types_and_layouts(self):
        types = [torch.int8, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]

        def body(comm):
            for dtype in types:
                for x, whole in layouts(dtype):
                    x.copy_(given(comm.rank, dtype))
                    comm.all_reduce(x)
                    self.assertTrue(torch.equal(x, given(0, dtype) + given(1, dtype)), dtype)
                    self.assertTrue(clean(x, whole), dtype)
            z = torch.ones(3, dtype=torch.complex64)
            for x in (z.conj().imag, torch.ones(3).to_sparse(), torch.ones(3, dtype=torch.int16)):
                with self.assertRaisesRegex((TypeError, ValueError), "negates|layout|type"):
                    comm.all_reduce(x)
            p = torch.ones(3, requires_grad=True)
            comm.all_reduce(p)
            self.assertEqual(p.tolist(), [2, 2, 2])
            image = torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last if comm.rank else torch.contiguous_format)
            comm.all_reduce(image)
            self.assertTrue((image == 2).all())

        run_ranks(2, body)


def every_collective(rank, n):
    total = sum(given(r) for r in range(n))
    for x, whole in layouts():
        def put(r=rank):
            x.copy_(given(r))
            return x

        dist.all_reduce(put())
        assert torch.equal(x, total)
        dist.all_reduce(put(), op=dist.ReduceOp.MAX)
        assert torch.equal(x, torch.stack([given(r) for r in range(n)]).max(0).values)
        dist.broadcast(put(), 1)
        assert torch.equal(x, given(1))
        dist.reduce(put(), 1)
        assert torch.equal(x, total if rank == 1 else given(rank))
        dist.barrier()

        parts = [y.fill_(0) for y, _ in layouts()][:n]
        dist.all_gather(parts, put())
        assert all(torch.equal(p, given(r)) for r, p in enumerate(parts))
        dist.gather(put(), parts if rank == 0 else None, 0)
        dist.scatter(x, [given(r + 5) for r in range(n)] if rank == 0 else None, 0)
        assert torch.equal(x, given(rank + 5))
        dist.reduce_scatter(x, [given(rank + r) for r in range(n)])
        assert torch.equal(x, sum(given(r + rank) for r in range(n)))
        dist.all_to_all(parts, [given(rank * n + r) for r in range(n)])
        assert all(torch.equal(p, given(r * n + rank)) for r, p in enumerate(parts))
        assert whole is None or clean(x, whole)

    wide = torch.zeros(2, n * SHAPE[0], SHAPE[1]).permute(1, 2, 0)
    dist._all_gather_base(wide, given(rank))
    assert torch.equal(wide, torch.cat([given(r) for r in range(n)]))
    one = torch.zeros(SHAPE)
    dist._reduce_scatter_base(one, wide)
    assert torch.equal(one, n * given(rank))
    a, b = torch.arange(n * 2.0).reshape(2, n).t() + rank, torch.zeros(n, 2)
    dist.all_to_all_single(b, a)
    assert torch.equal(b, torch.stack([torch.tensor([rank, rank + n]) + r for r in range(n)]).float())
    sizes = [r + 1 for r in range(n)]
    got = torch.zeros(n * (rank + 1))
    dist.all_to_all_single(got, torch.arange(float(sum(sizes))), [rank + 1] * n, sizes)
    first = sum(sizes[:rank])
    assert torch.equal(got, torch.arange(float(first), first + rank + 1).repeat(n))
    objects = [None] * n
    dist.all_gather_object(objects, {"rank": rank})
    assert objects == [{"rank": r} for r in range(n)]
    flags = torch.tensor([True, rank == 0])
    dist.broadcast(flags, 1)
    assert flags.tolist() == [True, False]


def messages(rank, n):
    # Both directions at once, in the order that would wait for each other.
    for size in (8, 1 << 18):
        into = torch.zeros(size, 2).t()
        peers = [(rank + 1) % n, (rank - 1) % n]
        works = [dist.irecv(into, peers[1]), dist.isend(torch.full((size, 2), float(rank)).t(), peers[0])]
        for w in works:
            w.wait()
        assert (into == peers[1]).all()


def work(rank, n):
    xs = [given(rank).permute(2, 0, 1) for _ in range(5)]
    works = [dist.all_reduce(x, async_op=True) for x in xs]
    for w, x in zip(works, xs):
        w.wait()
        assert w.is_completed() and w.is_success()
        assert torch.equal(x, sum(given(r).permute(2, 0, 1) for r in range(n)))
    assert works[0].get_future().wait() is not None


def coalesced(rank, n):
    xs = [given(rank).permute(2, 0, 1), given(rank + 1)]
    dist.all_reduce_coalesced(xs)
    assert torch.equal(xs[0], sum(given(r).permute(2, 0, 1) for r in range(n)))
    assert torch.equal(xs[1], sum(given(r + 1) for r in range(n)))
    group = dist.group.WORLD
    group._start_coalescing()
    outs = [torch.zeros(n * 6, 4, 2), torch.zeros(2, 4, n * 6).permute(2, 1, 0)]
    for out in outs:
        group._allgather_base(out, given(rank))
    work = group._end_coalescing()
    assert work.wait() and work.is_completed() and work.is_success() and work.exception() is None
    for out in outs:
        assert torch.equal(out, torch.cat([given(r) for r in range(n)]))
    y = torch.zeros(SHAPE)
    group.reduce_scatter_tensor_coalesced([y], [torch.cat([given(rank)] * n)]).wait()
    assert torch.equal(y, sum(given(r) for r in range(n)))


def tags(rank, n):
    # The other way round than they were sent.
    if rank == 0:
        works = [dist.isend(torch.full((3,), float(tag)), 1, tag=tag) for tag in (1, 2)]
    elif rank == 1:
        xs = {tag: torch.zeros(3) for tag in (2, 1)}
        works = [dist.irecv(x, 0, tag=tag) for tag, x in xs.items()]
    else:
        return
    for w in works:
        w.wait()
    assert rank == 0 or all((x == tag).all() for tag, x in xs.items())


def objects(rank, n):
    names = [rank, {"of": "rank 0"}]
    dist.broadcast_object_list(names, 0)
    assert names == [0, {"of": "rank 0"}]
    got = [None]
    dist.scatter_object_list(got, list(range(n)) if rank == 0 else None, 0)
    assert got == [rank]


def complex_numbers(rank, n):
    x = torch.complex(given(rank), -given(rank)).permute(2, 0, 1)
    dist.all_reduce(x)
    assert torch.equal(x.real, sum(given(r) for r in range(n)).permute(2, 0, 1)) and torch.equal(x.imag, -x.real)


def late(rank, n):
    group = dist.new_group(list(range(n)), timeout=datetime.timedelta(seconds=1))
    work = dist.barrier(group, async_op=True) if rank == 0 else None
    if rank == 0:
        try:
            work.wait(datetime.timedelta(seconds=0.1))
        except monel.Timeout as e:
            assert "goes on" in str(e) and not work.is_completed()
        else:
            raise AssertionError("a barrier did not wait")
        try:
            work.wait()
        except monel.Timeout as e:
            assert "the group's timeout" in str(e)
        else:
            raise AssertionError("a barrier did not wait")
    dist.barrier()


def groups(rank, n):
    pair = dist.new_group([0, 1])
    if rank < 2:
        x = torch.full((3, 2), rank + 1.0).t()
        dist.all_reduce(x, group=pair)
        assert (x == 3).all()
    dist.barrier()


def errors(rank, n):
    x = torch.zeros(3 + rank)
    try:
        dist.all_reduce(x)
    except monel.InvalidUsage as e:
        assert "rank" in str(e)
    else:
        raise AssertionError("different shapes were reduced")
    try:
        dist.all_reduce(x, op=dist.ReduceOp.BAND)
    except ValueError:
        pass
    else:
        raise AssertionError("BAND was accepted")


def training(rank, n):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    ddp = torch.nn.parallel.DistributedDataParallel(model)
    data = torch.arange(4.0 * n).reshape(n, 4)
    ddp(data[rank : rank + 1]).sum().backward()
    assert torch.allclose(model.weight.grad, data.mean(0).expand(2, 4))


def many_steps(rank, n):
    """A model trained by all ranks, its gradients views of buckets, is the one that is trained on all data."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 2)).double()
    model = model.to(memory_format=torch.channels_last)
    alone = copy.deepcopy(model)
    ddp = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, bucket_cap_mb=0.001)
    data = torch.randn(2 * n, 3, 6, 6, dtype=torch.float64)
    for net, part in ((ddp, data[2 * rank : 2 * rank + 2]), (alone, data)):
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(part).square().mean().backward()
            optimizer.step()
    for ours, theirs in zip(model.parameters(), alone.parameters()):
        assert torch.allclose(ours, theirs, rtol=1e-10)


class Distributed(unittest.TestCase):
    def test_backend(self):
        for n in (2, 3):
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(n), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "USE_LIBUV": "0"}
            ranks = [subprocess.Popen([sys.executable, __file__, "rank"], env={**env, "RANK": str(r)}) for r in range(n)]
            try:
                self.assertEqual([r.wait(120) for r in ranks], [0] * n)
            finally:
                for r in ranks:
                    r.kill()


def rank_main():
    dist.init_process_group("monel")
    for body in (every_collective, messages, work, coalesced, tags, objects, complex_numbers, late, groups, errors, training, many_steps):
        body(dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()


if __name__ == "__main__":
    rank_main() if sys.argv[1:] == ["rank"] else unittest.main()
