"""Collective communication for tensors as they lie in memory.

    import monel, numpy as np

    with monel.init() as comm:            # as torchrun, mpirun or srun say
        x = np.ones((3, 4), np.float32).T
        comm.all_reduce(x)                # in place, in x's own layout

Tensors are anything with ``__array_interface__``, ``__cuda_array_interface__`` or
``__dlpack__`` (NumPy, PyTorch, CuPy, JAX), of any strides, different ones on every rank.
Nothing is copied to make them contiguous, and memory between a view's elements is never
written. Ranks that disagree, or die, make the others' calls raise an error that says who.

``monel.torch`` has a backend for ``torch.distributed``. The library that does the work is
libnccl.so.2 of Monel (``make libnccl``); MONEL_LIBNCCL says where it is.
"""

from .communicator import Communicator, Op, group, init, local, unique_id
from .errors import (
    CudaError,
    InternalError,
    InvalidArgument,
    InvalidUsage,
    MonelError,
    RemoteError,
    SystemError,
    Timeout,
)

__all__ = [
    "Communicator",
    "CudaError",
    "InternalError",
    "InvalidArgument",
    "InvalidUsage",
    "MonelError",
    "Op",
    "RemoteError",
    "SystemError",
    "Timeout",
    "group",
    "init",
    "local",
    "unique_id",
]
