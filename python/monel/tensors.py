"""What tensors of other packages are in memory."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

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
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _from_torch(x, torch)
    interface = getattr(x, "__cuda_array_interface__", None) or getattr(x, "__array_interface__", None)
    # DLPack has names for more types; interfaces say where an array is read-only.
    if hasattr(x, "__dlpack__") and (interface is None or interface["typestr"][1:] not in _NAMED):
        return _from_dlpack(x, writable)
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


_TORCH: Dict[Any, int] = {}
# PyTorch's names for ncclDataType_t; older versions lack some.
_TORCH_NAMES = {
    "int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5,
    "float16": 6, "float32": 7, "float64": 8, "bfloat16": 9, "float8_e4m3fn": 10, "float8_e5m2": 11,
}  # fmt: skip


def _from_torch(x: Any, torch: Any) -> Described:
    """PyTorch's own tensors, which say more of themselves than any interface: some stand for
    the negative or the conjugate of what is in memory."""
    if not _TORCH:
        _TORCH.update({getattr(torch, name): n for name, n in _TORCH_NAMES.items() if hasattr(torch, name)})
    dtype = _TORCH.get(x.dtype)
    if dtype is None:
        raise TypeError(f"elements of type {x.dtype} cannot be communicated")
    if x.layout != torch.strided:
        raise TypeError(f"a tensor of layout {x.layout} cannot be communicated; give a dense one")
    if x.device.type not in ("cpu", "cuda"):
        raise TypeError(f"memory of device {x.device} cannot be communicated")
    if x.is_neg() or x.is_conj():
        raise ValueError(
            "the tensor is a view that negates or conjugates what is in memory; "
            "give resolve_neg() or resolve_conj() of it"
        )
    return _make(x.data_ptr() if x.numel() else 0, dtype, x.shape, x.stride(), x)


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


class _DLVersioned(ctypes.Structure):
    """DLManagedTensorVersioned, of DLPack 1."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    ]


_READ_ONLY, _COPIED = 1, 2
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int


def _capsule(x: Any) -> Any:
    """x as DLPack has it, in version 1 if x knows that."""
    # -1: do not make any stream wait; the order of streams is the caller's, as in NCCL.
    stream = {"stream": -1} if x.__dlpack_device__()[0] in (_CUDA, _CUDA_MANAGED) else {}
    try:
        return x.__dlpack__(max_version=(1, 0), **stream)
    except TypeError:  # x is of before DLPack 1
        return x.__dlpack__(**stream)


def _from_dlpack(x: Any, writable: bool) -> Described:
    capsule = _capsule(x)
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = _DLVersioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise TypeError(f"DLPack of version {managed.major}.{managed.minor} is not known; give 1.x")
        # Before version 1 nothing says whether a tensor may be written; it is the caller's word.
        if writable and managed.flags & (_READ_ONLY | _COPIED):
            raise ValueError("the array is read-only, or was copied, and the result would be written to it")
        t = managed.tensor
    else:
        t = _DLTensor.from_address(_pointer(capsule, b"dltensor"))
    if t.device_type not in (_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED):
        raise TypeError(f"memory of DLPack's device type {t.device_type} cannot be communicated")
    dtype = _DLPACK.get((t.code, t.bits))
    if dtype is None or t.lanes != 1:
        raise TypeError(f"elements of DLPack's type {t.code} with {t.bits} bits cannot be communicated")
    strides = t.strides[: t.ndim] if t.strides else None
    return _make((t.data or 0) + t.byte_offset, dtype, t.shape[: t.ndim], strides, (x, capsule))
