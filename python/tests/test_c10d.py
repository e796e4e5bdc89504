#!/usr/bin/env python3
"""PyTorch's own tests of process groups, as the installed torch ships them, on the backend
"monel": those that c10d_tests.txt names.

usage: test_c10d.py [NAME...]     runs all, or these

Ranks are forked off this process, which has imported what they need. A test that skips itself
fails here: the list is of what runs.
"""

import os
import sys
import tempfile
import time
import traceback
import types
import unittest
from pathlib import Path

SECONDS = 60  # that a test has
WORLD = 4

# The module asks for the backend's name when it is loaded, and leaves out what it knows that
# one to lack. Gloo is what it knows that works in host memory.
os.environ.update(
    BACKEND="gloo", WORLD_SIZE=str(WORLD), TEMP_DIR=tempfile.gettempdir(), OMP_NUM_THREADS="1", MONEL_TIMEOUT="20s",
    GLOO_SOCKET_IFNAME="lo",
)  # fmt: skip

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402

import monel.torch  # noqa: E402, F401  (registers it, and loads no library yet, so processes can be forked)

# PyTorch's tests want this package for what none of those here asks.
sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=unittest.TestCase, ACCEPT=False))
from torch.testing._internal import common_distributed  # noqa: E402
from torch.testing._internal.distributed import distributed_test  # noqa: E402


class Monel(distributed_test.TestDistBackend, distributed_test.DistributedTest._DistTestBase):
    """The tests. Ranks of one test meet by the process group rather than by files."""

    def _barrier(self, *args, **kwargs):
        dist.barrier()


SKIPPED, OK = b"skipped: ", b"ok"


def be_rank(name, rank, folder, out):
    """One rank of a test; how it went goes to a pipe."""
    sys.stdout.flush()
    os.environ["TEMP_DIR"] = folder
    log = os.open(f"{folder}/log-{rank}", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        why = getattr(getattr(Monel, name), "__unittest_skip_why__", "")
        if why and not why.startswith("Only MPI supports"):  # and so do we
            raise unittest.SkipTest(why)
        if name == "test_get_backend":
            distributed_test.BACKEND = "monel"
        test = Monel(name)
        test.rank, test.file_name = rank, f"{folder}/store"
        dist.init_process_group("monel", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
        getattr(test, name)()
        verdict = OK
        if dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()
    except unittest.SkipTest as e:
        verdict = SKIPPED + str(e).encode()
    except SystemExit as e:  # how some of them skip themselves
        verdict = SKIPPED + next((s.message.encode() for s in common_distributed.TEST_SKIPS.values() if s.exit_code == e.code), str(e.code).encode())
    except BaseException:
        verdict = traceback.format_exc().encode()
    os.write(out, verdict[-60000:])
    os._exit(0)


def run(name):
    """How a test went: "ok", or why not."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("barrier", "test_dir", "init_dir"):
            os.mkdir(f"{folder}/{part}")
        ranks = []
        for rank in range(WORLD):
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                be_rank(name, rank, folder, write)
            os.close(write)
            ranks.append((pid, read))
        until, verdicts = time.monotonic() + SECONDS, []
        for rank, (pid, read) in enumerate(ranks):
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > until:
                    os.kill(pid, 9)
                    os.waitpid(pid, 0)
                    break
                time.sleep(0.005)
            said = b""
            while more := os.read(read, 1 << 16):
                said += more
            os.close(read)
            log = Path(f"{folder}/log-{rank}").read_text(errors="replace")[-2000:]
            verdicts.append(said.decode() or f"ended, or hung for {SECONDS} s, without a word\n{log}")
        bad = [f"rank {r}: {v}" for r, v in enumerate(verdicts) if v != "ok"]
        return bad[0] if bad else "ok"


def listed():
    """The names to run, and those left out with why."""
    names, out = [], {}
    for line in (Path(__file__).parent / "c10d_tests.txt").read_text().splitlines():
        name, _, why = line.partition(" ")
        if name.startswith("test_"):
            if why.strip():
                out[name] = why.strip()
            else:
                names.append(name)
    return names, out


def main():
    names, out = listed()
    there = {n for n in dir(Monel) if n.startswith("test_")}
    if torch.__version__.startswith("1.13"):
        strange = there ^ (set(names) | set(out))
        if strange:
            sys.exit(f"c10d_tests.txt is not about: {sorted(strange)}")
    wanted = sys.argv[1:] or [n for n in names if n in there]
    began = time.monotonic()
    failed = 0
    for name in wanted:
        t = time.monotonic()
        verdict = run(name)
        if os.environ.get("TIMES"):
            print(f"{time.monotonic() - t:5.1f} s {name} {verdict.splitlines()[-1][:150]}", flush=True)
        elif verdict != "ok":
            print(f"FAILED {name}\n{verdict}", flush=True)
        failed += verdict != "ok"
    print(f"{len(wanted) - failed} of {len(wanted)} of PyTorch's tests passed, {len(out)} left out, in {time.monotonic() - began:.0f} s")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
