"""What tensors of other packages are in memory."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Sequence, Tuple

from .library import Tensor

# ncclDataType_t by kind and bytes, as __array_interface__ names types.
_NAMED = {"i1": 0, "u1": 1, "i4": 2, "u4": 3, "i8": 4, "u8": 5, "f2": 6, "f4": 7, "f8": 8}
# The same by DLPack's code (int, uint, float, bfloat, fp8 e4m3fn, fp8 e5m2) and bits.
_DLPACK = {
    (0, 8): 0, (1, 8): 1, (0, 32): 2, (1, 32): 3, (0, 64): 4, (1, 64): 5,
    (2, 16): 6, (2, 32): 7, (2, 64): 8, (4, 16): 9, (10, 8): 10, (12, 8): 11,
}  # fmt: skip
_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED = 1, 2, 3, 13


class Described(NamedTuple):
    """A tensor for the library. It is valid while this object is kept."""

    tensor: Tensor
    shape: Tuple[int, ...]
    keep: Any


def describe(x: Any, writable: bool = False) -> Described:
    """Describes x, whose memory stays where it is.

    Raises TypeError if x is no tensor that is understood, and ValueError if it may not be
    written though it has to be.
    """
    if getattr(x, "requires_grad", False) and hasattr(x, "detach"):
        x = x.detach()
    try:
        interface = getattr(x, "__cuda_array_interface__", None) or getattr(x, "__array_interface__", None)
    except KeyError:  # PyTorch 1.13 has no name there for its bfloat16
        interface = None
    if hasattr(x, "__dlpack__") and (interface is None or interface["typestr"][1:] not in _NAMED):
        return _from_dlpack(x)
    if interface is not None:
        return _from_interface(x, interface, writable)
    raise TypeError(
        f"{type(x).__name__} has none of __array_interface__, __cuda_array_interface__ and __dlpack__; "
        "give an array of NumPy, PyTorch, CuPy or JAX"
    )


def _make(data: int, dtype: int, shape: Sequence[int], strides: Optional[Sequence[int]], keep: Any) -> Described:
    n = len(shape)
    sizes = (ctypes.c_int64 * max(n, 1))(*shape)
    steps = None if strides is None else (ctypes.c_int64 * max(n, 1))(*strides)
    tensor = Tensor(data or None, dtype, n, sizes, steps)
    return Described(tensor, tuple(shape), (keep, sizes, steps))


def _from_interface(x: Any, interface: dict, writable: bool) -> Described:
    order, name = interface["typestr"][0], interface["typestr"][1:]
    if name not in _NAMED or order == ">":
        raise TypeError(f"elements of type {interface['typestr']} cannot be communicated")
    address, read_only = interface["data"]
    if writable and read_only:
        raise ValueError("the array is read-only, and the result would be written to it")
    if writable and "__ref" in interface:
        raise ValueError("a NumPy scalar cannot be written; give an array of no dimensions")
    size = int(name[1:])
    strides = interface.get("strides")
    if strides is not None:
        if any(s % size for s in strides):
            raise ValueError(f"strides of {strides} bytes are no multiples of the {size} bytes of an element")
        strides = [s // size for s in strides]
    return _make(address, _NAMED[name], interface["shape"], strides, (x, interface))


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p


def _from_dlpack(x: Any) -> Described:
    # -1: do not make any stream wait; the order of streams is the caller's, as in NCCL.
    on_gpu = x.__dlpack_device__()[0] == _CUDA
    capsule = x.__dlpack__(stream=-1) if on_gpu else x.__dlpack__()
    t = _DLTensor.from_address(_pointer(capsule, b"dltensor"))
    if t.device_type not in (_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED):
        raise TypeError(f"memory of DLPack's device type {t.device_type} cannot be communicated")
    dtype = _DLPACK.get((t.code, t.bits))
    if dtype is None or t.lanes != 1:
        raise TypeError(f"elements of DLPack's type {t.code} with {t.bits} bits cannot be communicated")
    strides = t.strides[: t.ndim] if t.strides else None
    return _make((t.data or 0) + t.byte_offset, dtype, t.shape[: t.ndim], strides, (x, capsule))
