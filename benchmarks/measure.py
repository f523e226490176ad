"""What every benchmark needs: the machine, the clock, the memory, the files of results."""

import contextlib
import ctypes
import gc
import hashlib
import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import glmstat

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "pandas", "formulaic", "statsmodels")
PEERS = (*PACKAGES, "pyarrow", "glum", "tabmat", "scikit-learn", "pyfixest")


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    return {"glmstat": glmstat.__version__} | {name: installed(name) for name in packages}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def r_version() -> str | None:
    """Return R's version and its BLAS, or None where there is no R."""
    asked = (
        'cat(R.version$major, ".", R.version$minor, " with ", basename(extSoftVersion()["BLAS"]), sep = "")'
    )
    try:
        run = subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout


def source_state() -> str:
    """Return a short hash of the package's source, which its version does not tell apart."""
    root = Path(glmstat.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def write(name: str, result: dict[str, Any]) -> None:
    record = {"machine": machine(), "versions": versions(), **result}
    save(RESULTS / f"{name}.json", record)


def save(path: Path, record: Any) -> None:
    """Write a file at once or not at all."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    draft.replace(path)


class Session:
    """The runs of one call of a benchmark, added to the file of all sessions one by one.

    Parameters
    ----------
    path : the file, a JSON list of sessions; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.record: dict[str, Any] = {
            "taken": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": source_state(),
            "machine": machine(),
            "versions": versions(PEERS) | {"R": r_version()},
            "runs": [],
        }
        self.before: list[Any] = json.loads(path.read_text("utf-8")) if path and path.exists() else []

    def add(self, run: dict[str, Any]) -> None:
        """Add a run; an interrupted session keeps those before."""
        self.record["runs"].append(run)
        if self.path:
            save(self.path, [*self.before, self.record])


class Peak:
    """Peak of the resident memory above what stood there at the start, in MB.

    The kernel keeps the peak, so that watching costs nothing. Where it cannot be set back (not Linux), only
    what exceeds the peak of the whole process so far is seen.
    """

    def __enter__(self) -> "Peak":
        release_memory()
        self.exact = forget_peak()
        self.start = status_mb("VmRSS") if self.exact else highest_mb()
        return self

    def __exit__(self, *problem: object) -> None:
        self.extra = max((status_mb("VmHWM") if self.exact else highest_mb()) - self.start, 0.0)


def release_memory() -> None:
    """Give free memory back to the system, so that it cannot hide what a fit needs."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True


def status_mb(word: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(word))


def highest_mb() -> float:
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def cpu_of(action: Callable[[], object], *, repeats: int, rounds: int = 5) -> float:
    """Return the least CPU seconds of one call over some rounds of repeated calls."""
    action()
    return min(cpu_of_round(action, repeats) for _ in range(rounds))


def cpu_of_round(action: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        action()
    return (time.process_time() - start) / repeats
