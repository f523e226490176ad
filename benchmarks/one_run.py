"""One program on one workload in this process; prints a line of JSON. Called by `workloads.py`."""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import fits
import numpy as np
import reference
import units
from fits import Found, Peer
from measure import Peak, cpu_of
from samples import WORKLOADS, Workload, kept, read

UNIT = "unit"
WARM_PART = 8  # the warm-up sees an eighth of the rows: enough to take the same road
REPEATS = {"glmstat": 100}


def warm_up(workload: Workload, rows: int) -> tuple[Workload, Any]:
    """Return the first rows; of a wide design all rows and few columns, for the fit to exist."""
    if workload.columns > rows // WARM_PART:
        return workload.narrowed(50), read(workload, rows)
    return workload, read(workload, rows).iloc[: rows // WARM_PART]


def measured(workload: Workload, peer: Peer, rows: int) -> tuple[dict[str, Any], Found]:
    """Return clocks and memory of one fit.

    Who cannot read the file in pieces holds its columns: these count as memory, the reading not as time.
    """
    parquet = workload.parquet and peer.streams
    if parquet:
        peer.fit(workload, str(kept(workload, rows // WARM_PART) / "data.parquet"))
    else:
        peer.fit(*warm_up(workload, rows))
    data = read(workload, rows) if not workload.parquet else None
    with Peak() as memory:
        if workload.parquet:
            data = str(kept(workload, rows) / "data.parquet") if parquet else read(workload, rows)
        wall, cpu = time.perf_counter(), time.process_time()
        found = peer.fit(workload, data)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"cpu": cpu, "wall": wall, "extra_mb": memory.extra}, found


def printed(workload: Workload, peer: Peer, rows: int) -> tuple[dict[str, Any], Found]:
    """Return the clock of many calls from text to the printed summary."""
    data, summary = read(workload, rows), peer.summary
    if summary is None:
        raise NotImplementedError(f"no summary: {peer.name}")
    cpu = cpu_of(lambda: summary(workload, data), repeats=REPEATS.get(peer.name, 20))
    return {"cpu": cpu}, peer.fit(workload, data)


def in_r(workload: Workload, rows: int) -> tuple[dict[str, Any], Found]:
    warm = 0 if workload.columns > rows // WARM_PART else rows // WARM_PART
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "numbers.f64"
        run = subprocess.run(
            [
                "Rscript", str(Path(__file__).with_name("glm.R")), str(kept(workload, rows)), str(warm),
                workload.family, workload.formula, "text" if workload.printed else "fit", str(out),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode:
            raise RuntimeError(run.stderr.strip().splitlines()[-1])
        coef, error = np.fromfile(out).reshape(2, -1)
    line = json.loads(run.stdout.splitlines()[-1])
    return line, Found(coef, error, line.pop("work"))


def unit(workload: Workload, rows: int) -> dict[str, Any]:
    if workload.parquet:
        path = kept(workload, rows) / "data.parquet"
        cpu = units.least_cpu(lambda: units.decode(path))
    else:
        cpu = units.least_cpu(units.gram_of(workload, read(workload, rows)))
    return {"cpu": cpu}


def differences(workload: Workload, found: Found, rows: int) -> dict[str, float]:
    """Return the largest relative differences from the careful fit, sizes below 1e-3 counted as 1e-3."""
    careful = reference.careful(workload, rows)
    places = slice(1, 1 + len(workload.numeric)) if found.numeric_only else slice(None)
    result = {}
    for name in ("coef", "std_error"):
        ours, true = getattr(found, name), careful[name][places]
        if ours is not None:
            if ours.shape != true.shape:
                raise ValueError(f"{len(ours)} values of {name}, not {len(true)}")
            floor = 1e-3 if name == "coef" else 0.0
            result[name] = float(np.max(np.abs(ours - true) / np.maximum(np.abs(true), floor)))
    return result


def run(workload: Workload, name: str, rows: int, *, compared: bool) -> dict[str, Any]:
    if name == UNIT:
        return unit(workload, rows)
    peer = next(peer for peer in fits.peers_of(workload.name) if peer.name == name)
    if peer.module == "R":
        clocks, found = in_r(workload, rows)
    elif workload.printed:
        clocks, found = printed(workload, peer, rows)
    else:
        clocks, found = measured(workload, peer, rows)
    errors = differences(workload, found, rows) if compared else {}
    return clocks | {"work": found.work, "differences": errors}


def main() -> None:
    name, peer, rows, compared = sys.argv[1:]
    warnings.simplefilter("ignore")
    print("\n" + json.dumps(run(WORKLOADS[name], peer, int(rows), compared=compared == "compared")))


if __name__ == "__main__":
    main()
