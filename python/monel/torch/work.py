"""Calls in progress."""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, Optional, Sequence

import torch
from torch._C import _distributed_c10d as c10d

from ..errors import MonelError, Timeout
from .place import Place


class Work(c10d.Work):
    """A call in progress. What it failed with is raised by ``wait``.

    On a GPU, a call that a rank's death ends while it is on the stream is known to have
    failed when ``is_completed``; then ``exception`` and ``is_success`` say so, and ``wait``
    and every later call raise it.
    """

    def __init__(
        self, future: "Future[None]", tensors: Any, place: Optional[Place], patience: float, abort: Callable[[], None]
    ) -> None:
        super().__init__()
        self._future, self._tensors, self._place = future, tensors, place
        self._until, self._patience, self._abort = time.monotonic() + patience, patience, abort

    def wait(self, timeout: Any = None) -> bool:
        """Waits for the result, and raises what the call failed with.

        On a GPU, makes the current stream wait and returns at once; with a timeout, in
        seconds or as a timedelta, the host waits for that long at most. If the group's own
        timeout has passed since the call, the group is aborted.
        """
        seconds = timeout.total_seconds() if hasattr(timeout, "total_seconds") else timeout
        until = time.monotonic() + seconds if seconds else None
        try:
            left = max(0.0, self._until - time.monotonic())
            self._future.result(min(seconds, left) if seconds else left)
        except FutureTimeout:
            if self._future.done():  # what the call itself has failed with
                raise
            if until is not None and until < self._until:
                raise Timeout(f"monel: no result within {seconds:g} s; the call goes on") from None
            self._abort()
            raise Timeout(f"monel: timed out: no result within the group's timeout of {self._patience:g} s") from None
        if self._place is not None:
            if until is not None:
                self._finish(until, seconds)
            error = self._place.error()
            if error is not None:
                raise error
            self._place.follow()
        return True

    def _finish(self, until: float, seconds: float) -> None:
        while not self._place.done():
            if time.monotonic() > until:
                raise Timeout(f"monel: no result within {seconds:g} s; the call goes on")
            time.sleep(0.0001)

    def synchronize(self) -> None:
        """``wait`` without a timeout."""
        self.wait()

    def is_completed(self) -> bool:
        """Whether the call has ended, well or not."""
        if not self._future.done() or self._future.exception() is not None:
            return self._future.done()
        return self._place is None or self._place.done()

    def is_success(self) -> bool:
        """Whether the call has ended well."""
        return self.is_completed() and self.exception() is None

    def exception(self) -> Optional[BaseException]:
        """What the call has failed with, None as long as it has not."""
        if not self._future.done():
            return None
        error: Optional[BaseException] = self._future.exception()
        if error is None and self._place is not None and self._place.done():
            error = self._place.error()
        return error

    def result(self) -> Any:
        """The tensors that the call was given for its result."""
        return self._tensors

    def get_future(self) -> Any:
        """A torch.futures.Future of ``result``."""
        place = self._place
        future: Any = torch.futures.Future() if place is None else torch.futures.Future(devices=[place.device])

        def done(f: "Future[None]") -> None:
            error = f.exception()
            if error is not None:
                future.set_exception(error)
            elif place is None:
                future.set_result(self._tensors)
            else:
                with place.current():  # whoever waits for it waits for the stream that has the result
                    future.set_result(self._tensors)

        self._future.add_done_callback(done)
        return future


class Works(c10d.Work):
    """Several calls as one."""

    def __init__(self, works: Sequence[Work]) -> None:
        super().__init__()
        self._works = list(works)

    def wait(self, timeout: Any = None) -> bool:
        """Waits for all, each for so long, and raises what the first of them failed with."""
        for work in self._works:
            work.wait(timeout)
        return True

    def synchronize(self) -> None:
        """``wait`` without a timeout."""
        self.wait()

    def is_completed(self) -> bool:
        """Whether all have ended."""
        return all(w.is_completed() for w in self._works)

    def is_success(self) -> bool:
        """Whether all have ended well."""
        return all(w.is_success() for w in self._works)

    def exception(self) -> Optional[BaseException]:
        """What the first of them has failed with."""
        return next((e for e in (w.exception() for w in self._works) if e is not None), None)

    def result(self) -> Any:
        """The tensors that the calls were given for their results."""
        return [w.result() for w in self._works]
