"""What the workloads are: models, seeded data, and where the data are kept between runs.

Columns lie in raw files, so that every program reads the same numbers; W6 is a Parquet file. They are made at
the first use, in the folder that GLMSTAT_BENCHMARKS names, by default `~/.cache/glmstat-benchmarks`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(os.environ.get("GLMSTAT_BENCHMARKS", Path.home() / ".cache" / "glmstat-benchmarks"))
GROUP_ROWS = 250_000  # rows of a row group of the Parquet file
LETTERS = tuple("abc")

Columns = dict[str, Any]
Sample = Callable[["Workload", int, np.random.Generator], Columns]


@dataclass(frozen=True)
class Workload:
    """A model and how its data are drawn. `factors` gives each factor's number of levels."""

    name: str
    title: str
    rows: int
    family: str
    numeric: tuple[str, ...]
    sample: Sample
    seed: int
    factors: tuple[tuple[str, int], ...] = ()
    exposure: bool = False
    parquet: bool = False
    printed: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms, numeric ones first."""
        return (*self.numeric, *(name for name, _ in self.factors))

    @property
    def right(self) -> str:
        """Right side of the formula, without the offset."""
        return " + ".join(self.terms)

    @property
    def formula(self) -> str:
        """The formula as glmstat and R read it."""
        return f"y ~ {self.right}" + (" + offset(log(t))" if self.exposure else "")

    @property
    def columns(self) -> int:
        """Number of coefficients."""
        return 1 + len(self.numeric) + sum(levels - 1 for _, levels in self.factors)

    def narrowed(self, columns: int) -> "Workload":
        """Return the same model with the first numeric columns only."""
        return Workload(**{**self.__dict__, "numeric": self.numeric[:columns]})


def named(count: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(count))


def normal(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    x = random.normal(size=(rows, len(workload.numeric)))
    return {name: x[:, j] for j, name in enumerate(workload.numeric)}


def combined(x: Columns, slopes: Any) -> Any:
    return sum(slope * column for slope, column in zip(slopes, x.values(), strict=True))


def counts(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    x = normal(workload, rows, random)
    exposure = random.uniform(0.2, 1.0, rows)
    mean = exposure * np.exp(-1.0 + combined(x, np.linspace(-0.2, 0.2, len(x))))
    return x | {"t": exposure, "y": random.poisson(mean).astype(np.int32)}


def events(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    x = normal(workload, rows, random)
    eta = -0.5 + combined(x, np.linspace(-1.0, 1.0, len(x)) * np.sqrt(3 / len(x)))
    return x | {"y": (random.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int32)}


def grouped_mean(workload: Workload, rows: int, random: np.random.Generator) -> tuple[Columns, Any]:
    x = normal(workload, rows, random)
    codes = {name: random.integers(0, levels, rows).astype(np.int32) for name, levels in workload.factors}
    eta = 0.5 + combined(x, np.linspace(-0.2, 0.2, len(x)))
    for name, levels in workload.factors:
        eta += 0.2 * random.normal(size=levels)[codes[name]]
    return x | codes, np.exp(eta)


def grouped_sizes(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    columns, mean = grouped_mean(workload, rows, random)
    return columns | {"y": mean * random.gamma(2.0, 0.5, rows)}


def grouped_counts(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    columns, mean = grouped_mean(workload, rows, random)
    return columns | {"y": random.poisson(mean).astype(np.int32)}


def clustered_counts(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    """Return counts whose variance is mean + mean^2 / 1.5."""
    x = normal(workload, rows, random)
    mean = np.exp(1.0 + combined(x, np.linspace(-0.2, 0.2, len(x))))
    return x | {"y": random.poisson(mean * random.gamma(1.5, 1 / 1.5, rows)).astype(np.int32)}


def few(workload: Workload, rows: int, random: np.random.Generator) -> Columns:
    x = random.normal(size=(rows, 4))
    level = random.integers(0, 3, rows)
    exposure = random.uniform(0.5, 2.0, rows)
    eta = 0.3 + x @ [0.2, -0.1, 0.3, 0.0] + 0.2 * level
    if workload.family == "poisson":
        y = random.poisson(exposure * np.exp(eta))
    else:
        y = random.random(rows) < 1 / (1 + np.exp(-eta))
    columns = {name: x[:, j] for j, name in enumerate(workload.numeric)}
    return columns | {"f": level.astype(np.int32), "t": exposure, "y": y.astype(np.int32)}


MILLION = 1_000_000
GROUPS = (("a", 50), ("b", 200), ("c", 1000))
SMALL = (("f", 3),)
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "Poisson with offset", MILLION, "poisson", named(20), counts, 1, exposure=True),
        Workload("W2", "logit", MILLION, "binomial", named(50), events, 2),
        Workload("W3", "gamma with log link, factors", MILLION, "gamma", named(5), grouped_sizes, 3, GROUPS),
        Workload("W3p", "Poisson, factors", MILLION, "poisson", named(5), grouped_counts, 3, GROUPS),
        Workload(
            "W4", "from text to the printed summary, Poisson with offset", 200, "poisson", named(4), few, 4,
            SMALL, exposure=True, printed=True,
        ),
        Workload(
            "W4l", "from text to the printed summary, logit", 200, "binomial", named(4), few, 4,
            SMALL, printed=True,
        ),
        Workload("W5", "logit, wide", 5_000, "binomial", named(1000), events, 5),
        Workload(
            "W6", "Poisson with offset, from a Parquet file", 5 * MILLION, "poisson", named(10), counts, 6,
            exposure=True, parquet=True,
        ),
        Workload(
            "W7", "negative binomial, theta estimated", 200_000, "negative_binomial", named(10),
            clustered_counts, 7,
        ),
    )
}  # fmt: skip


def kept(workload: Workload, rows: int) -> Path:
    """Return the folder of the data, made where it is not there yet."""
    folder = CACHE / f"{workload.name}-{rows}"
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        (write_parquet if workload.parquet else write_columns)(workload, rows, draft)
        try:
            draft.rename(folder)
        except OSError:  # another run was first
            shutil.rmtree(draft)
    return folder


def write_columns(workload: Workload, rows: int, folder: Path) -> None:
    columns = workload.sample(workload, rows, np.random.default_rng(workload.seed))
    levels = dict(workload.factors)
    lines = []
    for name, values in columns.items():
        kind = "i32" if values.dtype == np.int32 else "f64"
        np.ascontiguousarray(values).tofile(folder / f"{name}.{kind}")
        lines.append(f"{name} {kind} {levels.get(name, 0)}")
    (folder / "columns.txt").write_text("\n".join(lines) + "\n", "utf-8")


def write_parquet(workload: Workload, rows: int, folder: Path) -> None:
    """Write one row group at a time; a shorter file is the beginning of a longer one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for group, start in enumerate(range(0, rows, GROUP_ROWS)):
        random = np.random.default_rng([workload.seed, group])
        drawn = workload.sample(workload, GROUP_ROWS, random)
        table = pa.table(drawn).slice(0, min(GROUP_ROWS, rows - start))
        writer = writer or pq.ParquetWriter(folder / "data.parquet", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def level_names(name: str, levels: int) -> list[str]:
    """Return names that sort as their codes do."""
    return [f"{name}{code:04}" for code in range(levels)] if levels > len(LETTERS) else list(LETTERS[:levels])


def read(workload: Workload, rows: int) -> Any:
    """Return the data as a pandas DataFrame."""
    import pandas as pd

    folder = kept(workload, rows)
    if workload.parquet:
        return pd.read_parquet(folder / "data.parquet")
    columns = {}
    for line in (folder / "columns.txt").read_text("utf-8").splitlines():
        name, kind, levels = line.split()
        values = np.fromfile(folder / f"{name}.{kind}", dtype={"f64": float, "i32": np.int32}[kind])
        if int(levels):
            labels = level_names(name, int(levels))
            values = pd.Categorical.from_codes(values, labels)
            values = values if int(levels) > len(LETTERS) else np.array(values, dtype=str)
        elif kind == "i32":
            values = values.astype(np.int64)
        columns[name] = values
    return pd.DataFrame(columns)


def pieces(workload: Workload, rows: int, size: int = 20_000) -> Iterator[Any]:
    """Yield the rows in order, as DataFrames of some size or of a row group."""
    if workload.parquet:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(kept(workload, rows) / "data.parquet")
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False).to_pandas()
    else:
        data = read(workload, rows)
        for start in range(0, rows, size):
            yield data.iloc[start : start + size]
