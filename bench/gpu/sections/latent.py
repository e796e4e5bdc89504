"""Classifier-free guidance on two GPUs: a permuted latent in bfloat16 is reduced and
broadcast. Monel does so in place; NCCL's backend refuses it, so there it is made
contiguous, communicated, and copied back."""

import os
import time

import torch
import torch.distributed as dist

from .common import device, given, must_be, total

SHAPE = (1, 16, 21, 60, 104)
CALLS = 20


def start(rank, size):
    where = device(rank)
    backend = os.environ["LATENT_BACKEND"]
    if backend == "monel":
        import monel.torch  # noqa: F401  (registers it)
    dist.init_process_group(backend)
    in_place = backend == "monel"
    n, c, f, h, w = SHAPE
    x = torch.empty((n, f, h, w, c), dtype=torch.bfloat16, device=where).permute(0, 4, 1, 2, 3)
    mine = given(rank, SHAPE).bfloat16().to(where)

    def call(collective):
        y = x if in_place else x.contiguous()
        collective(y)
        if y is not x:
            x.copy_(y)

    collectives = {"all_reduce": dist.all_reduce, "broadcast": lambda y: dist.broadcast(y, 0)}

    def right():
        x.copy_(mine)
        call(collectives["all_reduce"])
        must_be(x, total(size, SHAPE), "all_reduce")
        x.copy_(mine)
        call(collectives["broadcast"])
        must_be(x, given(0, SHAPE), "broadcast")

    def timed(name):
        def run():
            for calls in (3, CALLS):
                x.fill_(0)
                dist.barrier()
                torch.cuda.synchronize(where)
                began = time.perf_counter()
                for _ in range(calls):
                    call(collectives[name])
                torch.cuda.synchronize(where)
                each = (time.perf_counter() - began) / calls
            return {"us": each * 1e6, "bytes": x.numel() * x.element_size()}

        run.__name__ = name
        return run

    return [right, timed("all_reduce"), timed("broadcast")]
