"""What exact inference returns: one record per row, and the table of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmstat.inference.deviance.difference import heading
from glmstat.inference.selected import selection_note
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.text.number import percent

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["ALTERNATIVES", "Asked", "Exact", "ExactTest", "interval_words", "listing"]

_DRAWN = ("estimate", "conf_low", "conf_high")
ALTERNATIVES = ("two-sided", "less", "greater")
_TESTS = {
    "conditional": "conditional probability test: all outcomes that are as probable as the observed, or less",
    "fisher": "Fisher's test: all tables that are as probable as the observed, or less",
    "score": "score test: all outcomes as far from their mean as the observed, or farther",
    "barnard": "Barnard's test: score statistic (pooled), largest over the common probability",
    "boschloo": "Boschloo's test: Fisher's p-value as the statistic, largest over the common probability",
}


@dataclass(frozen=True)
class Asked:
    """The words of the verb, checked.

    Parameters
    ----------
    test : "conditional", "score", "fisher", "barnard" or "boschloo"; None chooses.
    null : the parameter under the hypothesis, on the scale that is shown; None for its default.
    method : "auto", "enumerate" or "monte carlo".
    reps, seed : of the draws.
    limit : of arcs of a network.
    """

    test: str | None
    null: float | None
    midp: bool
    alternative: str
    level: float
    interval: str | None
    eform: bool
    method: str
    reps: int
    seed: int
    limit: int

    @property
    def tail(self) -> float:
        """Chance that an interval leaves to each side that has an end."""
        return (1.0 - self.level) / (2.0 if self.alternative == "two-sided" else 1.0)

    @property
    def ends(self) -> tuple[bool, bool]:
        """Whether an interval has a lower and an upper end."""
        return self.alternative != "less", self.alternative != "greater"


@dataclass(frozen=True)
class ExactTest:
    """One parameter, or one term of several columns; NaN where a number is not defined.

    Parameters
    ----------
    name : coefficient or term.
    parameter : what is estimated: "odds ratio", "proportion", "coefficient".
    estimator : how, in words.
    statistic : the sum that is tested; of a term of several columns the score statistic, or the probability
        of what was observed.
    p_value : of the test and alternative asked for.
    p_doubled : twice the smaller tail.
    p_error : Monte-Carlo standard error of `p_value`.
    estimate_error, low_error, high_error : those of estimate and ends, of their logs where ratios are shown.
    tables : number of tables of the reference set.
    values : number of values of the statistic in it; 0 where they are not counted.
    drawn : number of tables drawn; 0 where all were enumerated.
    test : the test in words.
    note : what a reader should know.
    """

    name: str
    parameter: str = ""
    estimator: str = ""
    estimate: float = math.nan
    conf_low: float = math.nan
    conf_high: float = math.nan
    statistic: float = math.nan
    p_value: float = math.nan
    p_doubled: float = math.nan
    p_error: float = math.nan
    estimate_error: float = 0.0
    low_error: float = 0.0
    high_error: float = 0.0
    tables: float = math.nan
    values: int = 0
    drawn: int = 0
    test: str = ""
    note: str = ""

    __test__ = False  # its name is no wish to be collected by pytest

    @property
    def exponentiated(self) -> ExactTest:
        """The same with exp of estimate and ends."""
        estimate, low, high = map(_exp, (self.estimate, self.conf_low, self.conf_high))
        return replace(self, estimate=estimate, conf_low=low, conf_high=high)


@dataclass(frozen=True, eq=False, repr=False)
class Exact(Listing):
    """Exact tests, estimates and intervals in print; `tests` holds them one by one.

    Parameters
    ----------
    tests : one per row.
    """

    tests: tuple[ExactTest, ...] = ()

    __test__ = False

    @property
    def p_value(self) -> float:
        """The p-value of the first row."""
        return self.tests[0].p_value


def listing(fit: Fit, title: str, rows: Sequence[ExactTest], asked: Asked, remarks: Sequence[str]) -> Exact:
    """Return the table of some rows.

    Parameters
    ----------
    title : what was done.
    remarks : further lines: of the interval, of the hypothesis.
    """
    words = ["estimate", "conf_low", "conf_high", "statistic", "p_value", "p_doubled", "p_error"]
    empty = {word for word in words if all(math.isnan(getattr(row, word)) for row in rows)}
    words = [word for word in words if word not in empty or (word == "estimate" and rows[-1].parameter)]
    return Exact(
        (heading(fit, title), " ".join(fit.formula.split())),
        tuple(row.name for row in rows),
        {word: [getattr(row, word) for row in rows] for word in words},
        (*_lines(rows, asked), *remarks, *_notes(rows), *_independent(fit), *selection_note(fit)),
        fit.native,
        "term",
        tests=tuple(rows),
    )


def _lines(rows: Sequence[ExactTest], asked: Asked) -> Iterator[str]:
    """The estimator, the test and the reference set, in words."""
    estimators = dict.fromkeys(row.estimator for row in rows if row.estimator)
    parameters = dict.fromkeys(row.parameter for row in rows if row.parameter)
    for words in estimators:
        named = [row.name for row in rows if row.estimator == words]
        of = f" ({', '.join(named)})" if len(estimators) > 1 else ""
        yield f"estimate: {', '.join(parameters)}, {words}{of}"
    for test in dict.fromkeys(row.test for row in rows):
        named = [row.name for row in rows if row.test == test]
        of = f" of {', '.join(named)}" if len(named) < len(rows) else ""
        yield f"p_value{of}: {_test_words(test, asked)}"
    if any(not math.isnan(row.p_doubled) for row in rows):
        yield "p_doubled: twice the smaller tail" + (", mid-p" if asked.midp else "")
    if any(row.drawn for row in rows):
        yield from _drawn(rows, asked)


def _test_words(test: str, asked: Asked) -> str:
    if asked.alternative != "two-sided" and test not in ("barnard", "boschloo"):
        side = (
            "observed sum and all above" if asked.alternative == "greater" else "observed sum and all below"
        )
        words = f"one-sided, the {side}"
    else:
        words = _TESTS[test]
        words += "" if asked.alternative == "two-sided" else f" · alternative: {asked.alternative}"
    return words + (" · mid-p: half of the observed outcome's probability is taken off" if asked.midp else "")


def _drawn(rows: Sequence[ExactTest], asked: Asked) -> Iterator[str]:
    most = max(row.drawn for row in rows)
    yield f"{count(most, 'table')} drawn independently from the reference set · seed {asked.seed}"
    yield "p_error: Monte-Carlo standard error of p_value"
    for row in rows:
        errors = [(word, getattr(row, f"{word.removeprefix('conf_')}_error")) for word in _DRAWN]
        texts = [f"{word} {error:.2g}" for word, error in errors if error > 0 and math.isfinite(error)]
        if texts:
            scale = " of its log" if asked.eform else ""
            yield f"{row.name}: Monte-Carlo standard error{scale}: {', '.join(texts)}"


def _notes(rows: Sequence[ExactTest]) -> Iterator[str]:
    for row in rows:
        if not math.isnan(row.tables):
            values = f", {count(row.values, 'value')} of the statistic" if row.values else ""
            yield f"reference set of {row.name}: {_number(row.tables)}{values}"
        if row.note:
            yield f"{row.name}: {row.note}"


def _independent(fit: Fit) -> Iterator[str]:
    """What there is to say where the fit's covariance allows for rows that depend on each other."""
    if fit.covariance.kind != "classical":
        yield f"rows count as independent draws of the family: vcov {fit.covariance.kind} is not used"


def _number(tables: float) -> str:
    if tables < 1e15:
        return count(round(tables), "table")
    return f"{tables:.3g} tables" if math.isfinite(tables) else "more than 1e308 tables"


def interval_words(asked: Asked, kind: str) -> str:
    """Return the line on the intervals."""
    side = "" if asked.alternative == "two-sided" else ", one-sided"
    return f"interval: {percent(asked.level)}{side}, {kind}"


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
