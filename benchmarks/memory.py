"""Whether the memory of a fit that reads a Parquet file depends on the number of rows.

The Poisson model of W6 at 1, 5 and 20 million rows, each fit in a process of its own: peak memory above what
stood there before, CPU time, and the same for predictions with standard errors that are written to a file.
Aims: at most 300 MB, and at 20 million rows no more than a tenth above the peak at 5. Exit status 1 where one
is missed.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import Peak, write
from samples import MILLION, WORKLOADS, kept

from glmstat import glm

ROWS = (1, 5, 20)  # millions
HIGHEST, GROWTH = 300.0, 1.1
W6 = WORKLOADS["W6"]


def measured(rows: int) -> dict[str, Any]:
    """Return what one fit and its predictions cost in this process."""
    warm = kept(W6, MILLION // 4) / "data.parquet"
    file = kept(W6, rows) / "data.parquet"
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        glm(W6.formula, warm, "poisson").predict(to=f"{folder}/warm.parquet", se_fit=True)
        start = time.process_time()
        with Peak() as fitting:
            fit = glm(W6.formula, file, "poisson")
        between = time.process_time()
        with Peak() as writing:
            fit.predict(to=f"{folder}/predictions.parquet", se_fit=True)
        end = time.process_time()
    return {
        "rows": rows,
        "fit_mb": fitting.extra,
        "fit_cpu": between - start,
        "predict_mb": writing.extra,
        "predict_cpu": end - between,
    }


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(int(sys.argv[2]))))
        return 0
    runs = []
    print(f"{'rows':>12}{'fit MB':>10}{'CPU s':>8}{'predict MB':>12}{'CPU s':>8}")
    for millions in map(int, sys.argv[1:] or ROWS):
        kept(W6, millions * MILLION)  # made here, so that making it is in no one's memory
        call = [sys.executable, str(Path(__file__)), "--one", str(millions * MILLION)]
        run = json.loads(
            subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        )
        runs.append(run)
        print(
            f"{run['rows']:12,}{run['fit_mb']:10.0f}{run['fit_cpu']:8.2f}"
            f"{run['predict_mb']:12.0f}{run['predict_cpu']:8.2f}"
        )
    write("memory", {"runs": runs})
    flat = (
        all(runs[-1][part] <= GROWTH * runs[-2][part] for part in ("fit_mb", "predict_mb"))
        if runs[1:]
        else True
    )
    low = all(run[part] <= HIGHEST for run in runs for part in ("fit_mb", "predict_mb"))
    return int(not (flat and low))


if __name__ == "__main__":
    sys.exit(main())
