"""Package monel on GPU tensors, without torch.distributed."""

import contextlib

import torch

import monel

from .common import SHAPE, TYPES, Load, device, given, layouts, must_be, must_be_clean, total


def start(rank, size):
    where = device(rank)
    comm = monel.init()
    side = torch.cuda.Stream(where)
    load = Load(where)
    rest = SHAPE[1:]

    def check(each, dtypes=TYPES, shape=SHAPE):
        """each(x, what) for all types and layouts, on a stream that is not the default one."""
        for dtype in dtypes:
            for name, x, whole in layouts(dtype, where, shape):
                side.wait_stream(torch.cuda.current_stream())  # which has filled x
                with torch.cuda.stream(side):
                    each(x, f"{name} {dtype}")
                    must_be_clean(x, whole, f"{name} {dtype}")

    def all_reduce():
        def each(x, what):
            x.copy_(given(rank))
            comm.all_reduce(x, stream=side)
            must_be(x, total(size), what)

        check(each)

    def operators():
        stack = torch.stack([given(r) for r in range(size)])
        wants = {monel.Op.MAX: stack.max(0).values, monel.Op.MIN: stack.min(0).values, monel.Op.PROD: stack.prod(0)}

        def each(x, what):
            for op, want in wants.items():
                x.copy_(given(rank))
                comm.all_reduce(x, op, stream=side)
                must_be(x, want, f"{what} {op.name}")

        check(each, [torch.float32, torch.bfloat16, torch.int32])

    def out_of_place():
        def each(y, what):
            x = given(rank).to(y.dtype).to(where).permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
            comm.all_reduce(x, out=y, stream=side)
            must_be(y, total(size), what)
            must_be(x, given(rank), what + ", the input")
            one = given(rank, (1, 1, 1, 1)).to(y.dtype).to(where).expand(SHAPE)  # a gradient of a sum
            comm.all_reduce(one, out=y, stream=side)
            must_be(y, total(size, (1, 1, 1, 1)).expand(SHAPE), what + ", expanded")

        check(each, [torch.float32, torch.bfloat16])

    def rooted():
        root = size - 1

        def each(x, what):
            x.copy_(given(rank))
            comm.broadcast(x, root, stream=side)
            must_be(x, given(root), what + " broadcast")
            x.copy_(given(rank))
            comm.reduce(x, root, stream=side)
            must_be(x, total(size) if rank == root else given(rank), what + " reduce")
            comm.scatter(given(rank, (size * SHAPE[0], *rest)).to(x.dtype).to(where), root, x, stream=side)
            must_be(x, given(root, (size * SHAPE[0], *rest))[rank * SHAPE[0] : (rank + 1) * SHAPE[0]], what + " scatter")

        check(each, [torch.float32, torch.bfloat16])

    def blocks():
        wide = (size * SHAPE[0], *rest)
        mine = slice(rank * SHAPE[0], (rank + 1) * SHAPE[0])

        def each(y, what):
            x = given(rank).to(y.dtype).to(where)
            comm.all_gather(x, y, stream=side)
            must_be(y, torch.cat([given(r) for r in range(size)]), what + " all_gather")
            all = given(rank, wide).to(y.dtype).to(where)
            comm.all_to_all(all, y, stream=side)
            must_be(y, torch.cat([given(r, wide)[mine] for r in range(size)]), what + " all_to_all")
            part = torch.empty(SHAPE[::-1], dtype=y.dtype, device=where).permute(3, 2, 1, 0)
            y.copy_(all)
            comm.reduce_scatter(y, part, stream=side)
            must_be(part, total(size, wide)[mine], what + " reduce_scatter")

        check(each, [torch.float32, torch.bfloat16], wide)

    def messages():
        def each(y, what):
            x = given(rank).to(y.dtype).to(where).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
            with monel.group():
                comm.send(x, (rank + 1) % size, stream=side)
                comm.recv(y, (rank - 1) % size, stream=side)
            must_be(y, given((rank - 1) % size), what)

        check(each, [torch.float32, torch.bfloat16])

    def order():
        """Nothing but the streams orders what writes, reduces and reads."""
        shape, rounds = (64, 96, 40), 8
        x = torch.empty(shape[::-1], dtype=torch.bfloat16, device=where).permute(2, 1, 0)
        sources = [given(rank, shape, k).bfloat16().to(where) for k in range(rounds)]
        seen = [torch.empty(shape, dtype=torch.float32, device=where) for _ in range(rounds)]
        other = Load(where, 2048)
        torch.cuda.synchronize(where)
        with torch.cuda.stream(torch.cuda.Stream(where)):
            other(60)  # beside it
        with torch.cuda.stream(side):
            for k in range(rounds):
                load()
                x.copy_(sources[k])
                comm.all_reduce(x, stream=side)
                seen[k].copy_(x)
                x.fill_(0)
        torch.cuda.synchronize(where)
        for k in range(rounds):
            must_be(seen[k], total(size, shape, k), f"round {k}")

    def default_stream():
        x = torch.empty(40, 30, 20, device=where).permute(2, 0, 1)
        for k in range(4):
            load(2)
            x.copy_(given(rank, x.shape, k))
            comm.all_reduce(x)
            y = x + 0
            must_be(y, total(size, x.shape, k), f"round {k}")

    def large():
        """Many chunks: 16 MiB, transposed."""
        shape = (1024, 4096)
        x = given(rank, shape).float().to(where).t()
        comm.all_reduce(x)
        must_be(x, total(size, shape).t())

    def disagreement():
        id = torch.zeros(128, dtype=torch.uint8)
        if rank == 0:
            id = torch.frombuffer(bytearray(monel.unique_id()), dtype=torch.uint8)
        comm.broadcast(id, 0)
        other = monel.Communicator(size, rank, bytes(id.tolist()))
        x = torch.ones(3, 5 + rank, device=where).t()
        try:
            other.all_reduce(x)
            torch.cuda.synchronize(where)  # it ends whatever happens
            other.all_reduce(torch.ones(2, device=where))
            torch.cuda.synchronize(where)
            error = other.error()
        except monel.MonelError as e:
            error = e
        assert isinstance(error, monel.InvalidUsage), f"different shapes gave {error!r}"
        must_be(x, torch.ones(x.shape).double(), "the tensor of a refused call")
        with contextlib.suppress(monel.MonelError):
            other.close()

    return [all_reduce, operators, out_of_place, rooted, blocks, messages, order, default_stream, large, disagreement]
