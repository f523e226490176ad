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
_SPARSE = 0.5  # share of the multiples of the step in the range that are sums
_SEVERAL = 10.0  # tables per sum from which on the probability of a sum is no chance of the column's digits
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
        found = lattice(self.groups.X[:, others], self.columns, int(self.groups.count.sum()))
        if found is None:
            raise ArgumentError(
                f"'{self.name}' follows from the other terms, as far as rounding lets see: there is nothing "
                "to test."
            )
        return found

    @cached_property
    def problem(self) -> Problem:
        """The tables with the sums of the fixed columns."""
        groups, observed, found = self.groups, self.groups.observed, self.lattice
        most = groups.trials.astype(np.int64) if groups.bounded else bounds(observed, found.fixed)
        return Problem(
            observed, found.fixed, found.cuts, most, groups.offset, groups.trials, found.fixed_slack
        )

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
        slack = self.lattice.free_slack[: free.shape[1]]
        try:
            return network(self.problem, free, plain(self.problem), min(self.asked.limit, _FEW), slack)
        except TooLarge:
            return network(self.problem, free, self.room, self.asked.limit, slack)

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
        observed = int(question.groups.observed @ found.free[:, 0])
        slack = int(found.free_slack[0])
        law = Drawn(network, found.free[:, 0], observed, found.unit, slack, asked.reps, asked.seed)
    assert network is not None
    blind = isinstance(law, Support) and _blind(network, len(law.values), _density(network, found))
    test = asked.test or ("score" if drawn or blind else "conditional")
    row = ExactTest(
        question.name,
        statistic=float(question.groups.observed @ question.columns[:, 0]),
        tables=network.tables,
        values=len(law.values) if isinstance(law, Support) else 0,
        drawn=drawn,
        test=test,
        note="; ".join(filter(None, (_why(asked, blind=blind), _rounded(found)))),
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
        note="; ".join(filter(None, (note, row.note))),
    )


def _null(asked: Asked) -> float:
    if asked.null is None:
        return 0.0
    return math.log(asked.null) if asked.eform else asked.null


def _support(question: Question, found: Lattice, network: Network) -> Support:
    """The law of the ends of a network; the observed one is that which differs by rounding at most."""
    own = int(question.groups.observed @ found.free[:, 0])
    order = np.argsort(network.ends[:, 0])
    values, logs = (network.ends[order, 0] - own).astype(float), network.log_weights()[order]
    values[np.argmin(np.abs(values))] = 0.0
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
    place = int(np.argmin((np.abs(network.ends - own) - found.free_slack).max(axis=1)))
    observed = float(chances[place])
    several = len(np.unique(np.round(found.free / np.abs(found.free).max(axis=0), 9), axis=0))
    blind = several > 2 * found.free.shape[1] and _blind(network, len(network.ends), 0.0)
    test = asked.test or ("score" if blind else "conditional")
    if test == "score":
        away = network.ends - chances @ network.ends
        quadratic = _quadratic(away, (away.T * chances) @ away)
        statistic = float(quadratic[place])
        beyond = quadratic >= statistic * (1 - TIED)
    else:
        statistic, beyond = observed, chances <= observed * (1 + TIED)
    p_value = float(chances[beyond].sum() - (0.5 * observed if asked.midp else 0.0))
    return ExactTest(
        question.name,
        statistic=statistic,
        p_value=min(p_value, 1.0),
        tables=network.tables,
        values=len(network.ends),
        test=test,
        note="; ".join(filter(None, (*_ends_words(network, asked, blind=blind), _rounded(found)))),
    )


def _density(network: Network, found: Lattice) -> float:
    """The share of the multiples of the step in the range of the sums that occur; 0 without a step."""
    gaps = np.diff(np.sort(network.ends[:, 0]))
    if not found.exact_free or not len(gaps):
        return 0.0
    return len(network.ends) / (float(gaps.sum()) / int(np.gcd.reduce(gaps)) + 1.0)


def _blind(network: Network, values: int, density: float) -> bool:
    """Whether a sum's probability is that of its one table or two, whatever its size: no order of sums."""
    return values > 2 and density < _SPARSE and network.tables < _SEVERAL * values


def _why(asked: Asked, *, blind: bool) -> str:
    if not blind or asked.alternative != "two-sided":
        return ""
    few = "few tables share a sum, so that its probability is none of its size"
    return f"{few}: score test" if asked.test is None else few if asked.test == "conditional" else ""


def _ends_words(network: Network, asked: Asked, *, blind: bool) -> tuple[str, str]:
    return _ONE_VALUE if len(network.ends) == 1 else "", _why(asked, blind=blind)


def _joint_drawn(question: Question, found: Lattice, own: IntArray) -> ExactTest:
    network, asked = question.drawable(), question.asked
    columns, still = found.free.astype(float), np.zeros(len(question.groups))
    mean, covariance = network.moments(columns, still)
    drawn = network.draw(columns, still, asked.reps, asked.seed)
    quadratic = _quadratic(np.vstack([own, drawn]) - mean, covariance)
    statistic, rest = float(quadratic[0]), quadratic[1:]
    same = (np.abs(drawn - own) <= found.free_slack).all(axis=1)
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
    """What there is to say of columns without a step, or with one that is not clear."""
    texts = []
    if not found.exact_fixed:
        texts.append(
            "other columns are no multiples of one step: their sums count as equal if they agree to "
            f"{found.digits[0]:g} digits"
        )
    if not found.exact_free:
        texts.append(
            "its column is no multiples of one step: sums count as equal if they agree to "
            f"{found.digits[1]:g} digits"
        )
    for digits, whose in zip(found.near, ("other columns", "its column"), strict=True):
        if digits:
            texts.append(f"{whose}, multiples of one step to {digits} digits, count as such")
    return "; ".join(texts)
