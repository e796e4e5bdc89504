"""The errors of calls, by the ncclResult_t that they stand for."""

from __future__ import annotations


class MonelError(RuntimeError):
    """A call failed; the text says what was wrong, on which rank, and what to do."""

    result: int = 3


class CudaError(MonelError):
    """A GPU or its driver failed."""

    result = 1


class SystemError(MonelError):
    """The system refused something, or something is missing."""

    result = 2


class InternalError(MonelError):
    """The library is at fault."""

    result = 3


class InvalidArgument(MonelError, ValueError):
    """An argument that cannot be right. The communicator stays usable."""

    result = 4


class InvalidUsage(MonelError):
    """Ranks made different calls, or a call came at the wrong time."""

    result = 5


class RemoteError(MonelError):
    """Another rank died or gave up, and the text says which."""

    result = 6


class Timeout(MonelError, TimeoutError):
    """A rank did not come in time."""

    result = 8


BY_RESULT = {
    e.result: e for e in (CudaError, SystemError, InternalError, InvalidArgument, InvalidUsage, RemoteError, Timeout)
}
