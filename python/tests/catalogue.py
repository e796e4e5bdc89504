#!/usr/bin/env python3
"""Runs the catalogue (catalogue_cases.py) through package monel, through torch.distributed
with the backend monel, and with PyTorch's Gloo, and prints a table in Markdown of who is
right, wrong, or raises an error. It exits with 1 if a column of ours is not right throughout.

Every cell has processes of its own, forked off this one before anything is loaded in it that
could not be forked.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from datetime import timedelta

import torch
import torch.distributed as dist

from catalogue_cases import CASES, Scanner, Wrong, scanner

SECONDS = 12  # that a cell has


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Direct:
    """Package monel."""

    def __init__(self, rank, size, convert):
        import monel

        self.rank, self.size, self.convert = rank, size, convert
        self.comm = monel.init()

    def all_reduce(self, x):
        self.comm.all_reduce(self.convert(x))

    def broadcast(self, x, root):
        self.comm.broadcast(self.convert(x), root)

    def reduce(self, x, root):
        self.comm.reduce(self.convert(x), root)

    def scatter(self, x, parts, root):
        self.comm.scatter(self.convert(parts), root, self.convert(x))

    def all_gather(self, out, x):
        self.comm.all_gather(self.convert(x), self.convert(out))

    def reduce_scatter(self, y, x):
        self.comm.reduce_scatter(self.convert(x), self.convert(y))

    def send(self, x, peer):
        self.comm.send(self.convert(x), peer)

    def recv(self, x, peer):
        self.comm.recv(self.convert(x), peer)

    def close(self):
        self.comm.close()


class Distributed:
    """torch.distributed, on the arrays' own memory."""

    def __init__(self, rank, size, backend, folder):
        if backend == "monel":
            import monel.torch  # noqa: F401  (registers it)
        self.rank, self.size = rank, size
        where = f"file://{folder}/store"
        dist.init_process_group(backend, init_method=where, rank=rank, world_size=size, timeout=timedelta(seconds=6))

    def all_reduce(self, x):
        dist.all_reduce(torch.from_numpy(x))

    def broadcast(self, x, root):
        dist.broadcast(torch.from_numpy(x), root)

    def reduce(self, x, root):
        dist.reduce(torch.from_numpy(x), root)

    def scatter(self, x, parts, root):
        dist.scatter(torch.from_numpy(x), list(torch.from_numpy(parts)) if self.rank == root else None, root)

    def all_gather(self, out, x):
        dist.all_gather(list(torch.from_numpy(out)), torch.from_numpy(x))

    def reduce_scatter(self, y, x):
        dist.reduce_scatter(torch.from_numpy(y), list(torch.from_numpy(x).chunk(self.size)))

    def send(self, x, peer):
        dist.send(torch.from_numpy(x), peer)

    def recv(self, x, peer):
        dist.recv(torch.from_numpy(x), peer)

    def close(self):
        dist.destroy_process_group()


COLUMNS = {
    "monel, NumPy": lambda rank, size, folder: Direct(rank, size, lambda x: x),
    "monel, PyTorch": lambda rank, size, folder: Direct(rank, size, torch.from_numpy),
    "torch.distributed, monel": lambda rank, size, folder: Distributed(rank, size, "monel", folder),
    "torch.distributed, Gloo": lambda rank, size, folder: Distributed(rank, size, "gloo", folder),
}
OURS = [c for c in COLUMNS if "Gloo" not in c]


def rank_main(column, body, rank, size, folder, environment, out):
    """One rank; its verdict goes to a pipe."""
    os.environ.update(environment, MONEL_RANK=str(rank))
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the verdict says it
    try:
        door = COLUMNS[column](rank, size, folder)
        said = body(door)
        with contextlib.suppress(Exception):
            door.close()
        verdict = "right" + (f": {said}" if said else "")
    except Wrong as e:
        verdict = f"wrong: {e}"
    except BaseException as e:
        verdict = f"error: {type(e).__name__}: {' '.join(str(e).split())}"
    os.write(out, verdict.encode())
    os._exit(0)


def cell(column, body, size):
    """What a case comes to: the worst of the ranks' verdicts."""
    folder = tempfile.mkdtemp()
    environment = {
        "MONEL_SIZE": str(size), "MONEL_ROOT": f"127.0.0.1:{free_port()}", "MONEL_SECRET": os.urandom(8).hex(),
        "MONEL_TIMEOUT": "8s", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    ranks = {}
    for rank in range(size):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            rank_main(column, body, rank, size, folder, environment, write)
        os.close(write)
        ranks[read] = pid
    verdicts, open_pipes, until = [], set(ranks), time.monotonic() + SECONDS
    while open_pipes:
        ready, _, _ = select.select(list(open_pipes), [], [], max(0, until - time.monotonic()))
        for pipe in ready:
            text = os.read(pipe, 1 << 16).decode(errors="replace")
            verdicts.append(text or "ended")
            open_pipes.discard(pipe)
        if not ready:
            verdicts += [f"hangs: no end within {SECONDS} s"] * len(open_pipes)
            break
    for pipe, pid in ranks.items():
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(pipe)
        # A rank that has said nothing and was not killed here has crashed, unless it is the case's own doing.
        if "ended" in verdicts and os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            verdicts.append(f"crashes: {signal.Signals(os.WTERMSIG(status)).name}")
    shutil.rmtree(folder, ignore_errors=True)
    for worst in ("hangs", "crashes", "wrong", "error"):
        for v in verdicts:
            if v.startswith(worst):
                return v
    return max((v for v in verdicts if v != "ended"), key=len, default="ended")


def shown(text, most=90):
    text = text.replace("|", "\\|")
    return text if len(text) <= most else text[: most - 1] + "…"


def main():
    rows, good = [], True
    for report, line, size, body in CASES:
        row = []
        for column in COLUMNS:
            with Scanner() if body is scanner else contextlib.nullcontext():
                row.append(cell(column, body, size))
        ours = [v for column, v in zip(COLUMNS, row) if column in OURS]
        good &= all(v.startswith("right") for v in ours)
        rows.append((report, line, row))
    print(f"| case | code | {' | '.join(COLUMNS)} |\n| --- | --- |{' --- |' * len(COLUMNS)}")
    for report, line, row in rows:
        print(f"| {report} | `{line}` | {' | '.join(map(shown, row))} |")
    print(f"\nPyTorch {torch.__version__}. {sum(all(v.startswith('right') for v in r[2][:-1]) for r in rows)} of {len(rows)} rows are right with Monel, "
          f"{sum(r[2][-1].startswith('right') for r in rows)} with Gloo.")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
