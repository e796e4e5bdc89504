"""Times PyTorch making a view contiguous, on one core or on a GPU.

It says "hello VERSION" and then answers each line of its input,

    pack CASE DTYPE CALLS

with "ok CONTIGUOUS COPY": seconds per call of x.contiguous(), which allocates
its result every time, and of out.copy_(x) into memory that is already there.
CASE is the name of a view below, or cuda:SHAPE:STRIDES for one on the GPU, with
commas between the numbers. What it cannot do it answers with "error WHY". Between lines it blocks in a read
and burns no CPU.
"""

import sys
import time

import torch

DTYPES = {"float": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64, "int8": torch.int8}
NCHW = (4, 64, 128, 128)


def view(case, dtype):
    """The tensor to pack, and the memory format to pack it to."""
    # Values are made in float32: not every version draws half on a CPU.
    if case == "transpose":
        return torch.randn(4096, 4096).to(dtype).T, torch.contiguous_format
    if case == "nhwc_to_nchw":
        x = torch.randn(NCHW).to(dtype)
        return x.contiguous(memory_format=torch.channels_last), torch.contiguous_format
    if case == "nchw_to_nhwc":
        return torch.randn(NCHW).to(dtype), torch.channels_last
    if case.startswith("cuda:"):
        shape, strides = (tuple(map(int, n.split(","))) for n in case.split(":")[1:])
        x = torch.empty_strided(shape, strides, dtype=dtype, device="cuda")
        x.copy_(torch.randint(0, 100, shape, dtype=torch.int8, device="cuda"))
        return x, torch.contiguous_format
    raise ValueError(f"no case {case}")


class Pack:
    """A view that is packed again and again."""

    def __init__(self, case, dtype):
        self.x, self.format = view(case, DTYPES[dtype])
        self.out = torch.empty_like(self.x, memory_format=self.format)
        # contiguous() of what already is so would return at once, and the first
        # copy into new memory pays for its pages.
        if self.x.is_contiguous(memory_format=self.format):
            raise ValueError(f"{case} is contiguous already")
        self.copy()
        packed = self.contiguous()
        for y in (self.out, packed):
            if not (y.is_contiguous(memory_format=self.format) and torch.equal(y, self.x)):
                raise ValueError(f"{case} was packed wrongly")

    def contiguous(self):
        return self.x.contiguous(memory_format=self.format)

    def copy(self):
        self.out.copy_(self.x)


def per_call(f, calls, on_gpu):
    if on_gpu:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            f()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / calls
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    print("hello", torch.__version__, flush=True)
    key, pack = None, None
    # Not "for line in sys.stdin", which reads ahead in some versions.
    while line := sys.stdin.readline():
        try:
            verb, case, dtype, calls = line.split()
            if verb != "pack" or dtype not in DTYPES or int(calls) < 1:
                raise ValueError(f"not a job: {line.strip()}")
            if key != (case, dtype):
                # One case is kept, the one that is being measured.
                key, pack = None, None
                if case.startswith("cuda:"):
                    torch.cuda.empty_cache()
                pack = Pack(case, dtype)
                key = (case, dtype)
            calls = int(calls)
            times = (per_call(f, calls, pack.x.is_cuda) for f in (pack.contiguous, pack.copy))
            print("ok", *(f"{t:.9e}" for t in times), flush=True)
        except Exception as e:
            print("error", " ".join(str(e).split()), flush=True)


main()
