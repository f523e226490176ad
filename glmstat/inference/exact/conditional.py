"""Exact conditional regression: a term's sum, given those of all other terms."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.exact.drawn import Drawn, error_of
from glmstat.inference.exact.groups import Groups
from glmstat.inference.exact.lattice import Lattice, lattice
from glmstat.inference.exact.network import Network, TooLarge, network
from glmstat.inference.exact.outcome import Asked, ExactTest
from glmstat.inference.exact.room import Problem, Room, bounds, plain, tight
from glmstat.inference.exact.tails import TIED, Bound, Law, Support, median_unbiased
from glmstat.matrix import Array, IntArray

__all__ = ["Question", "TooMany", "joint", "single"]

_FEW = 500_000  # arcs for which no linear programme is worth its time
_ONE_VALUE = "the conditions leave its sum one value: the data say nothing of it"


class TooMany(ArgumentError):
    """A distribution is too large, and so is what tables could be drawn from.

    Parameters
    ----------
    name : of the coefficient or term.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, eq=False)
class Question:
    """Some columns, tested given all others.

    Parameters
    ----------
    name : of the coefficient or term.
    groups : the counts.
    slots : places of the columns that are tested.
    asked : the words of the verb.
    """

    name: str
    groups: Groups
    slots: tuple[int, ...]
    asked: Asked

    @property
    def columns(self) -> Array:
        """The tested columns (g, r)."""
        return self.groups.X[:, list(self.slots)]

    @cached_property
    def lattice(self) -> Lattice:
        """All columns in whole numbers.

        Raises
        ------
        ArgumentError : the other columns span the tested ones.
        """
        others = np.setdiff1d(np.arange(self.groups.X.shape[1]), self.slots)
        found = lattice(self.groups.X[:, others], self.columns)
        if found is None:
            raise ArgumentError(f"'{self.name}' follows from the other terms: there is nothing to test.")
        return found

    @cached_property
    def problem(self) -> Problem:
        """The tables with the sums of the fixed columns."""
        groups, observed, found = self.groups, self.groups.observed, self.lattice
        most = groups.trials.astype(np.int64) if groups.bounded else bounds(observed, found.fixed)
        return Problem(observed, found.fixed, found.cuts, most, groups.offset, groups.trials)

    @cached_property
    def room(self) -> Room:
        """What linear programmes tell of the tables."""
        return tight(self.problem)

    def network(self, free: IntArray) -> Network:
        """Return the network of the tables, with an end for each sum of the free columns.

        Raises
        ------
        TooLarge : it has more arcs than the limit.
        """
        try:
            return network(self.problem, free, plain(self.problem), min(self.asked.limit, _FEW))
        except TooLarge:
            return network(self.problem, free, self.room, self.asked.limit)

    def enumerated(self) -> Network | None:
        """Return the network with an end for each value of the statistic; None where tables are drawn.

        Raises
        ------
        ArgumentError : it is too large, and may not be drawn.
        """
        if self.asked.method == "monte carlo":
            return None
        try:
            return self.network(self.lattice.free)
        except TooLarge as size:
            if self.asked.method == "enumerate":
                raise TooMany(
                    self.name,
                    f"The exact distribution of '{self.name}' is too large to enumerate: {size}, limit "
                    f'{self.asked.limit:,}. Raise limit=, or take method="monte carlo" with test="score".',
                ) from None
            return None

    def drawable(self) -> Network:
        """Return the network of the fixed columns alone, of which tables are drawn.

        Raises
        ------
        ArgumentError : it is too large, or the test needs what draws do not tell.
        """
        try:
            made = self.network(self.lattice.free[:, :0])
        except TooLarge as size:
            raise TooMany(
                self.name,
                f"The exact distribution of '{self.name}' is too large, to draw tables of too: {size}, limit "
                f"{self.asked.limit:,}. Raise limit=, round the other columns to fewer distinct values, "
                "leave some out, or take fit.test(method='lr').",
            ) from None
        if self.asked.test in ("conditional", "fisher"):
            raise TooMany(
                self.name,
                f"test=\"{self.asked.test}\" needs the probability of every sum of '{self.name}': they are "
                'too many to enumerate, and draws do not tell it. Take test="score", or raise limit=.',
            )
        return made


def single(question: Question) -> ExactTest:
    """Return the row of one coefficient, on its own scale: test, estimate and interval.

    Source: Cox & Snell (1989), section 2.2; Hirji, Mehta & Patel (1987); the median unbiased estimate stands
    where the conditional likelihood has no maximum, as in Stata's exlogistic and SAS's EXACT statement.
    """
    found, asked = question.lattice, question.asked
    network = question.enumerated()
    law, drawn = (_support(question, found, network), 0) if network else (None, asked.reps)
    if law is None:
        network = question.drawable()
        rounded = 0 if found.exact_free else int(question.groups.count.sum())
        observed = int(question.groups.observed @ found.free[:, 0])
        law = Drawn(network, found.free[:, 0], observed, found.unit, rounded, asked.reps, asked.seed)
    assert network is not None
    test = asked.test or ("score" if drawn else "conditional")
    row = ExactTest(
        question.name,
        statistic=float(question.groups.observed @ question.columns[:, 0]),
        tables=network.tables,
        values=len(law.values) if isinstance(law, Support) else 0,
        drawn=drawn,
        test=test,
        note=_rounded(found),
    )
    return _filled(row, law, test, asked)


def _filled(row: ExactTest, law: Law, test: str, asked: Asked) -> ExactTest:
    """The row with p-values, estimate and ends of a law."""
    theta = _null(asked)
    tails = [law.tail(theta, side, asked.midp) for side in ("greater", "less")]
    two_sided = asked.alternative == "two-sided"
    p_value = (
        law.two_sided(theta, test, asked.midp)
        if two_sided
        else tails[0 if asked.alternative == "greater" else 1]
    )
    estimate, estimator = Bound(law.likeliest()), "conditional maximum likelihood"
    if math.isinf(estimate.value):
        estimate, estimator = median_unbiased(law), "median unbiased, as the likelihood has no maximum"
    low = law.bound("greater", asked.tail, asked.midp) if asked.ends[0] else None
    high = law.bound("less", asked.tail, asked.midp) if asked.ends[1] else None
    note = _ONE_VALUE if law.at_least and law.at_most else ""
    return replace(
        row,
        estimator="" if note else estimator,
        estimate=estimate.value,
        estimate_error=estimate.error,
        conf_low=-math.inf if low is None else low.value,
        conf_high=math.inf if high is None else high.value,
        low_error=0.0 if low is None else low.error,
        high_error=0.0 if high is None else high.error,
        p_value=p_value,
        p_doubled=min(1.0, 2.0 * min(tails)) if two_sided else math.nan,
        p_error=error_of(p_value, row.drawn) if row.drawn else math.nan,
        note=" · ".join(filter(None, (note, row.note))),
    )


def _null(asked: Asked) -> float:
    if asked.null is None:
        return 0.0
    return math.log(asked.null) if asked.eform else asked.null


def _support(question: Question, found: Lattice, network: Network) -> Support:
    """The law of the ends of a network; sums that differ by rounding alone are one value."""
    own = int(question.groups.observed @ found.free[:, 0])
    order = np.argsort(network.ends[:, 0])
    values, logs = (network.ends[order, 0] - own).astype(float), network.log_weights()[order]
    if not found.exact_free:
        apart = int(question.groups.count.sum())
        starts = np.flatnonzero(np.append(True, np.diff(values) > apart))
        place = np.searchsorted(starts, np.arange(len(values)), side="right") - 1
        same = place[int(np.argmin(np.abs(values)))]
        logs = np.logaddexp.reduceat(logs, starts)
        values = values[starts]
        values[same] = 0
    return Support(values * found.unit, logs)


def joint(question: Question) -> ExactTest:
    """Return the row of several coefficients that are all 0: the joint conditional test.

    Source: Mehta & Patel (1995), Statistics in Medicine 14, 2143-2160; Hirji (2006), Exact Analysis of
    Discrete Data, chapter 9.
    """
    found, asked = question.lattice, question.asked
    own = question.groups.observed @ found.free
    network = question.enumerated()
    if network is None:
        return _joint_drawn(question, found, own)
    logs = network.log_weights()
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    observed = chances[(network.ends == own).all(axis=1)].sum()
    test = asked.test or "conditional"
    if test == "score":
        away = network.ends - chances @ network.ends
        quadratic = _quadratic(away, (away.T * chances) @ away)
        statistic = float(quadratic[(network.ends == own).all(axis=1)][0])
        beyond = quadratic >= statistic * (1 - TIED)
    else:
        statistic, beyond = float(observed), chances <= observed * (1 + TIED)
    p_value = float(chances[beyond].sum() - (0.5 * observed if asked.midp else 0.0))
    return ExactTest(
        question.name,
        statistic=statistic,
        p_value=min(p_value, 1.0),
        tables=network.tables,
        values=len(network.ends),
        test=test,
        note=" · ".join(filter(None, (_ONE_VALUE if len(network.ends) == 1 else "", _rounded(found)))),
    )


def _joint_drawn(question: Question, found: Lattice, own: IntArray) -> ExactTest:
    network, asked = question.drawable(), question.asked
    columns, still = found.free.astype(float), np.zeros(len(question.groups))
    mean, covariance = network.moments(columns, still)
    drawn = network.draw(columns, still, asked.reps, asked.seed)
    quadratic = _quadratic(np.vstack([own, drawn]) - mean, covariance)
    statistic, rest = float(quadratic[0]), quadratic[1:]
    same = (drawn == own).all(axis=1)
    beyond = (rest >= statistic * (1 - TIED)) & ~same
    share = (beyond.sum() + (0.5 if asked.midp else 1.0) * (same.sum() + 1)) / (asked.reps + 1)
    return ExactTest(
        question.name,
        statistic=statistic,
        p_value=float(share),
        p_error=error_of(float(share), asked.reps),
        tables=network.tables,
        drawn=asked.reps,
        test="score",
        note=_rounded(found),
    )


def _quadratic(away: Array, covariance: Array) -> Array:
    """The quadratic form away' V⁻¹ away of each row."""
    return np.einsum("ki,ij,kj->k", away, np.linalg.pinv(covariance, hermitian=True), away)


def _rounded(found: Lattice) -> str:
    """What there is to say of columns without a lattice."""
    texts = []
    if not found.exact_fixed:
        texts.append("sums of other columns, which are no multiples of one step, match to 10 digits")
    if not found.exact_free:
        texts.append("its column, no multiples of one step, is rounded to 10 digits")
    return " · ".join(texts)
