"""A backend for torch.distributed, on tensors in host memory:

    import torch.distributed as dist
    import monel.torch                      # registers it

    dist.init_process_group("monel")
    dist.all_reduce(x.t())                  # in place, no copy

All tensors may have any strides. Results are written in place into the tensors given,
and memory between their elements is never touched. Collectives of a process group are
carried out in the order in which they were called, by a thread of its own; messages
between two ranks in one direction likewise, beside all others.

Tested with PyTorch 1.13. Tensors on GPUs, sparse ones, and recv from any rank raise an
error. MONEL_TIMEOUT bounds every call, whatever the group's timeout.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

import torch
import torch.distributed as dist
from torch._C import _distributed_c10d as c10d

from .communicator import Communicator, Op, group, unique_id
from .errors import MonelError, Timeout

_OPS = [
    (dist.ReduceOp.SUM, Op.SUM),
    (dist.ReduceOp.PRODUCT, Op.PROD),
    (dist.ReduceOp.MAX, Op.MAX),
    (dist.ReduceOp.MIN, Op.MIN),
    (dist.ReduceOp.AVG, Op.AVG),
]


# What the operators are for truth, which is communicated as bytes of 0 and 1.
_TRUTH = {Op.SUM: Op.MAX, Op.PROD: Op.MIN, Op.MAX: Op.MAX, Op.MIN: Op.MIN}


def _op(options: Any, *tensors: torch.Tensor) -> Op:
    wanted = dist.ReduceOp.SUM if options is None else options.reduceOp
    for theirs, ours in _OPS:
        if wanted != theirs:
            continue
        if not any(t.dtype == torch.bool for t in tensors):
            return ours
        if ours in _TRUTH:
            return _TRUTH[ours]
        raise ValueError(f"monel: {wanted} has no meaning for torch.bool")
    raise ValueError(f"monel: {wanted} is not supported; use SUM, PRODUCT, MAX, MIN or AVG")


def _host(t: torch.Tensor) -> torch.Tensor:
    """t as the library takes it: without a gradient, truth as bytes."""
    if t.is_sparse or t.device.type != "cpu":
        raise ValueError(f"monel: a tensor on {t.device} ({t.layout}); give dense ones in host memory")
    t = t.detach()
    return t.view(torch.uint8) if t.dtype == torch.bool else t


def _only(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(tensors) != 1:
        raise ValueError(f"monel: {len(tensors)} tensors; each process gives one")
    return _host(tensors[0])


class _Worker:
    """A thread that carries out calls in their order, on a communicator made at the first."""

    def __init__(self, connect: Callable[[], Communicator]) -> None:
        self._connect = connect
        self._comm: Optional[Communicator] = None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "monel")
        # PyTorch's C++ holds on to a Work only, and not to what Python has made of it: the
        # object must be kept for as long as it may ask.
        self._going: Set[Work] = set()
        self._ended: Deque[Work] = collections.deque(maxlen=64)

    def start(self, body: Callable[[Communicator], None], tensors: Any) -> "Work":
        def run() -> None:
            if self._comm is None:
                self._comm = self._connect()
            body(self._comm)

        future = self._thread.submit(run)
        work = Work(future, tensors)
        self._going.add(work)

        def done(_: Any) -> None:
            self._ended.append(work)
            self._going.discard(work)

        future.add_done_callback(done)
        return work

    def close(self) -> None:
        self._thread.shutdown()
        if self._comm is not None:
            with contextlib.suppress(MonelError):  # it has failed before, and said so
                self._comm.close()


def _close(calls: _Worker, messages: Dict[Tuple[int, int], _Worker]) -> None:
    """Closes all, in the order that all ranks have: closing one waits for its other ranks."""
    calls.close()
    for pair in sorted(messages):
        messages[pair].close()


class Work(c10d.Work):
    """A call in progress."""

    def __init__(self, future: "concurrent.futures.Future[None]", tensors: Any) -> None:
        super().__init__()
        self._future, self._tensors = future, tensors

    def wait(self, timeout: Any = None) -> bool:
        """Waits for the result, and raises what the call failed with."""
        seconds = timeout.total_seconds() if hasattr(timeout, "total_seconds") else timeout
        self._future.result(seconds or None)
        return True

    def is_completed(self) -> bool:
        return self._future.done()

    def is_success(self) -> bool:
        return self._future.done() and self._future.exception() is None

    def exception(self) -> Optional[BaseException]:
        return self._future.exception() if self._future.done() else None

    def result(self) -> Any:
        return self._tensors

    def get_future(self) -> Any:
        future: Any = torch.futures.Future()

        def done(f: Any) -> None:
            error = f.exception()
            if error is None:
                future.set_result(self._tensors)
            else:
                future.set_exception(error)

        self._future.add_done_callback(done)
        return future


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


class ProcessGroupMonel(dist.ProcessGroup):
    """The process group. torch.distributed makes it."""

    def __init__(self, store: Any, rank: int, size: int, timeout: Any = None) -> None:
        super().__init__(rank, size)
        self._store, self._rank, self._size = store, rank, size
        patience = timeout.total_seconds() if timeout is not None else 1800.0
        # Nothing below refers to self, which would keep it alive until the program ends.
        self._meet = functools.partial(_meet, store, patience)
        self._lock = threading.Lock()
        self._calls = _Worker(functools.partial(self._meet, "all", size, rank, rank == 0))
        self._messages: Dict[Tuple[int, int], _Worker] = {}
        self._calls.start(lambda comm: None, None).wait()  # ranks meet now, or fail now
        weakref.finalize(self, _close, self._calls, self._messages)

    def _pair(self, source: int, target: int) -> _Worker:
        """The messages from one rank to another, which have a communicator of their own."""
        with self._lock:
            worker = self._messages.get((source, target))
            if worker is None:
                sends = self._rank == source
                name = f"{source}-{target}"
                worker = _Worker(functools.partial(self._meet, name, 2, 0 if sends else 1, sends))
                self._messages[source, target] = worker
            return worker

    def name(self) -> str:
        return "monel"

    def getBackendName(self) -> str:  # as newer versions call it
        return "monel"

    def allreduce(self, tensors: List[torch.Tensor], opts: Any = None) -> Work:
        x, op = _only(tensors), _op(opts, *tensors)
        return self._calls.start(lambda comm: comm.all_reduce(x, op), tensors)

    def allreduce_coalesced(self, tensors: List[torch.Tensor], opts: Any = None) -> Work:
        all, op = [_host(t) for t in tensors], _op(opts, *tensors)

        def body(comm: Communicator) -> None:
            with group():
                for x in all:
                    comm.all_reduce(x, op)

        return self._calls.start(body, tensors)

    def broadcast(self, tensors: List[torch.Tensor], opts: Any) -> Work:
        x, root = _only(tensors), opts.rootRank
        return self._calls.start(lambda comm: comm.broadcast(x, root), tensors)

    def reduce(self, tensors: List[torch.Tensor], opts: Any) -> Work:
        x, op, root = _only(tensors), _op(opts, *tensors), opts.rootRank
        return self._calls.start(lambda comm: comm.reduce(x, root, op), tensors)

    def barrier(self, opts: Any = None) -> Work:
        return self._calls.start(lambda comm: comm.barrier(), [])

    def _exchange(self, sends: Sequence[Tuple[torch.Tensor, int]], recvs: Sequence[Tuple[torch.Tensor, int]], result: Any) -> Work:
        """Messages side by side: what a list of tensors comes to, each as it lies."""
        out = [(_host(t), peer) for t, peer in sends if t.numel() > 0]
        into = [(_host(t), peer) for t, peer in recvs if t.numel() > 0]

        def body(comm: Communicator) -> None:
            with group():
                for t, peer in out:
                    comm.send(t, peer)
                for t, peer in into:
                    comm.recv(t, peer)

        return self._calls.start(body, result)

    def allgather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        x = _only(inputs)
        return self._exchange([(x, r) for r in range(self._size)], list(zip(outputs[0], range(self._size))), outputs)

    def _allgather_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> Work:
        y, x = _host(output), _host(input)
        return self._calls.start(lambda comm: comm.all_gather(x, y), output)

    def gather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any) -> Work:
        recvs = list(zip(outputs[0], range(self._size))) if self._rank == opts.rootRank else []
        return self._exchange([(_only(inputs), opts.rootRank)], recvs, outputs)

    def scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any) -> Work:
        sends = list(zip(inputs[0], range(self._size))) if self._rank == opts.rootRank else []
        return self._exchange(sends, [(_only(outputs), opts.rootRank)], outputs)

    def reduce_scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any = None) -> Work:
        y, op, parts = _only(outputs), _op(opts, *outputs), [_host(t) for t in inputs[0]]

        def body(comm: Communicator) -> None:
            with group():
                for root, x in enumerate(parts):
                    comm.reduce(x, root, op, out=y)

        return self._calls.start(body, outputs)

    def _reduce_scatter_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> Work:
        y, x, op = _host(output), _host(input), _op(opts, output)
        return self._calls.start(lambda comm: comm.reduce_scatter(x, y, op), output)

    def alltoall(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        ranks = range(self._size)
        return self._exchange(list(zip(inputs, ranks)), list(zip(outputs, ranks)), outputs)

    def alltoall_base(
        self, output: torch.Tensor, input: torch.Tensor, output_sizes: List[int], input_sizes: List[int], opts: Any = None
    ) -> Work:
        if not output_sizes and not input_sizes and input.shape[0] % self._size == 0:
            y, x = _host(output), _host(input)
            return self._calls.start(lambda comm: comm.all_to_all(x, y), output)
        parts = [list(t.split(sizes or t.shape[0] // self._size)) for t, sizes in ((output, output_sizes), (input, input_sizes))]
        return self.alltoall(parts[0], parts[1])

    def send(self, tensors: List[torch.Tensor], target: int, tag: int = 0) -> Work:
        x = _only(tensors)
        return self._pair(self._rank, target).start(lambda comm: comm.send(x, 1), tensors)

    def recv(self, tensors: List[torch.Tensor], source: int, tag: int = 0) -> Work:
        x = _only(tensors)
        return self._pair(source, self._rank).start(lambda comm: comm.recv(x, 0), tensors)

    def recv_anysource(self, tensors: List[torch.Tensor], tag: int = 0) -> Work:
        raise NotImplementedError("monel: recv needs the rank that sends")


if not hasattr(dist.Backend, "MONEL"):
    dist.Backend.register_backend("monel", ProcessGroupMonel)
