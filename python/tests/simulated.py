"""Memory and streams of the simulated CUDA driver (cudaffi/cudasim), for tests. What it lacks
of PyTorch's CUDA, which no CPU build has, is made of it here."""

import contextlib
import ctypes
import os
import threading

import numpy as np
import torch

import monel.torch

NON_BLOCKING = 1


class Driver:
    """The driver's functions by name; they raise what they return."""

    def __init__(self):
        self.lib = ctypes.CDLL(os.environ["MONEL_CUDA_LIBRARY"])
        self("cuInit", 0)
        self.contexts = []

    def __call__(self, name, *args):
        result = getattr(self.lib, name)(*args)
        if result != 0:
            raise RuntimeError(f"{name} returned {result}")

    def use(self, device):
        """Makes a device current on this thread, as a program has it."""
        while len(self.contexts) <= device:
            context = ctypes.c_void_p()
            self("cuDevicePrimaryCtxRetain", ctypes.byref(context), len(self.contexts))
            self.contexts.append(context)
        self("cuCtxSetCurrent", self.contexts[device])

    def faults(self):
        """What the driver found to be misused."""
        text = ctypes.create_string_buffer(4096)
        self.lib.monel_sim_faults(text, ctypes.c_uint64(len(text) - 1))
        return text.value.decode()


driver = Driver()


class Stream:
    def __init__(self, device=0, **_):
        self.device = device.index if hasattr(device, "index") else device
        driver.use(self.device)
        stream = ctypes.c_void_p()
        driver("cuStreamCreate", ctypes.byref(stream), NON_BLOCKING)
        self.cuda_stream = stream.value

    def __del__(self):
        # A device has 32 channels. Streams beyond that would wait for each other's work.
        # This runs whenever Python collects garbage, on any thread and amid anything.
        with contextlib.suppress(Exception):
            before = ctypes.c_void_p()
            driver("cuCtxGetCurrent", ctypes.byref(before))
            driver.use(self.device)
            driver("cuStreamDestroy_v2", self.handle)
            driver("cuCtxSetCurrent", before)

    @property
    def handle(self):
        return ctypes.c_void_p(self.cuda_stream)

    def synchronize(self):
        driver.use(self.device)
        driver("cuStreamSynchronize", self.handle)

    def wait_event(self, event):
        driver.use(self.device)
        driver("cuStreamWaitEvent", self.handle, event.event, 0)


class Event:
    def __init__(self):
        self.event, self.device = None, 0

    def record(self, stream):
        self.device = stream.device
        driver.use(self.device)
        if self.event is None:
            self.event = ctypes.c_void_p()
            driver("cuEventCreate", ctypes.byref(self.event), 0)
        driver("cuEventRecord", self.event, stream.handle)

    def query(self):
        driver.use(self.device)
        result = driver.lib.cuEventQuery(self.event)
        if result not in (0, 600):  # done, or not ready
            raise RuntimeError(f"cuEventQuery returned {result}")
        return result == 0

    def synchronize(self):
        driver.use(self.device)
        driver("cuEventSynchronize", self.event)


class Memory:
    """Memory of a device, with what a view of it needs: as many elements as an array has."""

    def __init__(self, device, like):
        self.device, self.nbytes = device, like.nbytes
        driver.use(device)
        at = ctypes.c_uint64()
        driver("cuMemAlloc_v2", ctypes.byref(at), ctypes.c_size_t(like.nbytes))
        self.at = at.value

    def put(self, array, stream):
        """Fills it on a stream. The array must live until that has been done."""
        driver.use(self.device)
        driver("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(self.at), array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(self.nbytes), stream.handle)

    def fetch(self, array, stream):
        """Copies it to an array on a stream."""
        driver.use(self.device)
        driver("cuMemcpyDtoHAsync_v2", array.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(self.at), ctypes.c_size_t(self.nbytes), stream.handle)


class Array:
    """A view of such memory, which lies in it as a NumPy view lies in its base; with as much
    of a tensor as the process group asks."""

    layout = torch.strided

    def __init__(self, memory, view, base):
        self.memory, self.shape, self.dtype = memory, view.shape, getattr(torch, view.dtype.name)
        self.device = torch.device("cuda", memory.device)
        self.borrowed = []  # by which streams
        self.__cuda_array_interface__ = {
            "shape": view.shape, "typestr": view.dtype.str, "strides": view.strides, "version": 3,
            "data": (memory.at + view.ctypes.data - base.ctypes.data, False),
        }  # fmt: skip

    def numel(self):
        return int(np.prod(self.shape))

    def detach(self):
        return self

    def is_complex(self):
        return False

    def record_stream(self, stream):
        self.borrowed.append(stream)


_current = threading.local()


def current_stream(device=None):
    return _current.stream


@contextlib.contextmanager
def on(stream):
    """Makes a stream the current one, as torch.cuda.stream does."""
    before = getattr(_current, "stream", None)
    _current.stream = stream
    try:
        yield
    finally:
        _current.stream = before


def replace_cuda():
    """Puts all that in the place of PyTorch's, for as long as the process lives."""
    torch.cuda.Event, torch.cuda.Stream = Event, Stream
    torch.cuda.current_stream, torch.cuda.stream = current_stream, on
    torch.cuda.device = lambda device: contextlib.nullcontext()
    two = np.zeros(2, np.uint8)
    monel.torch.preparing.scratch = lambda device: Array(Memory(device.index, two), two, two)
