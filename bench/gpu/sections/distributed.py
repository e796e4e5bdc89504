"""torch.distributed on GPU tensors that are not contiguous, with the backend monel."""

import copy

import torch
import torch.distributed as dist

import monel
import monel.torch  # noqa: F401  (registers the backend)

from .common import SHAPE, Load, device, given, layouts, must_be, must_be_clean, total


def start(rank, size):
    where = device(rank)
    dist.init_process_group("monel")
    side = torch.cuda.Stream(where)
    load = Load(where)
    rest = SHAPE[1:]
    ahead, behind = (rank + 1) % size, (rank - 1) % size

    def check(each, shape=SHAPE):
        for dtype in (torch.float32, torch.bfloat16):
            for name, x, whole in layouts(dtype, where, shape):
                each(x, f"{name} {dtype}")
                must_be_clean(x, whole, f"{name} {dtype}")

    def like(values, x):
        """Values as they do not lie in x, on the GPU."""
        return values.to(x.dtype).to(where).permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)

    def all_reduce():
        def each(x, what):
            x.copy_(given(rank))
            dist.all_reduce(x)
            must_be(x, total(size), what)
            x.copy_(given(rank))
            dist.all_reduce(x, op=dist.ReduceOp.AVG)
            must_be(x, (total(size) / size).to(x.dtype).double(), what + " AVG")

        check(each)
        flags = torch.tensor([True, rank == 0], device=where)
        dist.all_reduce(flags, op=dist.ReduceOp.PRODUCT)
        assert flags.tolist() == [True, size == 1], flags
        z = torch.complex(given(rank), -given(rank)).to(where)
        dist.all_reduce(z)
        must_be(z.real, total(size), "complex")
        must_be(z.imag, -total(size), "complex")

    def rooted():
        root = size - 1

        def each(x, what):
            x.copy_(given(rank))
            dist.broadcast(x, root)
            must_be(x, given(root), what + " broadcast")
            x.copy_(given(rank))
            dist.reduce(x, root)
            must_be(x, total(size) if rank == root else given(rank), what + " reduce")
            parts = [torch.zeros_like(like(given(0), x)) for _ in range(size)] if rank == root else None
            dist.gather(like(given(rank), x), parts, root)
            for r, part in enumerate(parts or []):
                must_be(part, given(r), what + " gather")
            dist.scatter(x, [like(given(10 + r), x) for r in range(size)] if rank == root else None, root)
            must_be(x, given(10 + rank), what + " scatter")

        check(each)

    def lists():
        def each(x, what):
            parts = [y.fill_(0) for _, y, _ in layouts(x.dtype, where)][:size]
            dist.all_gather(parts, like(given(rank), x))
            for r, part in enumerate(parts):
                must_be(part, given(r), what + " all_gather")
            dist.all_to_all(parts, [like(given(rank * size + r), x) for r in range(size)])
            for r, part in enumerate(parts):
                must_be(part, given(r * size + rank), what + " all_to_all")
            dist.reduce_scatter(x, [like(given(rank + r), x) for r in range(size)])
            must_be(x, sum(given(r + rank) for r in range(size)), what + " reduce_scatter")

        check(each)

    def blocks():
        wide = (size * SHAPE[0], *rest)
        mine = slice(rank * SHAPE[0], (rank + 1) * SHAPE[0])

        def each(y, what):
            dist.all_gather_into_tensor(y, like(given(rank), y))
            must_be(y, torch.cat([given(r) for r in range(size)]), what + " all_gather_into_tensor")
            dist.all_to_all_single(y, like(given(rank, wide), y))
            must_be(y, torch.cat([given(r, wide)[mine] for r in range(size)]), what + " all_to_all_single")
            part = torch.empty(SHAPE[::-1], dtype=y.dtype, device=where).permute(3, 2, 1, 0)
            y.copy_(given(rank, wide))
            dist.reduce_scatter_tensor(part, y)
            must_be(part, total(size, wide)[mine], what + " reduce_scatter_tensor")

        check(each, wide)

    def messages():
        """Both directions at once, in the order that would wait for each other."""
        for shape in (SHAPE, (256, 16, 16, 8)):
            x = like(given(rank, shape), torch.empty(0, dtype=torch.bfloat16))
            y = torch.zeros(shape[::-1], dtype=x.dtype, device=where).permute(3, 2, 1, 0)
            for w in [dist.irecv(y, behind), dist.isend(x, ahead)]:
                w.wait()
            must_be(y, given(behind, shape), "isend and irecv")
            y.fill_(0)
            if rank == 0:
                dist.send(x, ahead)
                dist.recv(y, behind)
            else:
                dist.recv(y, behind)
                dist.send(x, ahead)
            must_be(y, given(behind, shape), "send and recv")
            y.fill_(0)
            for w in dist.batch_isend_irecv([dist.P2POp(dist.isend, x, ahead), dist.P2POp(dist.irecv, y, behind)]):
                w.wait()
            must_be(y, given(behind, shape), "batch_isend_irecv")

    def order():
        """A call comes after the current stream's work, and wait puts the current stream behind it."""
        shape, rounds = (64, 96, 40), 8
        x = [torch.empty(shape[::-1], dtype=torch.bfloat16, device=where).permute(2, 1, 0) for _ in range(rounds)]
        sources = [given(rank, shape, k).bfloat16().to(where) for k in range(rounds)]
        seen = [torch.empty(shape, dtype=torch.float32, device=where) for _ in range(rounds)]
        other = Load(where, 2048)
        third = torch.cuda.Stream(where)
        torch.cuda.synchronize(where)
        with torch.cuda.stream(torch.cuda.Stream(where)):
            other(60)  # beside it
        works = []
        with torch.cuda.stream(side):
            for k in range(rounds):
                load()
                x[k].copy_(sources[k])
                works.append(dist.all_reduce(x[k], async_op=True))
        with torch.cuda.stream(third):  # another one than the calls came from
            for k in range(rounds):
                works[k].wait()
                seen[k].copy_(x[k])
                x[k].fill_(0)
        torch.cuda.synchronize(where)
        for k in range(rounds):
            must_be(seen[k], total(size, shape, k), f"round {k}")
            assert works[k].is_completed() and works[k].is_success() and works[k].exception() is None

    def memory():
        """A tensor may be forgotten while its call goes on: nobody else gets its memory."""
        shape = (512, 64, 32)
        with torch.cuda.stream(side):
            for k in range(4):
                load()
                x = given(rank, shape).float().to(where).permute(2, 0, 1)
                work = dist.all_reduce(x, async_op=True)
                del x
                junk = torch.full(shape, float("nan"), device=where)
                work.wait()
        del junk
        torch.cuda.synchronize(where)
        x = given(rank, shape).float().to(where)
        value = dist.all_reduce(x, async_op=True).get_future().wait()[0]
        must_be(value, total(size, shape), "get_future")

    def groups():
        everyone = dist.new_group(list(range(size)))
        alone = dist.new_group([0])
        x = given(rank).float().to(where).permute(1, 0, 3, 2)
        dist.all_reduce(x, group=everyone)
        must_be(x, total(size).permute(1, 0, 3, 2), "new_group")
        if rank == 0:
            dist.all_reduce(x, group=alone)
            must_be(x, total(size).permute(1, 0, 3, 2), "a group of one")
        dist.barrier()
        objects = [None] * size
        dist.all_gather_object(objects, {"rank": rank})
        assert objects == [{"rank": r} for r in range(size)], objects
        names = [rank, "of rank 0"]
        dist.broadcast_object_list(names, 0)
        assert names == [0, "of rank 0"], names
        on_host = given(rank).transpose(0, 2)
        dist.all_reduce(on_host)  # the same group serves host memory
        must_be(on_host, total(size).transpose(0, 2), "host memory")

    def coalesced():
        xs = [given(rank, SHAPE, k).float().to(where).transpose(0, 3) for k in range(3)]
        with dist._coalescing_manager():
            for x in xs:
                dist.all_reduce(x)
        for k, x in enumerate(xs):
            must_be(x, total(size, SHAPE, k).transpose(0, 3), "all_reduce")

    def functional():
        from torch.distributed._functional_collectives import all_reduce as traceable

        x = given(rank).float().to(where).transpose(0, 3)
        y = traceable(x, "sum", dist.group.WORLD)
        must_be(y + 0, total(size).transpose(0, 3), "all_reduce")

    def training():
        """A model trained by all ranks is the one that is trained by one on all data."""
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 4)
        ).to(where, memory_format=torch.channels_last)
        model = model.double()
        alone = copy.deepcopy(model)
        ddp = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, broadcast_buffers=False)
        data = torch.randn(2 * size, 3, 6, 6, dtype=torch.float64, device=where)
        dist.broadcast(data, 0)
        for net, part in ((ddp, data[2 * rank : 2 * rank + 2]), (alone, data)):
            optimizer = torch.optim.SGD(net.parameters(), 0.1)
            for _ in range(3):
                optimizer.zero_grad()
                net(part).square().mean().backward()
                optimizer.step()
        for ours, theirs in zip(model.parameters(), alone.parameters()):
            assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12), (ours - theirs).abs().max()

    def sharded():
        """FSDP trains the same model, too."""
        from torch.distributed.fsdp import FullyShardedDataParallel

        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(16, 33), torch.nn.ReLU(), torch.nn.Linear(33, 4)).double().to(where)
        alone = copy.deepcopy(model)
        fsdp = FullyShardedDataParallel(model, device_id=where, use_orig_params=True)
        data = torch.randn(2 * size, 16, dtype=torch.float64, device=where)
        dist.broadcast(data, 0)
        for net, part in ((fsdp, data[2 * rank : 2 * rank + 2]), (alone, data)):
            optimizer = torch.optim.SGD(net.parameters(), 0.1)
            for _ in range(3):
                optimizer.zero_grad()
                net(part).square().mean().backward()
                optimizer.step()
        with FullyShardedDataParallel.summon_full_params(fsdp):
            for ours, theirs in zip(fsdp.parameters(), alone.parameters()):
                assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12), (ours - theirs).abs().max()

    def disagreement():
        """The last one: the default group may be of no use afterwards."""
        x = torch.ones(3, 5 + rank, device=where).t()
        try:
            work = dist.all_reduce(x, async_op=True)
            torch.cuda.synchronize(where)
            work.wait()
            error = work.exception()
        except monel.MonelError as e:
            error = e
        assert isinstance(error, monel.InvalidUsage), f"different shapes gave {error!r}"
        must_be(x, torch.ones(x.shape).double(), "the tensor of a refused call")

    return [
        all_reduce, rooted, lists, blocks, messages, order, memory, groups, coalesced, functional, training, sharded,
        disagreement,
    ]  # fmt: skip
