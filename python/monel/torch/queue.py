"""Calls that are carried out one after the other."""

from __future__ import annotations

import collections
import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Dict, List, Optional, Set

import torch

from ..communicator import Communicator
from ..errors import MonelError, RemoteError
from .place import Place
from .preparing import Preparing, touch
from .tensors import device_of
from .work import Work

# PyTorch's C++ of before 2.7 holds on to a Work only, and not to what Python has made of it.
_FORGETS = tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 7)

# A call on a communicator, on the stream of an address if it is on a GPU.
Body = Callable[[Communicator, Optional[int]], Any]


class Queue:
    """A communicator, made at the first call, and a thread that makes the calls in their order."""

    def __init__(self, connect: Callable[[], Communicator], patience: float, preparing: Preparing) -> None:
        """patience is how many seconds a call may take. preparing is the process group's."""
        self._connect, self._patience, self._preparing = connect, patience, preparing
        self._comm: Optional[Communicator] = None
        self._aborted: Optional[MonelError] = None
        self._thread = ThreadPoolExecutor(1, "monel")
        self._lock = threading.Lock()
        self._streams: Dict[torch.device, Any] = {}
        # Where PyTorch forgets the object, it must be kept for as long as it may ask.
        self._going: Set[Work] = set()
        self._ended: Deque[Work] = collections.deque(maxlen=64)

    def start(self, body: Body, tensors: List[torch.Tensor], result: Any) -> Work:
        """Has a body carried out on tensors, all of them on one device. result is what its
        work gives out. Raises what can be seen of the arguments alone."""
        device = device_of(tensors)
        with self._lock:
            first = device is not None and device not in self._streams
            place = None if device is None else Place(device, self._stream(device), tensors)
            future: "Future[None]" = Future()
            work = Work(future, result, place, self._patience, self.abort)
            # What goes on a stream only has to be put there, which no thread is needed for,
            # unless earlier calls are still on their way.
            here = place is not None and self._comm is not None and not self._going and not first
            self._going.add(work)
            future.add_done_callback(lambda _: self._end(work))
            if here:
                self._carry(future, body, place)
                return work
            if first:
                self._preparing.begin(work)
            self._thread.submit(self._carry, future, body, place, work if first else None)
        return work

    def _carry(self, future: "Future[None]", body: Body, place: Optional[Place], first: Optional[Work] = None) -> None:
        """Makes a call. first is its work if none was on the GPU before."""
        try:
            try:
                if self._comm is None:
                    self._comm = self._connect()
                comm = self._comm
                if first is not None:
                    with torch.cuda.device(place.device):
                        touch(comm, place.device, place.stream)
            finally:
                if first is not None:
                    self._preparing.end(first)
            if place is None:
                body(comm, None)
            else:
                with torch.cuda.device(place.device):
                    place.carry(lambda stream: body(comm, stream), self._error)
        except BaseException as e:  # the future's to tell
            future.set_exception(e)
        else:
            future.set_result(None)

    def _end(self, work: Work) -> None:
        if _FORGETS:
            self._ended.append(work)
        self._going.discard(work)

    def _error(self) -> Optional[MonelError]:
        if self._aborted is not None:
            return self._aborted
        with contextlib.suppress(MonelError):  # it has been closed since
            return None if self._comm is None else self._comm.error()
        return None

    def _stream(self, device: torch.device) -> Any:
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)
        return self._streams[device]

    def settle(self) -> Callable[[], None]:
        """What waits for all that is on the streams now: those of the calls, and the callers'
        current ones on the same devices."""
        events = []
        for device, stream in list(self._streams.items()):
            for s in (torch.cuda.current_stream(device), stream):
                event = torch.cuda.Event()
                event.record(s)
                events.append(event)
        return lambda: [event.synchronize() for event in events] and None

    def abort(self) -> None:
        """Ends the communicator on all ranks; calls in progress fail."""
        if self._comm is not None:
            # Streams go on after what was on its way there, and its works have to say so.
            self._aborted = self._error() or RemoteError("the process group was aborted")
            with contextlib.suppress(MonelError):
                self._comm.abort()

    def close(self) -> None:
        """Waits for the calls, and leaves the communicator."""
        self._thread.shutdown()
        if self._comm is not None:
            with contextlib.suppress(MonelError):  # it has failed before, and said so
                self._comm.close()
