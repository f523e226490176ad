"""Kills at random moments: a fit that is killed and taken up again is the fit that was never killed.

python -m tests.simulation.kills            100 kills, some of them of one fit several times
python -m tests.simulation.kills 20 7       20 kills, with random seed 7
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from glmstat import Control, Fit, glm
from glmstat.data import passes

FORMULA = "y ~ x + scale(z) + f"
KILLS = 100
ROOT = Path(__file__).parents[2]


def write_data(path: Path, rows: int = 300_000, seed: int = 1) -> None:
    """A Parquet file with numbers, text and missing values; the 70 levels make blocks of 32,768 rows."""
    import pandas as pd

    random = np.random.default_rng(seed)
    x, z, f = random.normal(size=rows), random.normal(3.0, 2.0, rows), random.integers(0, 70, rows)
    z[random.choice(rows, rows // 100, replace=False)] = np.nan
    y = random.poisson(np.exp(0.2 + 0.3 * x - 0.1 * np.nan_to_num(z) + 0.01 * f))
    text = np.array([f"level {k:02d}" for k in range(70)])[f]
    pd.DataFrame({"x": x, "z": z, "f": text, "y": y}).to_parquet(path, row_group_size=50_001)


def fit(data: Path, checkpoint: Path | None = None, workers: int = 1) -> Fit:
    """The fit, by the road of data that are read anew in every pass."""
    path = None if checkpoint is None else str(checkpoint)
    return glm(FORMULA, data, "poisson", control=Control(memory=0, checkpoint=path, workers=workers))


def victim(data: str, checkpoint: str, ready: Event) -> None:
    """Fit, and note the partial sums after every block."""
    passes.INTERVAL, passes._SHARE = 0.0, 0.0
    ready.set()
    fit(Path(data), Path(checkpoint))


class Hunt:
    """Processes that fit, forked from one that has imported everything already."""

    def __init__(self, data: Path) -> None:
        self.data = data
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self.context = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self.context.set_forkserver_preload(["pandas", "pyarrow.parquet", __name__])

    def run(self, checkpoint: Path, after: float | None) -> float:
        """Kill a fit so many seconds after it began, or let it end; return how long it ran."""
        ready = self.context.Event()
        process = self.context.Process(target=victim, args=(str(self.data), str(checkpoint), ready))
        process.start()
        assert ready.wait(60)
        began = time.perf_counter()
        process.join(after)
        process.kill()
        process.join()
        process.close()
        return time.perf_counter() - began


def campaign(folder: Path, kills: int, seed: int, rows: int = 300_000) -> list[tuple[float, int, bool]]:
    """Return for each kill its moment in seconds, the bytes it left, and whether the fit is the same.

    Every third fit is killed a second time, on its way from where the first kill left it.
    """
    random = np.random.default_rng(seed)
    data = folder / "rows.parquet"
    write_data(data, rows)
    whole, hunt = fit(data), Hunt(data)
    long = hunt.run(folder / "whole.ckpt", None)
    found = []
    while len(found) < kills:
        checkpoint = folder / f"{len(found)}.ckpt"
        for _ in range(2 if len(found) % 3 == 2 else 1):
            after = float(random.uniform(0.0, long))
            hunt.run(checkpoint, after)
        left = checkpoint.stat().st_size if checkpoint.exists() else 0
        found.append((after, left, fit(data, checkpoint, workers=int(random.integers(1, 3))) == whole))
        checkpoint.unlink()
    return found


def main(words: list[str]) -> int:
    """Run the campaign; return 1 if a fit differs."""
    kills, seed = (int(words[0]) if words else KILLS), (int(words[1]) if len(words) > 1 else 1)
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder), kills, seed)
    same = sum(equal for *_, equal in found)
    sizes = [left for _, left, _ in found]
    print(
        f"{same} of {kills} fits are equal to the bit; checkpoints of {min(sizes):,} to {max(sizes):,} bytes"
    )
    return int(same < kills)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
