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

Sparse tensors, and recv from any rank, raise an error. A call is bounded by the group's
timeout and by MONEL_TIMEOUT, which is 10 minutes unless it is set: set it for groups whose
ranks may have to wait for each other longer.
"""

from .group import ProcessGroupMonel, register
from .work import Work

__all__ = ["ProcessGroupMonel", "Work"]

register()
