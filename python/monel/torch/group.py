"""The process group of the backend."""

from __future__ import annotations

import functools
import inspect
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch
import torch.distributed as dist

from ..communicator import Communicator, group, unique_id
from ..errors import Timeout
from .preparing import Preparing
from .queue import Queue
from .tensors import dense, only, operator
from .work import Work, Works

# Messages of each tag have a communicator of their own.
_MOST_TAGS = 64

_Part = Tuple[torch.Tensor, int]


def _meet(store: Any, patience: float, name: str, size: int, rank: int, leads: bool) -> Communicator:
    """Joins the communicator of a name, whose id one rank puts into the store."""
    key = f"monel/{name}"
    if leads:
        store.set(key, unique_id().hex())
        store.add(key + "/there", 1)
    # A store serves one call at a time: to wait in get would keep other threads from set.
    until = time.monotonic() + patience
    while store.add(key + "/there", 0) == 0:
        if time.monotonic() > until:
            raise Timeout(f"monel: the other rank of {key} has not called within {patience:g} s")
        time.sleep(0.001)
    return Communicator(size, rank, bytes.fromhex(store.get(key).decode()))


def _close(calls: Queue, messages: Dict[Tuple[int, int, int], Queue]) -> None:
    """Closes all, in the order that all ranks have: closing one waits for its other ranks."""
    calls.close()
    for key in sorted(messages):
        messages[key].close()


class ProcessGroupMonel(dist.ProcessGroup):
    """The process group. torch.distributed makes it, and calls it.

    Functions have the names and arguments of PyTorch's own process groups. They return a
    Work at once, raise ValueError for arguments that cannot be right, and leave the tensors
    to the call until its work has been waited for.
    """

    supports_splitting = False
    supports_coalescing = False

    def __init__(self, store: Any, rank: int, size: int, timeout: Any = None) -> None:
        super().__init__(rank, size)
        self._rank, self._size = rank, size
        patience = timeout.total_seconds() if timeout is not None else 1800.0
        # Nothing below refers to self, which would keep it alive until the program ends.
        self._patience, self._preparing = patience, Preparing()
        self._meet = functools.partial(_meet, store, patience)
        self._lock = threading.Lock()
        self._calls = Queue(functools.partial(self._meet, "all", size, rank, rank == 0), patience, self._preparing)
        self._messages: Dict[Tuple[int, int, int], Queue] = {}
        self._group_name, self._group_desc = "", "undefined"
        self._together: Optional[List[Work]] = None
        self._calls.start(lambda comm, stream: None, [], None).wait()  # ranks meet now, or fail now
        self._end = weakref.finalize(self, _close, self._calls, self._messages)

    def name(self) -> str:
        return "monel"

    def getBackendName(self) -> str:  # as newer versions call it
        return "monel"

    # PyTorch 2 asks for a group's name here or, from C++, there.
    def _set_group_name(self, name: str) -> None:
        self._group_name = name

    def _set_group_desc(self, text: str) -> None:
        self._group_desc = text

    setGroupName, setGroupDesc = _set_group_name, _set_group_desc

    def getGroupName(self) -> str:
        return self._group_name

    def getGroupDesc(self) -> str:
        return self._group_desc

    group_name = property(getGroupName)
    group_desc = property(getGroupDesc)

    def _get_backend(self, device: Any) -> "ProcessGroupMonel":
        return self  # for all devices

    @property
    def _device_types(self) -> List[torch.device]:
        return [torch.device(name) for name in (["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])]

    def shutdown(self) -> None:
        """Waits for all calls and leaves; a second time does nothing."""
        self._end()

    def abort(self) -> None:
        """Ends what is in progress, on all ranks."""
        for queue in (self._calls, *self._messages.values()):
            queue.abort()

    def _start(self, queue: Queue, body: Callable[..., Any], tensors: Sequence[torch.Tensor], result: Any) -> Work:
        work = queue.start(body, list(tensors), result)
        if self._together is not None:
            self._together.append(work)
        return work

    def _start_coalescing(self, device: Any = None) -> None:
        self._together = []

    def _end_coalescing(self, device: Any = None) -> Works:
        works, self._together = self._together or [], None
        return Works(works)

    # Collectives.

    def _each(self, bodies: Sequence[Callable[..., Any]], tensors: Sequence[torch.Tensor], result: Any) -> Work:
        """Several calls as a group."""

        def body(comm: Communicator, stream: Optional[int]) -> None:
            with group():
                for b in bodies:
                    b(comm, stream)

        return self._start(self._calls, body, tensors, result)

    def allreduce(self, tensors: List[torch.Tensor], opts: Any = None) -> Work:
        x, op = only(tensors), operator(opts, *tensors)
        return self._start(self._calls, lambda comm, s: comm.all_reduce(x, op, stream=s), [x], tensors)

    def allreduce_coalesced(self, tensors: List[torch.Tensor], opts: Any = None) -> Work:
        xs, op = [dense(t) for t in tensors], operator(opts, *tensors)
        return self._each([lambda comm, s, x=x: comm.all_reduce(x, op, stream=s) for x in xs], xs, tensors)

    def broadcast(self, tensors: List[torch.Tensor], opts: Any) -> Work:
        x, root = only(tensors), opts.rootRank
        return self._start(self._calls, lambda comm, s: comm.broadcast(x, root, stream=s), [x], tensors)

    def reduce(self, tensors: List[torch.Tensor], opts: Any) -> Work:
        x, op, root = only(tensors), operator(opts, *tensors), opts.rootRank
        return self._start(self._calls, lambda comm, s: comm.reduce(x, root, op, stream=s), [x], tensors)

    def barrier(self, opts: Any = None) -> Work:
        """Waits for all ranks, once this one's earlier work on GPUs that the group has met is done."""
        settle = self._calls.settle()

        def body(comm: Communicator, stream: Optional[int]) -> None:
            settle()
            comm.barrier()

        return self._start(self._calls, body, [], [])

    def _exchange(self, sends: Sequence[_Part], recvs: Sequence[_Part], result: Any) -> Work:
        """Messages side by side: what a list of tensors comes to, each as it lies."""
        out = [(dense(t), peer) for t, peer in sends if t.numel() > 0]
        into = [(dense(t), peer) for t, peer in recvs if t.numel() > 0]
        bodies: List[Callable[..., Any]] = [lambda comm, s, t=t, p=p: comm.send(t, p, stream=s) for t, p in out]
        bodies += [lambda comm, s, t=t, p=p: comm.recv(t, p, stream=s) for t, p in into]
        return self._each(bodies, [t for t, _ in out + into], result)

    def _ranked(self, tensors: Sequence[torch.Tensor]) -> List[_Part]:
        """A tensor for each rank."""
        if len(tensors) != self._size:
            raise ValueError(f"monel: {len(tensors)} tensors for {self._size} ranks")
        return list(zip(tensors, range(self._size)))

    def allgather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        x = only(inputs)
        return self._exchange([(x, r) for r in range(self._size)], self._ranked(outputs[0]), outputs)

    def allgather_coalesced(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        sends = [(x, r) for x in inputs for r in range(self._size)]
        recvs = [(y, r) for r, row in enumerate(outputs) for y in row]  # a list for each rank
        return self._exchange(sends, recvs, outputs)

    def _allgather_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> Work:
        return self.allgather_into_tensor_coalesced([output], [input], result=output)

    def allgather_into_tensor_coalesced(
        self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None, result: Any = None
    ) -> Work:
        pairs = [(dense(y), dense(x)) for y, x in zip(outputs, inputs)]
        bodies = [lambda comm, s, y=y, x=x: comm.all_gather(x, y, stream=s) for y, x in pairs]
        return self._each(bodies, [t for pair in pairs for t in pair], outputs if result is None else result)

    def gather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any) -> Work:
        recvs = self._ranked(outputs[0]) if self._rank == opts.rootRank else []
        return self._exchange([(only(inputs), opts.rootRank)], recvs, outputs)

    def scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any) -> Work:
        sends = self._ranked(inputs[0]) if self._rank == opts.rootRank else []
        return self._exchange(sends, [(only(outputs), opts.rootRank)], outputs)

    def reduce_scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any = None) -> Work:
        y, op, parts = only(outputs), operator(opts, *outputs), [(dense(t), r) for t, r in self._ranked(inputs[0])]
        bodies = [lambda comm, s, x=x, root=root: comm.reduce(x, root, op, out=y, stream=s) for x, root in parts]
        return self._each(bodies, [y, *(x for x, _ in parts)], outputs)

    def _reduce_scatter_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> Work:
        return self.reduce_scatter_tensor_coalesced([output], [input], opts, result=output)

    def reduce_scatter_tensor_coalesced(
        self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None, result: Any = None
    ) -> Work:
        op, pairs = operator(opts, *outputs), [(dense(y), dense(x)) for y, x in zip(outputs, inputs)]
        bodies = [lambda comm, s, y=y, x=x: comm.reduce_scatter(x, y, op, stream=s) for y, x in pairs]
        return self._each(bodies, [t for pair in pairs for t in pair], outputs if result is None else result)

    def alltoall(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        return self._exchange(self._ranked(inputs), self._ranked(outputs), outputs)

    def alltoall_base(
        self, output: torch.Tensor, input: torch.Tensor, output_sizes: List[int], input_sizes: List[int], opts: Any = None
    ) -> Work:
        if not output_sizes and not input_sizes and input.shape[0] % self._size == 0:
            y, x = dense(output), dense(input)
            return self._start(self._calls, lambda comm, s: comm.all_to_all(x, y, stream=s), [y, x], output)
        sides = ((output, output_sizes), (input, input_sizes))
        into, out = (list(t.split(list(sizes) or t.shape[0] // self._size)) for t, sizes in sides)
        return self._exchange(self._ranked(out), self._ranked(into), output)

    # Messages.

    def _pair(self, source: int, target: int, tag: int) -> Queue:
        """The messages from one rank to another with a tag, which have a communicator of their
        own, so that the two directions, and messages with other tags, never wait for them."""
        with self._lock:
            key = (source, target, tag)
            queue = self._messages.get(key)
            if queue is None:
                if sum(k[:2] == key[:2] for k in self._messages) >= _MOST_TAGS:
                    raise ValueError(f"monel: more than {_MOST_TAGS} tags from rank {source} to rank {target}")
                sends = self._rank == source
                name = f"{source}-{target}-{tag}"
                connect = functools.partial(self._meet, name, 2, 0 if sends else 1, sends)
                queue = Queue(connect, self._patience, self._preparing)
                self._messages[key] = queue
            return queue

    def send(self, tensors: List[torch.Tensor], target: int, tag: int = 0) -> Work:
        x = only(tensors)
        queue = self._pair(self._rank, target, tag)
        return self._start(queue, lambda comm, s: comm.send(x, 1, stream=s), [x], tensors)

    def recv(self, tensors: List[torch.Tensor], source: int, tag: int = 0) -> Work:
        x = only(tensors)
        queue = self._pair(source, self._rank, tag)
        return self._start(queue, lambda comm, s: comm.recv(x, 0, stream=s), [x], tensors)

    def recv_anysource(self, tensors: List[torch.Tensor], tag: int = 0) -> Work:
        raise NotImplementedError("monel: recv needs the rank that sends")


def register() -> None:
    """Makes "monel" a backend of torch.distributed."""
    if hasattr(dist.Backend, "MONEL"):
        return
    known = inspect.signature(dist.Backend.register_backend).parameters
    more = {"devices": ["cpu", "cuda"]} if "devices" in known else {}
    dist.Backend.register_backend("monel", ProcessGroupMonel, **more)
