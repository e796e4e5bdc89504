"""Communicators and their collectives."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import threading
from ctypes import byref, c_void_p
from typing import Any, Iterator, List, Optional

from .errors import InvalidUsage, MonelError
from .library import Tensor, UniqueId, ask, call, failure
from .tensors import Described, describe


class Op(enum.IntEnum):
    """How elements are combined."""

    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    AVG = 4


class _Groups(threading.local):
    """What a thread's group refers to until it ends: tensors, and communicators."""

    def __init__(self) -> None:
        self.depth = 0
        self.borrowed: List[Any] = []


_groups = _Groups()


@contextlib.contextmanager
def group() -> Iterator[None]:
    """Calls within the block are carried out together when it ends: messages side by
    side, then collectives in their order. Results are there after the block, or on their
    streams. A call that is refused raises at once, and the block's end raises again. If the
    block is left by an exception, its calls are carried out all the same, because other
    ranks count on them."""
    call("ncclGroupStart")
    _groups.depth += 1
    try:
        yield
    finally:
        _groups.depth -= 1
        try:
            call("ncclGroupEnd")
        finally:
            if _groups.depth == 0:
                _groups.borrowed.clear()


def unique_id() -> bytes:
    """The id of a new communicator, to be handed to all its ranks. It holds a secret by
    which they know each other. This process must live until all have joined."""
    id = UniqueId()
    call("ncclGetUniqueId", byref(id))
    return bytes(id)


def init() -> "Communicator":
    """The communicator of this process as torchrun, Open MPI, MPICH or Slurm describe it,
    or the variables MONEL_RANK, MONEL_SIZE, MONEL_ROOT and MONEL_SECRET. It returns when all
    ranks have joined."""
    handle = c_void_p()
    call("monelCommInitEnv", byref(handle))
    return Communicator._of(handle)


def local(size: int) -> "List[Communicator]":
    """A communicator whose ranks are in this process, each for a thread of its own."""
    handles = (c_void_p * size)()
    call("ncclCommInitAll", handles, size, None)
    return [Communicator._of(c_void_p(h)) for h in handles]


def address_of(stream: Any) -> Optional[int]:
    """The address of a CUDA stream: a number, PyTorch's or CuPy's object, or anything with
    ``__cuda_stream__``. None is the default stream."""
    if stream is None or isinstance(stream, int):
        return stream or None
    for name in ("cuda_stream", "ptr"):
        if isinstance(getattr(stream, name, None), int):
            return getattr(stream, name) or None
    if hasattr(stream, "__cuda_stream__"):
        return stream.__cuda_stream__()[1] or None
    raise TypeError(f"{type(stream).__name__} is no CUDA stream; give its address, or PyTorch's or CuPy's object")


class Communicator:
    """One rank's handle on a fixed set of ranks that make the same calls in the same order.

    Calls block until the result is there. Tensors on a GPU take their place on a CUDA
    stream instead, as with NCCL: the call begins when what is on the stream has been done,
    and what is put there later waits for it. ``stream`` is the stream's address, or
    PyTorch's or CuPy's object; without it, it is the device's default stream, not PyTorch's
    current one. The tensors must live until the stream is done with them. What fails there
    later is what ``error`` returns, and what the next call raises.

    One thread at a time may make calls on a communicator; ``abort`` and ``error`` may come
    from any.

    Without ``out`` the result is written to the tensor given. All collectives return what
    they wrote. Shapes of all_reduce and broadcast are the same on all ranks; elsewhere
    elements are counted in row-major order, and a tensor that holds a block of every rank
    has ``size`` times as many. Errors are those of ``monel.MonelError``; TypeError and
    ValueError are for tensors that cannot be understood.
    """

    def __init__(self, size: int, rank: int, id: bytes) -> None:
        """Joins the communicator of an id of ``unique_id``. Returns when all have joined."""
        if len(id) != ctypes.sizeof(UniqueId):
            raise ValueError(f"an id of {len(id)} bytes; give one that unique_id returned")
        self._handle: Optional[c_void_p] = None
        handle = c_void_p()
        call("ncclCommInitRank", byref(handle), size, UniqueId.from_buffer_copy(id), rank)
        self._handle = handle

    @classmethod
    def _of(cls, handle: c_void_p) -> "Communicator":
        c = cls.__new__(cls)
        c._handle = handle
        return c

    @property
    def rank(self) -> int:
        """This rank's number."""
        return ask("ncclCommUserRank", self._open())

    @property
    def size(self) -> int:
        """The number of ranks."""
        return ask("ncclCommCount", self._open())

    def error(self) -> Optional[MonelError]:
        """Why the communicator can no longer be used: a rank has died, say, while a stream
        had a call to carry out. None while it can."""
        return failure(self._open())

    def close(self) -> None:
        """Leaves the communicator; waits for the other ranks to do so, for ten seconds at most.
        Closing a closed one does nothing. In a group that has calls on it, InvalidUsage."""
        if any(b is self for b in _groups.borrowed):
            raise InvalidUsage("the communicator has calls in a group that has not ended; close it after the group")
        if self._handle is not None:
            handle, self._handle = self._handle, None
            call("ncclCommDestroy", handle)

    def abort(self) -> None:
        """Ends the communicator at once; calls in progress on all ranks raise RemoteError."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            call("ncclCommAbort", handle)

    def __enter__(self) -> "Communicator":
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        """Closes; after an error, aborts, so that no rank waits for this one."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def all_reduce(self, x: Any, op: Op = Op.SUM, out: Any = None, stream: Any = None) -> Any:
        """Combines x of all ranks, for all."""
        out = x if out is None else out
        self._call("monelAllReduceStrided", x, out, int(op), stream=stream)
        return out

    def broadcast(self, x: Any, root: int, out: Any = None, stream: Any = None) -> Any:
        """Copies the root's x to all: into out, or into their x."""
        out = x if out is None else out
        self._call("monelBroadcastStrided", x if self.rank == root else None, out, root, stream=stream)
        return out

    def reduce(self, x: Any, root: int, op: Op = Op.SUM, out: Any = None, stream: Any = None) -> Any:
        """Combines x of all ranks, for the root: into its out, or into its x."""
        out = x if out is None else out
        here = self.rank == root
        self._call("monelReduceStrided", x, out if here else None, int(op), root, stream=stream)
        return out if here else None

    def all_gather(self, x: Any, out: Any, stream: Any = None) -> Any:
        """Gives all ranks the x of all, in the order of ranks."""
        self._call("monelAllGatherStrided", x, out, stream=stream)
        return out

    def reduce_scatter(self, x: Any, out: Any, op: Op = Op.SUM, stream: Any = None) -> Any:
        """Combines x of all ranks, and gives each its block."""
        self._call("monelReduceScatterStrided", x, out, int(op), stream=stream)
        return out

    def all_to_all(self, x: Any, out: Any, stream: Any = None) -> Any:
        """Sends block r of x to rank r, which is out's block of the sender there."""
        self._call("monelAlltoAllStrided", x, out, stream=stream)
        return out

    def gather(self, x: Any, root: int, out: Any = None, stream: Any = None) -> Any:
        """Gives the root the x of all ranks; out matters there only."""
        self._call("monelGatherStrided", x, out if self.rank == root else None, root, stream=stream)
        return out

    def scatter(self, x: Any, root: int, out: Any, stream: Any = None) -> Any:
        """Gives each rank its block of the root's x, which matters there only."""
        self._call("monelScatterStrided", x if self.rank == root else None, out, root, stream=stream)
        return out

    def send(self, x: Any, peer: int, stream: Any = None) -> None:
        """Sends x to a peer, which calls recv."""
        self._message("monelSendStrided", x, False, peer, stream)

    def recv(self, out: Any, peer: int, stream: Any = None) -> Any:
        """Receives what a peer sends."""
        self._message("monelRecvStrided", out, True, peer, stream)
        return out

    def barrier(self) -> None:
        """Returns when all ranks have called it; in a group, which has to end first, when that
        does. It knows of no stream."""
        token, shape = ctypes.c_int8(0), (ctypes.c_int64 * 1)(1)
        t = Tensor(ctypes.addressof(token), 0, 1, shape, None)
        self._borrow(Described(t, (1,), (token, shape)))
        call("monelAllReduceStrided", byref(t), byref(t), int(Op.MAX), self._open(), None)

    def _open(self) -> c_void_p:
        if self._handle is None:
            raise InvalidUsage("the communicator has been closed")
        return self._handle

    def _call(self, name: str, x: Any, out: Any, *args: int, stream: Any) -> None:
        to = None if out is None else describe(out, writable=True)
        # What is read and written at the same place is described once.
        of = to if x is out else None if x is None else describe(x)
        self._borrow(of, to)
        pointers = [None if d is None else byref(d.tensor) for d in (of, to)]
        call(name, *pointers, *args, self._open(), address_of(stream))

    def _message(self, name: str, x: Any, writable: bool, peer: int, stream: Any) -> None:
        d = describe(x, writable)
        self._borrow(d)
        call(name, byref(d.tensor), peer, self._open(), address_of(stream))

    def _borrow(self, *described: Any) -> None:
        """Keeps what a group's calls refer to until it ends."""
        if _groups.depth > 0:
            _groups.borrowed.append(self)
            _groups.borrowed.extend(described)
