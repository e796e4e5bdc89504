"""Ranks as processes that are told what to do a line at a time, and answer each with one."""

import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ranks:
    """The processes of one section. They end by themselves when this one does."""

    def __init__(self, module, label, size, environment, logs):
        self.module, self.label, self.size, self.gone = module, label, size, False
        job = {
            "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
            "MONEL_SIZE": str(size), "MONEL_ROOT": f"127.0.0.1:{free_port()}", "MONEL_SECRET": os.urandom(8).hex(),
            "MONEL_TIMEOUT": "20s", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.logs = [open(logs / f"{label}-{r}.log", "w+") for r in range(size)]
        self.heard = [b""] * size
        self.processes = []
        for r in range(size):
            mine = {"RANK": str(r), "LOCAL_RANK": str(r), "MONEL_RANK": str(r)}
            command = [sys.executable, str(HERE / "ranks.py"), module]
            self.processes.append(
                subprocess.Popen(
                    command, env={**os.environ, **job, **mine, **environment},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.logs[r],
                )  # fmt: skip
            )

    def tell(self, line):
        """Has all ranks do what a line says; hear has their answers."""
        for p in self.processes:
            try:
                p.stdin.write((line + "\n").encode())
                p.stdin.flush()
            except OSError:
                pass  # it has ended, as its answer will tell

    def hear(self, seconds):
        """An answer of each rank, with an error in the place of one that did not come in time."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as wait:
            for r, p in enumerate(self.processes):
                if b"\n" not in self.heard[r]:
                    wait.register(p.stdout, selectors.EVENT_READ, r)
            while wait.get_map() and time.monotonic() < until:
                for key, _ in wait.select(max(0, until - time.monotonic())):
                    more = os.read(key.fd, 1 << 16)
                    self.heard[key.data] += more
                    if not more or b"\n" in more:
                        wait.unregister(key.fileobj)
        return [self._take(r, seconds) for r in range(self.size)]

    def _take(self, rank, seconds):
        line, end, rest = self.heard[rank].partition(b"\n")
        if end:
            self.heard[rank] = rest
            return json.loads(line)
        code = self.processes[rank].poll()
        why = f"no answer within {seconds:.0f} s" if code is None else f"it ended with {code}"
        self.logs[rank].seek(0)
        said = self.logs[rank].read().strip().splitlines()
        return {"error": f"rank {rank}: {why}" + (f": {said[-1][:300]}" if said else ""), "gone": True}

    def end(self, seconds=12):
        """Lets them go, and kills those that do not."""
        for p in self.processes:
            p.stdin.close()
        until = time.monotonic() + seconds
        for p in self.processes:
            try:
                p.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            p.stdout.close()
        for log in self.logs:
            log.close()


def be_rank(module):
    """A rank's loop. "import" loads PyTorch and "start" the section; all else is a case's name."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    cases = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name == "import":
                import torch

                answer = {"torch": torch.__version__, "cuda": torch.version.cuda}
            elif name == "start":
                made = importlib.import_module(f"sections.{module}").start(rank, size)
                cases = {case.__name__: case for case in made}
                answer = {"cases": list(cases)}
            else:
                answer = cases[name]() or {}
        except BaseException as e:
            print(f"-- {name}", file=sys.stderr)
            traceback.print_exc()
            answer = {"error": " ".join(f"rank {rank}: {type(e).__name__}: {e}".split())[:600]}
        print(json.dumps(answer), file=out, flush=True)
    os._exit(0)  # others may be gone already, which is no error here


if __name__ == "__main__":
    be_rank(sys.argv[1])
