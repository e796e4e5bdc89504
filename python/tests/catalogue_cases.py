"""The catalogue of failures that people have met with strided tensors, and with ranks that
disagree or die: each case as in its report, on its shapes, with nothing made contiguous.

A case is a function of a door (see catalogue.py), which communicates NumPy's arrays or what
PyTorch makes of the same memory. It returns nothing if all is right, or a text where an error
is what is wanted; it raises Wrong for wrong numbers, and what the door raises otherwise.
"""

import os
import signal
import socket
import threading
import time

import numpy as np

POISON = 77


class Wrong(Exception):
    """A result is wrong."""


class Placed:
    """A view of memory whose other elements must not be written."""

    def __init__(self, stored, of, dtype=np.float32):
        self.memory = np.full(stored, POISON, dtype)
        self.x = of(self.memory)

    def put(self, values):
        self.x[...] = values
        return self.x

    def must_be(self, want, what):
        bad = int((self.x != want).sum())
        if bad:
            raise Wrong(f"{what}: {bad} of {self.x.size} elements are wrong")
        self.x[...] = POISON
        if (self.memory != POISON).any():
            raise Wrong(f"{what}: memory between the elements was written")


def values(rank, shape):
    """A rank's numbers, without a pattern that a wrong order could share with the right one."""
    return np.random.default_rng(rank).integers(1, 9, shape)


def reduced(d, p, what="all_reduce"):
    p.put(values(d.rank, p.x.shape))
    d.all_reduce(p.x)
    p.must_be(sum(values(r, p.x.shape) for r in range(d.size)), what)


def broadcast(d, p, root, what="broadcast"):
    p.put(values(d.rank, p.x.shape))
    d.broadcast(p.x, root)
    p.must_be(values(root, p.x.shape), what)


def latents(m):
    return m.transpose(0, 3, 1, 2)


def column(m):
    return m[:, 1]


CASES = []


def case(report, line, size=2):
    """Registers a case: where it is from, the line of code that failed, how many ranks."""

    def add(body):
        CASES.append((report, line, size, body))
        return body

    return add


# Classifier-free guidance split over two ranks: each holds a partial noise prediction whose
# latents were permuted; the sum is taken, then rank 0's conditional noise is broadcast.
@case("SGLang PR 24332", "all_reduce(partial)")
def guidance_sum(d):
    reduced(d, Placed((1, 128, 128, 16), latents, np.float16))


@case("SGLang PR 24332", "broadcast(cond_noise, src=0)")
def guidance_broadcast(d):
    broadcast(d, Placed((1, 128, 128, 16), latents, np.float16), 0)


@case("Megatron-LM #5337", "all_reduce(x); return x")
def returned(d):
    reduced(d, Placed((8, 2, 512), lambda m: m.transpose(1, 0, 2)))


@case("PyTorch #192920", "broadcast(m[:, 1], src=1)", 3)
def column_broadcast(d):
    broadcast(d, Placed((4, 3), column), 1)
    broadcast(d, Placed((1000, 7), column, np.int64), 2)


@case("PyTorch #192920", "reduce(m[:, 1], dst=1)", 3)
def column_reduce(d):
    p = Placed((1000, 7), column)
    p.put(values(d.rank, 1000))
    d.reduce(p.x, 1)
    if d.rank == 1:  # elsewhere Gloo uses the tensor for its own ends, as it may
        p.must_be(sum(values(r, 1000) for r in range(d.size)), "reduce")


@case("PyTorch #192920", "scatter(m[:, 1], parts, src=2)", 3)
def column_scatter(d):
    p = Placed((4, 3), column)
    whole = Placed((d.size, 4, 3), lambda m: m[:, :, 1])
    whole.put(values(9, (d.size, 4)))
    d.scatter(p.x, whole.x, 2)
    p.must_be(values(9, (d.size, 4))[d.rank], "scatter")


@case("PyTorch #159548, #62283, #128066", "all_reduce(x.t()), all_reduce(x[:, ::2])")
def strided_sum(d):
    reduced(d, Placed((300, 200), np.transpose))
    reduced(d, Placed((64, 64), lambda m: m[:, ::2]))


@case("PyTorch #159548, #62283, #128066", "all_gather(outs, x.t())")
def strided_gather(d):
    p = Placed((300, 200), np.transpose)
    out = Placed((d.size, 200, 300), lambda m: m)
    d.all_gather(out.x, p.put(values(d.rank, (200, 300))))
    out.must_be(np.stack([values(r, (200, 300)) for r in range(d.size)]), "all_gather")


@case("PyTorch #159548, #62283, #128066", "reduce_scatter(y.t(), x[:, ::2])")
def strided_scatter(d):
    p = Placed((64, 64), lambda m: m[:, ::2], np.float64)
    y = Placed((32, 32), np.transpose, np.float64)
    d.reduce_scatter(y.x, p.put(values(d.rank, (64, 32))))
    first = 32 * d.rank
    y.must_be(sum(values(r, (64, 32)) for r in range(d.size))[first : first + 32], "reduce_scatter")


@case("PyTorch #159548, #62283, #128066", "send(x.t()), recv(y[::2])")
def strided_message(d):
    if d.rank == 0:
        d.send(Placed((300, 200), np.transpose).put(values(0, (200, 300))), 1)
    else:
        y = Placed((400, 300), lambda m: m[::2])
        d.recv(y.x, 0)
        y.must_be(values(0, (200, 300)), "recv")


def weight(d):
    """channels_last on some ranks."""
    if d.rank % 2 == 0:
        return Placed((64, 3, 7, 7), lambda m: m)
    return Placed((64, 7, 7, 3), latents)


@case("PyTorch PR 163712", "all_reduce(weight), channels_last on some ranks", 4)
def mixed_sum(d):
    reduced(d, weight(d))


@case("PyTorch PR 163712", "broadcast(weight, src=1), channels_last on some ranks", 4)
def mixed_broadcast(d):
    broadcast(d, weight(d), 1)


@case("PyTorch #73515, #75773", "all_gather(outs, grad), grad expanded")
def expanded_gather(d):
    out = Placed((d.size, 32, 17), lambda m: m)
    d.all_gather(out.x, np.lib.stride_tricks.as_strided(np.full(1, d.rank + 1, np.float32), (32, 17), (0, 0)))
    out.must_be(np.arange(1, d.size + 1).reshape(-1, 1, 1), "all_gather")


@case("PyTorch #73515, #75773", "reduce_scatter(y, grad), grad expanded")
def expanded_scatter(d):
    y = Placed((16, 17), lambda m: m)
    d.reduce_scatter(y.x, np.lib.stride_tricks.as_strided(np.full(1, d.rank + 1, np.float32), (32, 17), (0, 0)))
    y.must_be(3, "reduce_scatter")


@case("xDiT #450, vLLM-Omni PR 2367", "all_gather(outs, batch[:, 2:4]), batch and guidance")
def sliced_batch(d):
    half = Placed((4, 77, 64), lambda m: m.transpose(1, 0, 2)[:, 2:4], np.float16)
    both = Placed((4, 2, 77, 64), lambda m: m.transpose(1, 2, 0, 3)[:, :, 1:3], np.float16)
    d.all_gather(both.x, half.put(values(d.rank, (77, 2, 64))))
    both.must_be(np.stack([values(r, (77, 2, 64)) for r in range(d.size)]), "all_gather")


def disagreement(d, shape, dtype):
    p = Placed(shape[::-1], np.transpose, dtype)
    p.put(values(d.rank, shape))
    try:
        d.all_reduce(p.x)
    except Exception as e:
        p.must_be(values(d.rank, shape), "the tensor of a refused call")
        return f"{type(e).__name__}, tensors untouched"
    raise Wrong("ranks that disagree got numbers")


@case("NCCL #1417, #1394", "all_reduce(x), shapes differ", 3)
def shapes(d):
    return disagreement(d, (100, 99 if d.rank == 1 else 100), np.float32)


@case("PyTorch #150433", "all_reduce(x), dtypes differ", 3)
def types(d):
    return disagreement(d, (100, 100), np.int32 if d.rank == 1 else np.float32)


@case("NCCL #585, #863, #1013", "all_reduce(x), and a rank dies", 3)
def death(d):
    reduced(d, Placed((30, 20), np.transpose))
    if d.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    x = Placed((3000, 200), np.transpose).put(1)
    try:
        for _ in range(1000):
            d.all_reduce(x)
    except Exception as e:
        return f"{type(e).__name__}{', which names the rank' if 'rank 1' in str(e) else ''}"
    raise Wrong("nobody noticed that a rank is dead")


def listening():
    """The TCP ports on which processes of this network listen."""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name) as table:
            for line in list(table)[1:]:
                words = line.split()
                if words[3] == "0A":
                    yield int(words[1].rpartition(":")[2], 16)


@case("NCCL #1612, #1871", "init and all_reduce(x) under a port scanner", 3)
def scanner(d):
    reduced(d, Placed((33, 9), lambda m: m))  # contiguous: it is the ports that matter


def scan(known, stop):
    """Connects to every port that begins to listen, and says what scanners say."""
    held = []
    while not stop.is_set():
        for port in set(listening()) - known:
            for greeting in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4096):
                try:
                    s = socket.create_connection(("127.0.0.1", port), 0.2)
                    s.setblocking(False)
                    s.send(greeting)
                    held.append(s)
                except OSError:
                    pass
        time.sleep(0.003)
        for s in held[:-60]:
            s.close()
        del held[:-60]


class Scanner:
    """The port scanner, while the block lasts."""

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=scan, args=(set(listening()), self.stop))
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
