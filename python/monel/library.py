"""The shared library, loaded when it is first needed."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, List, Optional

from .errors import BY_RESULT, InternalError, MonelError


class UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * 128)]


class Tensor(ctypes.Structure):
    """monelTensor_t."""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int),
        ("ndim", c_int),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
    ]


_T, _C, _S = POINTER(Tensor), c_void_p, c_void_p
_FUNCTIONS = {
    "ncclGetUniqueId": [POINTER(UniqueId)],
    "ncclCommInitRank": [POINTER(_C), c_int, UniqueId, c_int],
    "ncclCommInitAll": [POINTER(_C), c_int, POINTER(c_int)],
    "ncclCommDestroy": [_C],
    "ncclCommAbort": [_C],
    "ncclCommCount": [_C, POINTER(c_int)],
    "ncclCommGetAsyncError": [_C, POINTER(c_int)],
    "ncclCommUserRank": [_C, POINTER(c_int)],
    "ncclGroupStart": [],
    "ncclGroupEnd": [],
    "monelCommInitEnv": [POINTER(_C)],
    "monelAllReduceStrided": [_T, _T, c_int, _C, _S],
    "monelBroadcastStrided": [_T, _T, c_int, _C, _S],
    "monelReduceStrided": [_T, _T, c_int, c_int, _C, _S],
    "monelAllGatherStrided": [_T, _T, _C, _S],
    "monelReduceScatterStrided": [_T, _T, c_int, _C, _S],
    "monelAlltoAllStrided": [_T, _T, _C, _S],
    "monelGatherStrided": [_T, _T, c_int, _C, _S],
    "monelScatterStrided": [_T, _T, c_int, _C, _S],
    "monelSendStrided": [_T, c_int, _C, _S],
    "monelRecvStrided": [_T, c_int, _C, _S],
}


def _places() -> List[str]:
    named = os.environ.get("MONEL_LIBNCCL")
    if named:
        return [named]
    here = Path(__file__).resolve()
    beside = [here.parent / "libnccl.so.2", here.parents[2] / "build" / "libnccl.so.2"]
    return [str(p) for p in beside if p.exists()] + ["libnccl.so.2"]


@functools.lru_cache(maxsize=None)
def library() -> ctypes.CDLL:
    """The library: MONEL_LIBNCCL, or the one beside the package, or the system's."""
    reasons = []
    for place in _places():
        try:
            lib = ctypes.CDLL(place)
            for name, arguments in _FUNCTIONS.items():
                function = getattr(lib, name)
                function.argtypes, function.restype = arguments, c_int
        except (OSError, AttributeError) as e:  # NVIDIA's library lacks our functions
            reasons.append(f"{place}: {e}")
            continue
        lib.ncclGetLastError.argtypes, lib.ncclGetLastError.restype = [_C], c_char_p
        lib.ncclGetErrorString.argtypes, lib.ncclGetErrorString.restype = [c_int], c_char_p
        return lib
    raise ImportError(
        "Monel's libnccl.so.2 was not found; build it with `make libnccl` and set MONEL_LIBNCCL to it: "
        + "; ".join(reasons)
    )


def call(name: str, *args: Any) -> None:
    """Calls a function of the library and raises what it returns."""
    lib = library()
    result = getattr(lib, name)(*args)
    if result != 0:
        text = lib.ncclGetLastError(None) or lib.ncclGetErrorString(result)
        raise BY_RESULT.get(result, InternalError)(f"{name}: {text.decode(errors='replace')}")


def ask(name: str, comm: c_void_p) -> int:
    """Gets a number of a communicator."""
    answer = c_int()
    call(name, comm, byref(answer))
    return answer.value


def failure(comm: c_void_p) -> Optional[MonelError]:
    """What has made a communicator fail, or None."""
    result = ask("ncclCommGetAsyncError", comm)
    if result in (0, 7):  # ncclInProgress: it has not met its ranks yet
        return None
    lib = library()
    text = lib.ncclGetLastError(comm) or lib.ncclGetErrorString(result)
    return BY_RESULT.get(result, InternalError)(text.decode(errors="replace"))
