"""One rank of a contender that is torch.distributed, with its Gloo backend on
tensors in host memory or with NCCL on a GPU's; ranks take the GPUs in turns. A
tensor that is not contiguous is copied to a contiguous one, reduced and copied
back, which is what a program has to do there. The first argument is the backend;
see ../internal/peers for the protocol that its driver speaks.
"""

import os
import socket
import sys
import time

os.environ["GLOO_SOCKET_IFNAME"] = "lo"

import torch
import torch.distributed as dist

DTYPES = {
    "float": torch.float32, "double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16,
    "int8": torch.int8, "uint8": torch.uint8, "int32": torch.int32, "int64": torch.int64,
}


DEVICE = torch.device("cpu")


def known(count, rank, dtype):
    """Small integers, so that sums are exact."""
    return ((torch.arange(count, device=DEVICE) + 3 * rank) % 5).to(dtype)


def finish():
    """Wait for what is on the GPU's stream."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


class Job:
    def __init__(self, line):
        words = line.split()
        self.what, self.collective, self.dtype = words[0], words[1], DTYPES.get(words[2])
        if self.dtype is None:
            raise ValueError("the torch contender has no type " + words[2])
        self.count, self.in_place = int(words[3]), words[4] == "in_place"
        self.root, self.warmup, self.iters = (int(w) for w in words[5:8])
        self.shape, self.strides = ([int(n) for n in w.split(",")] for w in words[8:10])
        self.offset, self.storage = int(words[10]), int(words[11])
        self.dst = self.tensor()
        self.src = self.dst if self.in_place else self.tensor()

    def tensor(self):
        if min(self.strides) < 0:
            raise ValueError("torch has no negative strides: leave --layout reverse out")
        return torch.zeros(self.storage, dtype=self.dtype, device=DEVICE).as_strided(self.shape, self.strides, self.offset)

    def call(self):
        x = self.dst
        if self.collective == "broadcast":
            if not self.in_place and dist.get_rank() == self.root:
                x.copy_(self.src)
            y = x.contiguous()
            dist.broadcast(y, self.root)
        else:
            if not self.in_place:
                x.copy_(self.src)
            y = x.contiguous()
            dist.all_reduce(y)
        if y.data_ptr() != x.data_ptr():
            x.copy_(y)

    def verify(self):
        mine = known(self.count, dist.get_rank(), self.dtype).view(self.shape)
        self.dst.copy_(mine)
        self.src.copy_(mine)
        self.call()
        if self.collective == "broadcast":
            want = known(self.count, self.root, self.dtype)
        else:
            want = sum(known(self.count, r, self.dtype) for r in range(dist.get_world_size()))
        wrong = int((self.dst != want.view(self.shape)).sum())
        dist.barrier()
        return wrong

    def timed(self):
        for _ in range(self.warmup):
            self.call()
        dist.barrier()
        finish()
        start = time.perf_counter()
        for _ in range(self.iters):
            self.call()
        finish()
        seconds = (time.perf_counter() - start) / self.iters
        dist.barrier()
        return seconds


def main():
    global DEVICE
    backend, path, rank, size, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    version = "PyTorch " + torch.__version__
    if backend == "nccl":
        DEVICE = torch.device("cuda", rank % torch.cuda.device_count())
        torch.cuda.set_device(DEVICE)
        version += " NCCL " + ".".join(str(n) for n in torch.cuda.nccl.version())
    torch.set_num_threads(1)  # every rank has the machine's cores to share
    dist.init_process_group(backend, init_method="file://" + os.path.join(folder, "store"), rank=rank, world_size=size)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        driver = s.makefile("rw")
        print("hello", rank, size, version, file=driver, flush=True)
        for line in driver:
            try:
                job = Job(line)
                text = "ok %d" % job.verify() if job.what == "verify" else "ok %.9e" % job.timed()
            except (ValueError, IndexError, RuntimeError) as e:
                text = "error " + " ".join(str(e).split())
            print(text, file=driver, flush=True)
    os._exit(0)  # the others may be gone already, which is no error here


main()
