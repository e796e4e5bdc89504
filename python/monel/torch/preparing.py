"""Getting communicators ready for GPUs."""

from __future__ import annotations

import threading
import time
from typing import Any, Set

import torch

from ..communicator import Communicator, group

# How long a communicator that is ready waits for those that are about to be.
_PATIENCE = 2.0


def scratch(device: torch.device) -> Any:
    """A little of a GPU's memory."""
    return torch.zeros(2, dtype=torch.uint8, device=device)


def touch(comm: Communicator, device: torch.device, stream: Any) -> None:
    """Has a communicator allocate what it needs on a GPU: it sends itself a message there."""
    a, b = scratch(device), scratch(device)
    with group():
        comm.send(a, comm.rank, stream=stream)
        comm.recv(b, comm.rank, stream=stream)
    stream.synchronize()


class Preparing:
    """The communicators of a process group that are getting ready.

    One that allocates may have to wait for all streams of its GPU. If another one has a recv
    on a stream by then, and the peer's send waits for such an allocation too, both wait for
    ever. So before the first call of a communicator goes on a stream, those are ready that
    have been called by then.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Set[Any] = set()

    def begin(self, who: Any) -> None:
        """who has been called for the first time, and is not ready."""
        with self._changed:
            self._waiting.add(who)

    def end(self, who: Any) -> None:
        """who is ready, or has failed; returns when the others are, or soon."""
        until = time.monotonic() + _PATIENCE
        with self._changed:
            self._waiting.discard(who)
            self._changed.notify_all()
            while self._waiting and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
