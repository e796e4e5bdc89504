"""Where calls on a GPU's tensors take place."""

from __future__ import annotations

from typing import Any, Callable, ContextManager, Iterable, Optional

import torch

from ..errors import MonelError


class Place:
    """A call's place between streams: behind what the caller's current stream has, on a
    stream of the process group, and before what is told to follow."""

    def __init__(self, device: torch.device, stream: Any, tensors: Iterable[torch.Tensor]) -> None:
        """Takes the place behind the current stream. The tensors are the stream's, too,
        until it has been through with them."""
        self.device, self.stream = device, stream
        self._ready, self._done = torch.cuda.Event(), torch.cuda.Event()
        self._ready.record(torch.cuda.current_stream(device))
        self._error: Callable[[], Optional[MonelError]] = lambda: None
        for t in tensors:
            t.record_stream(stream)

    def carry(self, body: Callable[[int], None], error: Callable[[], Optional[MonelError]]) -> None:
        """Puts a body's calls on the stream whose address it is given. error tells how their
        communicator fares."""
        self._error = error
        self.stream.wait_event(self._ready)
        try:
            body(self.stream.cuda_stream)
        finally:
            self._done.record(self.stream)

    def follow(self) -> None:
        """Makes the current stream wait for the result."""
        torch.cuda.current_stream(self.device).wait_event(self._done)

    def done(self) -> bool:
        """Whether the stream is past the call, once that is on the stream."""
        return self._done.query()

    def current(self) -> ContextManager[Any]:
        """Within it the current stream is the one with the result."""
        return torch.cuda.stream(self.stream)

    def error(self) -> Optional[MonelError]:
        """What the call's communicator has failed with."""
        return self._error()
