"""glmstat beside other programs on workloads W0 to W7: CPU, wall time, memory, and how right the numbers are.

    python benchmarks/workloads.py W1 W2 --peers glum,statsmodels --runs 3
    python benchmarks/workloads.py                 # everything; `table.py` then writes the page of the docs

Every run is a process of its own, the programs take turns, and each fit is warmed up on an eighth of the
rows. Each program runs as it comes and with one BLAS and OpenMP thread: on a machine that others use too,
threads that wait burn CPU. The smaller figure is the one to quote. A program that cannot be imported is left
out, and said so. Sessions are added to `results/workloads.json`; those of `--part`, which divides the rows,
are only printed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import reference
from fits import peers_of
from measure import RESULTS, Session
from one_run import UNIT, WARM_PART
from samples import MILLION, WORKLOADS, kept

NAMES = ("W0", *WORKLOADS, "W6m")
MEMORY_ROWS = (MILLION, 5 * MILLION, 20 * MILLION)
THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "NUMBA", "RAYON")
MODES = ("default", "one")
IMPORTS = {
    "pandas, scipy.special": ("pandas", "import pandas, scipy.special"),
    "glmstat": ("glmstat", "import glmstat"),
    "glmstat, first fit": (
        "glmstat",
        "import glmstat; glmstat.glm('y ~ x', {'y': [1, 2, 4, 4], 'x': [0, 1, 2, 3]}, 'poisson')",
    ),
    "statsmodels.api": ("statsmodels", "import statsmodels.api"),
    "glum": ("glum", "import glum"),
    "sklearn.linear_model": ("sklearn", "import sklearn.linear_model"),
    "pyfixest": ("pyfixest", "import pyfixest"),
}
TIMED = (
    "import time; wall, cpu = time.perf_counter(), time.process_time(); {code}; "
    'print(\'\\n{{"cpu": %f, "wall": %f}}\' % (time.process_time() - cpu, time.perf_counter() - wall))'
)


@dataclass(frozen=True)
class Job:
    """One process to be run: who does what with how many threads."""

    workload: str
    peer: str
    threads: str
    rows: int
    command: tuple[str, ...]

    def run(self, limit: float) -> dict[str, Any]:
        """Return the record of the run; a failure is a record too."""
        record = {
            "workload": self.workload,
            "peer": self.peer,
            "threads": self.threads,
            "rows": self.rows,
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        }
        try:
            run = subprocess.run(
                self.command, capture_output=True, text=True, env=environment(self.threads), timeout=limit,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return record | {"error": f"not done after {limit:g} s"}
        if run.returncode:
            return record | {"error": last_line(run.stderr)}
        return record | json.loads(run.stdout.splitlines()[-1])


def last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line and not line.startswith(" ")]
    return lines[-1][:200] if lines else "ended without a word"


def environment(threads: str) -> dict[str, str]:
    kept_words = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return kept_words | ({f"{name}_NUM_THREADS": "1" for name in THREADS} if threads == "one" else {})


def there(module: str) -> bool:
    return shutil.which("Rscript") is not None if module == "R" else find_spec(module) is not None


def jobs(name: str, peers: list[str], modes: list[str], part: int) -> list[Job]:
    if name == "W0":
        return [
            Job(name, label, "one", 0, (sys.executable, "-c", TIMED.format(code=code)))
            for label, (module, code) in IMPORTS.items()
            if there(module)
        ]
    if name == "W6m":
        return [job("W6", "glmstat", "default", rows // part, "plain", name) for rows in MEMORY_ROWS]
    workload = WORKLOADS[name]
    rows = workload.rows // part if workload.rows >= MILLION else workload.rows
    chosen = [peer.name for peer in peers_of(name) if there(peer.module) and wanted(peer.module, peers)]
    units = [] if workload.printed else [job(name, UNIT, "one", rows, "plain")]
    modes = ["one"] if workload.printed else modes
    return units + [job(name, peer, threads, rows, "compared") for peer in chosen for threads in modes]


def wanted(module: str, peers: list[str]) -> bool:
    return module == "glmstat" or not peers or module.lower() in peers


def job(name: str, peer: str, threads: str, rows: int, compared: str, label: str = "") -> Job:
    script = str(Path(__file__).with_name("one_run.py"))
    return Job(label or name, peer, threads, rows, (sys.executable, script, name, peer, str(rows), compared))


def prepare(job: Job) -> None:
    """Make the data and the careful fit, so that no run does."""
    name = "W6" if job.workload == "W6m" else job.workload
    if name in WORKLOADS:
        workload = WORKLOADS[name]
        kept(workload, job.rows)
        if workload.parquet:
            kept(workload, job.rows // WARM_PART)
        if job.workload == name:
            reference.careful(workload, job.rows)


def line(run: dict[str, Any]) -> str:
    start = f"{run['workload']:5}{run['peer']:32}{run['threads']:9}"
    if "error" in run:
        return start + "failed: " + run["error"]
    memory, wall = run.get("extra_mb"), run.get("wall")
    errors = ", ".join(f"{part} {size:.0e}" for part, size in run.get("differences", {}).items())
    extra = ("" if wall is None else f"{wall:10.4f} s") + ("" if memory is None else f"{memory:8.0f} MB")
    return f"{start}{run['cpu']:10.4f} s CPU{extra}  {run.get('work', '')}  {errors}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="glmstat beside other programs on workloads W0 to W7.")
    parser.add_argument("workloads", nargs="*", choices=[*NAMES, []], help="default: all of them")
    parser.add_argument("--peers", default="", help="glum,statsmodels,sklearn,pyfixest,R; default: all there")
    parser.add_argument("--runs", type=int, default=3, help="rounds in which all take their turns")
    parser.add_argument("--threads", choices=("both", *MODES), default="both")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a run is given up")
    parser.add_argument("--part", type=int, default=1, help="divides the rows, for a trial that is not kept")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    peers = [name for name in asked.peers.lower().replace("scikit-learn", "sklearn").split(",") if name]
    modes: list[str] = list(MODES) if asked.threads == "both" else [asked.threads]
    for module in ("statsmodels", "glum", "sklearn", "pyfixest", "R"):
        if wanted(module, peers) and not there(module):
            print(f"left out, not installed: {module}")
    session = Session(RESULTS / "workloads.json" if asked.part == 1 else None)
    for name in asked.workloads or NAMES:
        found = jobs(name, peers, modes, asked.part)
        for each in found:
            prepare(each)
        for _ in range(1 if name == "W6m" else asked.runs):
            for each in found:
                run = each.run(asked.limit)
                session.add(run)
                print(line(run), flush=True)


if __name__ == "__main__":
    main()
