"""A backend for torch.distributed, on tensors in host memory and on GPUs:

    import torch.distributed as dist
    import monel.torch                      # registers it

    dist.init_process_group("monel")
    dist.all_reduce(x.t())                  # in place, no copy

All tensors may have any strides. Results are written in place into the tensors given,
and memory between their elements is never touched. Collectives of a process group are
carried out in the order in which they were called; messages between two ranks in one
direction likewise, beside all others.

On a GPU, a call begins when what is on the current stream has been done, ``wait`` of its
work makes the then current stream wait for the result, and neither makes the host wait,
as with PyTorch's NCCL backend. In host memory ``wait`` blocks.

Unless it is set, importing this package sets CUDA_DEVICE_MAX_CONNECTIONS to 32, for which
it should be imported before CUDA is used.

Sparse tensors, and recv from any rank, raise an error. A call is bounded by the group's
timeout and by MONEL_TIMEOUT, which is 10 minutes unless it is set: set it for groups whose
ranks may have to wait for each other longer.
"""

import os

# Calls that wait on streams take up the driver's hardware channels; with its 8, a few of them
# would keep everything else from running. It asks when CUDA is initialised.
os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")

from .group import ProcessGroupMonel, register  # noqa: E402
from .work import Work  # noqa: E402

__all__ = ["ProcessGroupMonel", "Work"]

register()
