"""PyTorch's own NCCL backend on our libnccl.so.2, which LD_PRELOAD puts in the place of
NVIDIA's. The backend takes contiguous tensors only."""

import copy
import os

import torch
import torch.distributed as dist

from .common import SHAPE, Load, device, given, must_be, total


def start(rank, size):
    where = device(rank)
    ours = os.path.realpath(os.environ["LD_PRELOAD"])
    with open("/proc/self/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "libnccl" in line}
    assert ours in loaded, f"{ours} is not loaded, but {loaded}"
    dist.init_process_group("nccl", device_id=where)
    load = Load(where)
    ahead, behind = (rank + 1) % size, (rank - 1) % size

    def on_gpu(values, dtype=torch.float32):
        return values.to(dtype).to(where)

    def all_reduce():
        for dtype in (torch.float32, torch.bfloat16, torch.int64):
            x = on_gpu(given(rank), dtype)
            dist.all_reduce(x)
            must_be(x, total(size), str(dtype))
        x = on_gpu(given(rank))
        dist.all_reduce(x, op=dist.ReduceOp.MAX)
        must_be(x, torch.stack([given(r) for r in range(size)]).max(0).values, "MAX")

    def rooted():
        root = size - 1
        x = on_gpu(given(rank))
        dist.broadcast(x, root)
        must_be(x, given(root), "broadcast")
        x = on_gpu(given(rank))
        dist.reduce(x, root)
        if rank == root:
            must_be(x, total(size), "reduce")
        parts = [torch.zeros_like(x) for _ in range(size)] if rank == root else None
        dist.gather(on_gpu(given(rank)), parts, root)
        for r, part in enumerate(parts or []):
            must_be(part, given(r), "gather")
        dist.scatter(x, [on_gpu(given(10 + r)) for r in range(size)] if rank == root else None, root)
        must_be(x, given(10 + rank), "scatter")

    def blocks():
        wide = (size * SHAPE[0], *SHAPE[1:])
        mine = slice(rank * SHAPE[0], (rank + 1) * SHAPE[0])
        y = torch.zeros(wide, device=where)
        dist.all_gather_into_tensor(y, on_gpu(given(rank)))
        must_be(y, torch.cat([given(r) for r in range(size)]), "all_gather_into_tensor")
        parts = [torch.zeros(SHAPE, device=where) for _ in range(size)]
        dist.all_gather(parts, on_gpu(given(rank)))
        must_be(torch.cat(parts), torch.cat([given(r) for r in range(size)]), "all_gather")
        dist.all_to_all_single(y, on_gpu(given(rank, wide)))
        must_be(y, torch.cat([given(r, wide)[mine] for r in range(size)]), "all_to_all_single")
        part = torch.zeros(SHAPE, device=where)
        dist.reduce_scatter_tensor(part, on_gpu(given(rank, wide)))
        must_be(part, total(size, wide)[mine], "reduce_scatter_tensor")

    def messages():
        x, y = on_gpu(given(rank)), torch.zeros(SHAPE, device=where)
        for w in dist.batch_isend_irecv([dist.P2POp(dist.isend, x, ahead), dist.P2POp(dist.irecv, y, behind)]):
            w.wait()
        must_be(y, given(behind), "batch_isend_irecv")
        y.fill_(0)
        if rank == 0:
            dist.send(x, ahead)
            dist.recv(y, behind)
        else:
            dist.recv(y, behind)
            dist.send(x, ahead)
        must_be(y, given(behind), "send and recv")

    def order():
        shape, rounds = (64, 96, 40), 8
        xs = [torch.empty(shape, device=where) for _ in range(rounds)]
        sources = [on_gpu(given(rank, shape, k)) for k in range(rounds)]
        torch.cuda.synchronize(where)
        works = []
        with torch.cuda.stream(torch.cuda.Stream(where)):
            for k in range(rounds):
                load()
                xs[k].copy_(sources[k])
                works.append(dist.all_reduce(xs[k], async_op=True))
            for w in works:
                w.wait()
            seen = [x + 0 for x in xs]
        torch.cuda.synchronize(where)
        for k in range(rounds):
            must_be(seen[k], total(size, shape, k), f"round {k}")

    def groups():
        everyone = dist.new_group(list(range(size)))
        x = on_gpu(given(rank))
        dist.all_reduce(x, group=everyone)
        must_be(x, total(size), "new_group")
        dist.barrier()
        objects = [None] * size
        dist.all_gather_object(objects, {"rank": rank})
        assert objects == [{"rank": r} for r in range(size)], objects

    def training():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(16, 33), torch.nn.ReLU(), torch.nn.Linear(33, 4)).double().to(where)
        alone = copy.deepcopy(model)
        ddp = torch.nn.parallel.DistributedDataParallel(model)
        data = torch.randn(2 * size, 16, dtype=torch.float64, device=where)
        dist.broadcast(data, 0)
        for net, part in ((ddp, data[2 * rank : 2 * rank + 2]), (alone, data)):
            optimizer = torch.optim.SGD(net.parameters(), 0.1)
            for _ in range(3):
                optimizer.zero_grad()
                net(part).square().mean().backward()
                optimizer.step()
        for mine, theirs in zip(model.parameters(), alone.parameters()):
            assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12), (mine - theirs).abs().max()

    return [all_reduce, rooted, blocks, messages, order, groups, training]
