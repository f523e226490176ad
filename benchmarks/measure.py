"""What every benchmark needs: the machine, the clock, the file of results."""

import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import glmstat

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "pandas", "formulaic", "statsmodels")


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


def versions() -> dict[str, str | None]:
    return {"glmstat": glmstat.__version__} | {name: installed(name) for name in PACKAGES}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    record = {"machine": machine(), "versions": versions(), **result}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def cpu_of(action: Callable[[], object], *, repeats: int, rounds: int = 5) -> float:
    """Return the least CPU seconds of one call over some rounds of repeated calls."""
    action()
    return min(cpu_of_round(action, repeats) for _ in range(rounds))


def cpu_of_round(action: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        action()
    return (time.process_time() - start) / repeats
