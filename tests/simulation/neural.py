"""Coverage of what rglm says about an effect and about the mean, where the truth is known: the full study.

    python -m tests.simulation.neural --family poisson --reps 200 --output poisson.jsonl

Each replicate is a table of `glmstat.datasets.generate("confounded")` with a seed of its own: an effect of d
beside a bent function of z1 to z5 that moves d too. Two controls go with every study, and it fails where a
model linear in z is not bad, or where one that knows the function of z is not good: then the data did not ask
the question. One line of JSON per replicate and model; a study that is called again with the same file goes
on where it stopped, and with `--reps 0` prints the table of what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glmstat import Fit, datasets, glm
from glmstat.errors import GlmstatError

EFFECT = {"gaussian": 0.5, "binomial": 0.5, "poisson": 0.3}
LINEAR = "y ~ d + z1 + z2 + z3 + z4 + z5"
NETWORK = "y ~ d + nn(z1, z2, z3, z4, z5)"
LEVEL, NORMAL = 0.95, 1.959963984540054
FEWEST = 20  # replicates for a verdict
POINTS = 200  # at which the mean is asked for: the same in all replicates
SEED_OF_POINTS = 987_654_321


@dataclass(frozen=True)
class Case:
    """One replicate: which table, of how many rows, and the options of rglm that are not its defaults."""

    family: str
    rows: int
    replicate: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> pd.DataFrame:
        return datasets.generate("confounded", self.rows, seed=self.replicate, family=self.family, truth=True)

    def network(self, inference: Any) -> Any:
        """The fit of rglm, with a seed of the replicate."""
        from glmstat import rglm

        return rglm(
            NETWORK,
            self.data,
            family=self.family,
            inference=inference,
            seed=self.replicate,
            **self.options,
        )


@dataclass(frozen=True)
class Finding:
    """What one model said in one replicate: of the effect of d, or of the linear predictor at POINTS.

    `bias` is the error in standard errors and `std_error` the standard error, means over the points;
    `covered` is the share of the points whose interval holds the truth.
    """

    model: str
    about: str
    error: float
    bias: float
    std_error: float
    covered: float


def about_effect(model: str, case: Case, fit: Fit) -> Finding:
    low, high = np.asarray(fit.confint(LEVEL, of="d"), dtype=float).ravel()[-2:]
    truth, estimate, width = EFFECT[case.family], float(fit.coef["d"]), (high - low) / (2 * NORMAL)
    error = estimate - truth
    return Finding(model, "effect", error, error / width, width, float(low <= truth <= high))


def about_mean(model: str, case: Case, fit: Fit) -> Finding:
    points = points_of(case.family)
    table = fit.predict(points, type="link", interval="confidence", level=LEVEL)
    estimate, low, high = (
        np.asarray(table[name], dtype=float) for name in ("estimate", "conf_low", "conf_high")
    )
    truth, width = points["eta"].to_numpy(), (high - low) / (2 * NORMAL)
    error, inside = estimate - truth, (low <= truth) & (truth <= high)
    return Finding(
        model,
        "mean",
        float(np.mean(error)),
        float(np.mean(error / width)),
        float(np.mean(width)),
        float(np.mean(inside)),
    )


@cache
def points_of(family: str) -> pd.DataFrame:
    return datasets.generate("confounded", POINTS, seed=SEED_OF_POINTS, family=family, truth=True)


def linear(case: Case) -> Iterator[Finding]:
    yield about_effect("linear", case, glm(LINEAR, case.data, case.family))


def oracle(case: Case) -> Iterator[Finding]:
    data = case.data
    known = data["eta"] - EFFECT[case.family] * data["d"]
    yield about_effect("oracle", case, glm("y ~ d + offset(known)", data.assign(known=known), case.family))


def naive(case: Case) -> Iterator[Finding]:
    fit = case.network("naive")
    yield about_effect("naive", case, fit)
    yield about_mean("naive", case, fit.as_glm())


def debiased(case: Case) -> Iterator[Finding]:
    fit = case.network("debiased")
    yield about_effect("debiased", case, fit)
    yield about_mean("debiased", case, fit)


def laplace(case: Case) -> Iterator[Finding]:
    yield about_mean("laplace", case, case.network("laplace"))


def crossfit(case: Case) -> Iterator[Finding]:
    yield about_effect("crossfit", case, case.network("crossfit"))


def split(case: Case) -> Iterator[Finding]:
    yield about_effect("split", case, case.network("split"))


MODELS: dict[str, Callable[[Case], Iterator[Finding]]] = {
    made.__name__: made for made in (linear, oracle, naive, debiased, laplace, crossfit, split)
}
CONTROLS = ("linear", "oracle")
DEFAULT = (*CONTROLS, "naive", "debiased", "laplace")


def findings(case: Case, models: Iterable[str]) -> list[Finding]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [finding for model in models for finding in MODELS[model](case)]


@dataclass(frozen=True)
class Line:
    """What the replicates say together of one model; errors are Monte-Carlo standard errors."""

    model: str
    about: str
    reps: int
    covered: float
    covered_error: float
    bias: float
    bias_error: float
    std_error: float
    ratio: float

    def error_of(self, number: str) -> float:
        """Monte-Carlo standard error of one of the numbers."""
        if number == "covered":  # that of the nominal level where all replicates agree
            return self.covered_error or float(np.sqrt(LEVEL * (1 - LEVEL) / self.reps))
        return self.bias_error if number == "bias" else self.ratio / np.sqrt(2 * max(self.reps - 1, 1))

    def __str__(self) -> str:
        covered = f"{100 * self.covered:8.1f} ({100 * self.covered_error:3.1f})"
        bias = f"{self.bias:+9.2f} ({self.bias_error:.2f})"
        ratio = f"{self.ratio:8.2f}" if self.about == "effect" else ""
        return f"{self.about:8}{self.model:10}{self.reps:6}{covered}{bias}{self.std_error:9.3f}{ratio}"


HEAD = f"{'about':8}{'model':10}{'reps':>6}{'% covered':>14}{'bias / SE':>16}{'SE':>9}{'SE / sd':>8}"


def summarise(found: Sequence[Finding]) -> list[Line]:
    keys = dict.fromkeys((finding.about, finding.model) for finding in found)
    return [
        line_of([finding for finding in found if (finding.about, finding.model) == key])
        for key in sorted(keys, key=lambda key: (key[0], [*MODELS].index(key[1])))
    ]


def line_of(found: Sequence[Finding]) -> Line:
    covered, bias, error, width = (
        np.array([getattr(finding, word) for finding in found])
        for word in ("covered", "bias", "error", "std_error")
    )
    root = np.sqrt(len(found))
    spread = (lambda values: float(np.std(values, ddof=1))) if len(found) > 1 else (lambda _: float("nan"))
    return Line(
        found[0].model,
        found[0].about,
        len(found),
        float(covered.mean()),
        spread(covered) / root,
        float(bias.mean()),
        spread(bias) / root,
        float(width.mean()),
        float(width.mean()) / spread(error),
    )


@dataclass(frozen=True)
class Limit:
    """Where a number of a line must lie for the study to be accepted."""

    model: str
    about: str
    number: str
    low: float
    high: float

    def verdict(self, line: Line) -> str:
        """Return 'ok', 'close' (out by less than two Monte-Carlo errors) or 'FAILS', and the numbers."""
        value, room = getattr(line, self.number), 2 * line.error_of(self.number)
        inside, near = self.low <= value <= self.high, self.low - room <= value <= self.high + room
        word = "ok" if inside else "close" if near else "FAILS"
        return (
            f"{word:6}{self.about} {self.model}: {self.number} {value:.3f} in [{self.low:g}, {self.high:g}]"
        )


def limits(family: str) -> tuple[Limit, ...]:
    """What is accepted at 2,000 rows: three controls, and what the defaults of rglm must reach."""
    worst = {"gaussian": 0.10, "binomial": 0.60, "poisson": 0.10}[family]
    return (
        Limit("linear", "effect", "covered", 0.0, worst),
        Limit("oracle", "effect", "covered", 0.90, 0.99),
        Limit("naive", "mean", "covered", 0.0, 0.85),
        Limit("debiased", "effect", "covered", 0.91, 0.98),
        Limit("debiased", "effect", "bias", -0.35, 0.35),
        Limit("debiased", "effect", "ratio", 0.85, 1.15),
        Limit("debiased", "mean", "covered", 0.92, 0.99),
        Limit("laplace", "mean", "covered", 0.92, 0.99),
    )


def verdicts(family: str, lines: Iterable[Line]) -> list[str]:
    made = {(line.model, line.about): line for line in lines if line.reps >= FEWEST}
    return [
        limit.verdict(made[limit.model, limit.about])
        for limit in limits(family)
        if (limit.model, limit.about) in made
    ]


def study(cases: Sequence[Case], models: Sequence[str], output: Path, workers: int) -> None:
    """Add to the file what it lacks; a process for each core, each with one thread."""
    done = {(of_case(record), record["model"]) for record in read(output)}
    jobs = [(case, model) for case in cases for model in models if (of_case(asdict(case)), model) not in done]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, output.open("a") as file:
        running = [pool.submit(run, case, model) for case, model in jobs]
        for number, future in enumerate(as_completed(running), start=1):
            record = future.result()
            file.write(json.dumps(record) + "\n")
            file.flush()
            print(f"{number}/{len(jobs)} {record['model']} {record['seconds']:.1f} s", file=sys.stderr)


def of_case(record: dict[str, Any]) -> tuple[Any, ...]:
    return record["family"], record["rows"], record["replicate"], json.dumps(record["options"])


def run(case: Case, model: str) -> dict[str, Any]:
    """Return the record of one replicate; a model that is refused has a reason in place of findings."""
    start, found, refused = time.process_time(), [], ""
    try:
        found = [asdict(finding) for finding in findings(case, [model])]
    except GlmstatError as error:
        refused = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    return {**asdict(case), "model": model, "seconds": seconds, "refused": refused, "findings": found}


def read(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text("utf-8").splitlines()] if output.exists() else []


def report(family: str, rows: int, records: Sequence[dict[str, Any]]) -> bool:
    """Print the table and, at 2,000 rows, verdicts on FEWEST replicates or more; True where none fails."""
    lines = summarise([Finding(**finding) for record in records for finding in record["findings"]])
    print(f"{family}, {rows:,} rows; Monte-Carlo standard errors in brackets", HEAD, *lines, sep="\n")
    refused = [f"FAILS {record['model']}: {record['refused']}" for record in records if record["refused"]]
    found = refused + (verdicts(family, lines) if rows == 2000 else [])
    print(*found, sep="\n")
    return not any(verdict.startswith("FAILS") for verdict in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--family", choices=[*EFFECT], default="poisson")
    parser.add_argument("--reps", type=int, default=75)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--first", type=int, default=1, help="number, and seed, of the first replicate")
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=DEFAULT)
    parser.add_argument("--options", type=json.loads, default={}, help='of rglm: {"nets": 1, "reps": 1}')
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, help="default: FAMILY-ROWS.jsonl")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    output = given.output or Path(f"{given.family}-{given.rows}.jsonl")
    numbers = range(given.first, given.first + given.reps)
    cases = [Case(given.family, given.rows, number, given.options) for number in numbers]
    study(cases, given.models, output, given.workers)
    wanted = of_case(asdict(Case(given.family, given.rows, 0, given.options)))
    records = [record for record in read(output) if of_case(record | {"replicate": 0}) == wanted]
    return 0 if report(given.family, given.rows, records) else 1


if __name__ == "__main__":
    sys.exit(main())
