#!/usr/bin/env python3
"""Checks Monel from Python on this machine's GPUs, with PyTorch, in less than two minutes.

usage: python_cuda.py --monel FOLDER --library LIBNCCL.SO.2 [--json FILE] [--logs FOLDER]
                      [--only LABELS] [--seconds 115] [--rounds 5] [-np 2]

The folder has the package monel. With fewer GPUs than ranks the ranks share them, and what
needs NVIDIA's NCCL, which refuses that, is left out. Every section (sections/*.py) has
processes of its own; all import PyTorch at once, and then take turns. It prints a row for
each case, writes them as JSON, and exits with 1 if one has failed.
"""

import argparse
import ctypes
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ranks import Ranks

CASE_SECONDS = 25
# The cases of section latent that are timed.
TIMED = ("all_reduce", "broadcast")


def sections(options, gpus):
    """What runs: label, module, environment."""
    library = str(Path(options.library).resolve())
    ours = {"PYTHONPATH": str(Path(options.monel).resolve()), "MONEL_LIBNCCL": library}
    yield "monel", "direct", ours
    yield "torch", "distributed", ours
    yield "nccl-swapped", "swapped", {"LD_PRELOAD": library}
    yield "wrapper", "wrapper", {"VLLM_NCCL_SO_PATH": library}
    yield "latent", "latent", {**ours, "LATENT_BACKEND": "monel"}
    if gpus >= options.np:
        sockets = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1", "NCCL_NET": "Socket", "NCCL_SOCKET_IFNAME": "lo"}
        yield "latent-nccl", "latent", {"LATENT_BACKEND": "nccl", "NCCL_NVLS_ENABLE": "0", **sockets}


def count_gpus():
    n = ctypes.c_int()
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as e:
        sys.exit(f"error: {e}")
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(n)) or n.value == 0:
        sys.exit("error: no GPU found")
    return n.value


def gpu_names():
    """GPUs with their driver's version, if there is nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    if shutil.which(command[0]) is None:
        return []
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


class Report:
    """The rows of the table."""

    def __init__(self, until):
        self.until, self.rows, self.versions = until, [], {}

    def ask(self, ranks, case, most=CASE_SECONDS):
        """Has ranks do a case, notes how it went, and returns their answers, None if it went wrong."""
        ranks.tell(case)
        return self.note(ranks, case, most)

    def note(self, ranks, case, most):
        began = time.monotonic()
        left = self.until - began
        answers = ranks.hear(max(0.5, min(most, left)))
        errors = [a["error"] for a in answers if "error" in a]
        took = time.monotonic() - began
        self.rows.append({"section": ranks.label, "case": case, "seconds": round(took, 2), "errors": errors})
        print(f"{ranks.label:<13} {case:<15} {took:6.1f} s  {'FAILED' if errors else 'ok'}", flush=True)
        for e in errors:
            print(f"    {e}", flush=True)
        ranks.gone = any(a.get("gone") for a in answers)
        return None if errors else answers


def run_section(ranks, report):
    """All cases of a section but those that are timed. False: it is of no more use."""
    answers = report.note(ranks, "import", 60)
    if answers is None:
        return False
    report.versions = answers[0]
    answers = report.ask(ranks, "start", 40)
    if answers is None:
        return False
    for case in answers[0]["cases"]:
        if ranks.module != "latent" or case not in TIMED:
            report.ask(ranks, case)
            if ranks.gone:
                return False
    return True


def time_latents(running, report, rounds):
    """Ours and NCCL's in turns. Microseconds per call, the slowest rank's, by label."""
    figures = []
    for case in TIMED:
        times = {label: [] for label in running}
        for k in range(rounds):
            for label in list(running) if k % 2 == 0 else list(running)[::-1]:
                if time.monotonic() > report.until - 2:
                    break
                running[label].tell(case)
                answers = running[label].hear(CASE_SECONDS)
                if any("error" in a for a in answers):
                    errors = [a["error"] for a in answers if "error" in a]
                    report.rows.append({"section": label, "case": f"time {case}", "seconds": 0, "errors": errors})
                    print(f"{label} {case}: {errors}", flush=True)
                    return figures
                times[label].append(max(a["us"] for a in answers))
        for label, us in times.items():
            if us:
                figures.append({"collective": case, "contender": label, "rounds_us": us, "us": statistics.median(us)})
        ratios = [a / b for a, b in zip(times.get("latent", []), times.get("latent-nccl", []))]
        if ratios:
            figures[-1]["ours_divided_by_this"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monel", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--json")
    parser.add_argument("--logs", default="python-cuda-logs")
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=115)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-np", type=int, default=2)
    options = parser.parse_args()
    report = Report(time.monotonic() + options.seconds)
    gpus = count_gpus()
    logs = Path(options.logs)
    logs.mkdir(parents=True, exist_ok=True)
    wanted = [w for w in options.only.split(",") if w]
    started = []
    for label, module, environment in sections(options, gpus):
        if not wanted or label in wanted:
            ranks = Ranks(module, label, options.np, environment, logs)
            ranks.tell("import")  # together, as this takes longest
            started.append(ranks)
    running = {}
    for ranks in started:
        if run_section(ranks, report) and ranks.module == "latent":
            running[ranks.label] = ranks
        else:
            ranks.end()
    figures = time_latents(running, report, options.rounds)
    for ranks in running.values():
        ranks.end()

    names = gpu_names()
    failed = [r for r in report.rows if r["errors"]]
    if options.json:
        result = {"gpus": names, **report.versions, "ranks": options.np, "cases": report.rows, "latent": figures}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{len(report.rows) - len(failed)} right, {len(failed)} failed, {options.np} ranks on {gpus} GPUs")
    for f in figures:
        ratio = f.get("ours_divided_by_this")
        beside = f"  ours/this {ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})" if ratio else ""
        print(f"latent {f['collective']:<11} {f['contender']:<12} {f['us']:8.0f} us{beside}")
    return 1 if failed or not report.rows else 0


if __name__ == "__main__":
    sys.exit(main())
