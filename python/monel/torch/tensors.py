"""What torch.distributed's arguments are for a communicator."""

from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence

import torch
import torch.distributed as dist

from ..communicator import Op

_OPS = [
    (dist.ReduceOp.SUM, Op.SUM),
    (dist.ReduceOp.PRODUCT, Op.PROD),
    (dist.ReduceOp.MAX, Op.MAX),
    (dist.ReduceOp.MIN, Op.MIN),
    (dist.ReduceOp.AVG, Op.AVG),
]

# What the operators are for truth, which is communicated as bytes of 0 and 1.
_TRUTH = {Op.SUM: Op.MAX, Op.PROD: Op.MIN, Op.MAX: Op.MAX, Op.MIN: Op.MIN}


def operator(options: Any, *tensors: torch.Tensor) -> Op:
    """The operator of a call's options, as it is for the elements that are communicated."""
    wanted = dist.ReduceOp.SUM if options is None else options.reduceOp
    for theirs, ours in _OPS:
        if wanted != theirs:
            continue
        if any(t.is_complex() for t in tensors) and ours not in (Op.SUM, Op.AVG):
            raise ValueError(f"monel: {wanted} has no meaning for complex numbers; use SUM or AVG")
        if not any(t.dtype == torch.bool for t in tensors):
            return ours
        if ours in _TRUTH:
            return _TRUTH[ours]
        raise ValueError(f"monel: {wanted} has no meaning for torch.bool")
    raise ValueError(f"monel: {wanted} is not supported; use SUM, PRODUCT, MAX, MIN or AVG")


def dense(t: torch.Tensor) -> torch.Tensor:
    """t as the library takes it: without a gradient, truth as bytes, complex numbers as
    their two parts."""
    if t.layout != torch.strided or t.device.type not in ("cpu", "cuda"):
        raise ValueError(f"monel: a tensor on {t.device} ({t.layout}); give dense ones in host memory or on a GPU")
    t = t.detach()
    if t.is_complex() and not t.is_conj():  # one that is conjugated is refused with the call
        return torch.view_as_real(t)
    return t.view(torch.uint8) if t.dtype == torch.bool else t


def only(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The one tensor that a process gives."""
    if len(tensors) != 1:
        raise ValueError(f"monel: {len(tensors)} tensors; each process gives one")
    return dense(tensors[0])


def device_of(tensors: Iterable[torch.Tensor]) -> Optional[torch.device]:
    """The GPU that tensors are on, None for host memory."""
    devices = {t.device for t in tensors}
    if len(devices) > 1:
        raise ValueError(f"monel: tensors of one call on {' and '.join(sorted(map(str, devices)))}; give all on one device")
    device = devices.pop() if devices else None
    return device if device is not None and device.type == "cuda" else None
