"""Covariances where rows depend on rows before them: in a series, a panel, a cross-section."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from math import floor, inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.call import Values
from glmstat.errors import ArgumentError, DataError, near, one_of, row_list
from glmstat.inference.score import frame_of, projected
from glmstat.inference.variable import grouping, values
from glmstat.inference.vcov.cluster import way_names
from glmstat.inference.vcov.group_sums import GroupSums
from glmstat.inference.vcov.kernel import Kernel, andrews, as_kernel, lag_of_periods, newey_west
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov, from_meat
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["HAC", "RULES", "check"]

AUTOMATIC = ("andrews", "newey-west")
OF_PERIODS = ("NW1987", "NW1994")
RULES = (*AUTOMATIC, *OF_PERIODS)
_BY_LOOP = 64  # lags up to which a product per lag is faster than one Fourier transform


def hac(fit: Fit, inverse: Array, covariance: Covariance, data: Any = None) -> Vcov:
    """Return the covariance for autocorrelated rows of one series, or of the series of a panel's units.

    The meat is Σ w(lag) u_s u_t' over pairs of rows that are `lag` apart; in a panel, pairs of one unit,
    `lag` counting the periods that occur in the data, whether or not at equal distances. Nothing is
    prewhitened. Holds the scores of all rows, n times p numbers.

    Parameters
    ----------
    fit, inverse, covariance, data : as in Recipe. The covariance's `order` is the variable of time, default
        the order of the rows; `kernel` defaults to "quadratic_spectral" in a series, and to "bartlett" in a
        panel and with `lag`; `lag` is the last lag with a weight, bandwidth lag + 1; `bandwidth` a number,
        "andrews" (default of a series) or "newey-west" (both from the scores, the intercept's left out),
        "NW1987" (T^(1/4), default of a panel) or "NW1994" (4 (T/100)^(2/9)), the last two whole numbers.
        `cluster` is the panel's unit.

    Raises
    ------
    ArgumentError : lag, bandwidth or kernel that do not exist or do not go together; frequency weights;
        data that are read block by block.
    DataError : two rows of a series at the same time.

    Source: Andrews (1991); Newey & West (1987, 1994); numbers as R's sandwich, kernHAC(prewhite = FALSE,
    adjust = FALSE), NeweyWest(prewhite = FALSE) and vcovPL(aggregate = FALSE, adjust = FALSE).
    """
    choice = check(covariance)
    series = _series(fit, _directions(fit, inverse, choice), covariance, data)
    scores = series.scores[:, : inverse.shape[1]]
    if series.unit is None:
        last, bandwidth = _reach(fit, choice, len(scores), series.scores[:, inverse.shape[1] :])
        meat = _along(scores, choice.kernel.weights(bandwidth, last + 1))
        groups, df, periods = (), nan, len(scores)
    else:
        units, periods = int(series.unit[-1]) + 1, int(series.period.max()) + 1
        _enough(units, "units", covariance.kind)
        last, bandwidth = _reach(fit, choice, periods, None)
        meat = _within(scores, series.unit, series.period, choice.kernel.weights(bandwidth, last + 1))
        groups, df = (units,), units - 1.0
    factor = _factor(covariance, len(scores), fit.estimate.rank, periods, panel=bool(groups))
    return from_meat(
        inverse,
        meat,
        Facts(factor=factor, df=df, groups=groups, lag=last, bandwidth=bandwidth, extra=periods),
    )


def driscoll_kraay(fit: Fit, inverse: Array, covariance: Covariance, data: Any = None) -> Vcov:
    """Return the covariance for rows that depend on all rows of the same and of near periods.

    The scores of each period are summed; the sums are one series, as in `hac`. t has T - 1 degrees of
    freedom, T the number of periods that occur. One pass, memory T q, whatever the order of the rows.

    Parameters
    ----------
    fit, inverse, covariance, data : as in `hac`; `order` is the variable of the period and must be given;
        the default bandwidth is "NW1987", the default kernel "bartlett".

    Raises
    ------
    ArgumentError : as `hac`; no order.
    DataError : one period only.

    Source: Driscoll & Kraay (1998); numbers as R's sandwich, vcovPL(adjust = FALSE), and plm, vcovSCC.
    """
    choice = check(covariance)
    sums = _by_period(fit, _directions(fit, inverse, choice), covariance, data)
    _enough(len(sums), "periods", covariance.kind)
    scores = sums[:, : inverse.shape[1]]
    last, bandwidth = _reach(fit, choice, len(sums), sums[:, inverse.shape[1] :])
    meat = _along(scores, choice.kernel.weights(bandwidth, last + 1))
    factor = _factor(covariance, fit.nobs, fit.estimate.rank, len(sums))
    facts = Facts(factor, len(sums) - 1.0, (len(sums),), last, bandwidth, extra=len(sums))
    return from_meat(inverse, meat, facts)


class Choice(NamedTuple):
    """A kernel and how its bandwidth is found: by lag, number or rule; `cut` to a whole number of lags."""

    kernel: Kernel
    lag: int | None = None
    number: float | None = None
    rule: str = ""
    cut: bool = False

    @property
    def in_lags(self) -> bool:
        """Whether the reach is a number of lags."""
        return self.lag is not None or self.cut or self.rule in OF_PERIODS


def check(covariance: Covariance) -> Choice:
    """Return what a covariance of kind "HAC", "NW" or "DK" asks for, without a look at the data.

    Raises
    ------
    ArgumentError : an argument that does not exist, or that does not go with the others.
    """
    panel = bool(covariance.cluster) or covariance.kind == "DK"
    if covariance.kind == "DK" and covariance.order == "":
        raise ArgumentError('DK needs the period of each row: order is not given. Write vcov="DK ~ year".')
    if covariance.lag is not None and covariance.bandwidth is not None:
        raise ArgumentError(
            f"lag and bandwidth exclude each other: lag is {covariance.lag!r}, bandwidth "
            f"{covariance.bandwidth!r}. Give one; a lag is a bandwidth of lag + 1."
        )
    smooth = covariance.kind == "HAC" and not panel and covariance.lag is None
    kernel = as_kernel(covariance.kernel or ("quadratic_spectral" if smooth else "bartlett"))
    if covariance.lag is not None:
        return Choice(kernel, lag=_whole(covariance.lag, kernel))
    if isinstance(covariance.bandwidth, str):
        return Choice(kernel, rule=_rule(covariance.bandwidth, bool(covariance.cluster)))
    if covariance.bandwidth is not None:
        return Choice(kernel, number=_positive(covariance.bandwidth))
    if panel:
        return Choice(kernel, rule="NW1987")
    cut = covariance.kind == "NW"
    return Choice(kernel, rule="newey-west" if cut else "andrews", cut=cut)


def _whole(lag: Any, kernel: Kernel) -> int:
    try:
        number = operator.index(lag)
    except TypeError:
        number = -1
    if number < 0 or isinstance(lag, bool):
        raise ArgumentError(f"lag must be a whole number >= 0: {lag!r}. 0 weighs no autocovariance.")
    if kernel.reach == inf:
        raise ArgumentError(
            f"lag has no meaning for kernel {kernel.name!r}, which weighs every lag: lag is {number}. "
            "Give bandwidth=, or kernel='bartlett'."
        )
    return number


def _positive(bandwidth: Any) -> float:
    try:
        number = nan if isinstance(bandwidth, bool) else float(bandwidth)
    except (TypeError, ValueError):
        number = nan
    if not (isfinite(number) and number > 0):
        raise ArgumentError(f"bandwidth must be a number > 0, or a rule: {bandwidth!r}. {_known(RULES)}")
    return number


def _rule(word: str, panel: bool) -> str:
    spelled = {rule.lower(): rule for rule in RULES}
    if word.lower() not in spelled:
        raise ArgumentError(f"Unknown bandwidth: {word!r}. {_known(RULES)}{near(word, RULES)}")
    rule = spelled[word.lower()]
    if panel and rule in AUTOMATIC:
        raise ArgumentError(
            f"bandwidth={rule!r} is a rule for one series: the covariance has cluster=, many series. "
            f"{_known(OF_PERIODS)} Or give lag=."
        )
    return rule


def _known(rules: tuple[str, ...]) -> str:
    return f"Known: {one_of(rules)}."


def _enough(count: int, what: str, kind: str) -> None:
    if count < 2:
        remedy = "Leave cluster= out: the rows are one series." if what == "units" else 'Use "HAC".'
        raise DataError(f"{kind} needs two {what} or more: there is {count}. {remedy}")


class _Series(NamedTuple):
    """Scores (n, m) sorted by unit and period, both counted from 0 without gaps; unit None in one series."""

    scores: Array
    unit: IntArray | None
    period: IntArray


def _directions(fit: Fit, inverse: Array, choice: Choice) -> Array:
    """The matrix (p, q + m) that scores are multiplied by: whitening, then what the bandwidth is found from.

    An automatic bandwidth reads the score of each coefficient but the intercept's, as sandwich does.
    """
    if choice.rule not in AUTOMATIC:
        return inverse
    counted = np.abs(inverse).max(axis=1, initial=0.0) > 0
    intercept = fit.spec.design.intercept
    if intercept is not None and counted.sum() > 1:
        counted[intercept] = False
    chosen = np.eye(len(counted))[:, counted]
    return np.hstack([inverse, chosen if choice.rule == "andrews" else chosen.sum(axis=1, keepdims=True)])


def _by_period(fit: Fit, root: Array, covariance: Covariance, data: Any) -> Array:
    """The scores times `root`, summed by period, in the order of time; rows of weight 0 are left out."""
    periods = grouping(fit, covariance.order, "order", data, several=False)

    def kernel(block: Block) -> GroupSums:
        used = block.total > 0
        _refuse_frequencies(block, covariance)
        return GroupSums.of([periods.of(block)[used]], projected(fit, block, root)[used])

    return frame_of(fit, covariance.kind, data).reduce(kernel).whole([periods.count])[0]


def _refuse_frequencies(block: Block, covariance: Covariance) -> None:
    used = block.total > 0
    if block.frequency is not None and (block.frequency[used] != 1).any():
        raise ArgumentError(
            f"{covariance.kind} cannot use freq_weights: rows that stand for several have no order among "
            "themselves. Give a row for each in the order they came, or use weights=."
        )


def _series(fit: Fit, root: Array, covariance: Covariance, data: Any) -> _Series:
    """The scores times `root`, in the order of time; rows of weight 0 are left out."""
    frame = frame_of(fit, covariance.kind, data)
    if not frame.source.held:
        raise ArgumentError(
            f"{covariance.kind} needs the scores of all rows in the order of time: the data are read block "
            'by block. Use "DK ~ period", which sums them by period, or read the data into memory.'
        )
    units = grouping(fit, covariance.cluster, "cluster", data) if covariance.cluster else None
    times = None if covariance.order == "" else values(fit, covariance.order, "order", data)
    parts: dict[str, list[Any]] = {"scores": [], "row": [], "unit": [], "time": []}
    for block in frame.blocks():
        used = block.total > 0
        _refuse_frequencies(block, covariance)
        parts["scores"].append(projected(fit, block, root)[used])
        parts["row"].append(block.source_rows(used))
        if units is not None:
            parts["unit"].append(units.of(block)[used])
        if times is not None:
            parts["time"].append(times.of(block)[used])
    scores, rows = np.concatenate(parts["scores"]), np.concatenate(parts["row"])
    unit = None if units is None else np.unique(np.concatenate(parts["unit"]), return_inverse=True)[1]
    if times is None:
        return _in_order(scores, unit)
    period = np.unique(np.concatenate(parts["time"]), return_inverse=True)[1]
    order = np.lexsort((period,) if unit is None else (period, unit))
    scores, rows, period = scores[order], rows[order], period[order]
    unit = None if unit is None else unit[order]
    _refuse_ties(unit, period, rows, covariance)
    return _Series(scores, unit, period)


def _in_order(scores: Array, unit: IntArray | None) -> _Series:
    """Rows that follow each other as they stand in the data, within each unit."""
    if unit is None:
        return _Series(scores, None, np.arange(len(scores)))
    order = np.argsort(unit, kind="stable")
    unit = unit[order]
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    place = np.arange(len(unit)) - np.repeat(first, np.diff(first, append=len(unit)))
    return _Series(scores[order], unit, place)


def _refuse_ties(unit: IntArray | None, period: IntArray, rows: IntArray, covariance: Covariance) -> None:
    same = np.diff(period) == 0
    if unit is not None:
        same &= np.diff(unit) == 0
    if not same.any():
        return
    tied = np.append(same, False) | np.insert(same, 0, False)
    where = "one series" if unit is None else "a unit"
    remedy = (
        'Give cluster= for a panel, or use "DK".' if unit is None else 'Give a finer order=, or use "DK".'
    )
    raise DataError(
        f"Rows of {where} must have different times: {_name(covariance.order)} ties in "
        f"{row_list(sorted(rows[tied].tolist()))}. {remedy}"
    )


def _reach(fit: Fit, choice: Choice, count: int, scores: Array | None) -> tuple[int, float]:
    """Last lag and bandwidth for a series of `count` scores; scores that are rounding tell of neither."""
    from glmstat.inference.covariance import is_perfect

    if choice.rule in AUTOMATIC and is_perfect(fit):
        return 0, nan
    if choice.lag is not None:
        if choice.lag >= count:
            raise ArgumentError(
                f"lag must be less than the number of periods: lag is {choice.lag}, periods are {count}. "
                f"The last lag is {count - 1}."
            )
        return choice.lag, choice.lag + 1.0
    if choice.rule in OF_PERIODS:
        bandwidth = lag_of_periods(choice.rule, count) + 1.0
    else:
        bandwidth = _automatic(choice, scores) if choice.number is None else choice.number
    if choice.cut:
        bandwidth = min(floor(bandwidth), count - 1) + 1.0
    return choice.kernel.last_lag(bandwidth, count), bandwidth


def _automatic(choice: Choice, scores: Array | None) -> float:
    assert scores is not None
    return (
        andrews(scores, choice.kernel)
        if choice.rule == "andrews"
        else newey_west(scores[:, 0], choice.kernel)
    )


def _along(scores: Array, weights: Array) -> Array:
    """Σ w(|s - t|) u_s u_t' over all pairs of one series."""
    if len(weights) > _BY_LOOP:
        return scores.T @ _convolved(scores, weights)
    total = weights[0] * (scores.T @ scores)
    for lag, weight in enumerate(weights[1:], 1):
        product = weight * (scores[lag:].T @ scores[:-lag])
        total += product + product.T
    return total


def _convolved(scores: Array, weights: Array) -> Array:
    """Σ_t w(|s - t|) u_t of every s: a product with a Toeplitz matrix, by Fourier transforms."""
    length = 1 << int(len(scores) + len(weights) - 2).bit_length()
    circle = np.zeros(length)
    circle[: len(weights)] = weights
    circle[length - len(weights) + 1 :] = weights[:0:-1]
    spectrum = np.fft.rfft(circle)
    columns = (np.fft.irfft(spectrum * np.fft.rfft(column, length), length) for column in scores.T)
    return np.column_stack([column[: len(scores)] for column in columns])


def _within(scores: Array, unit: IntArray, period: IntArray, weights: Array) -> Array:
    """Σ w(lag) u_s u_t' over the pairs of each unit; rows sorted by unit and period."""
    total = weights[0] * (scores.T @ scores)
    width = int(period.max()) + 1
    place = unit * width + period
    for lag, weight in enumerate(weights[1:], 1):
        early = np.flatnonzero(period + lag < width)
        late = np.searchsorted(place, place[early] + lag)
        late = np.minimum(late, len(place) - 1)
        pair = place[late] == place[early] + lag
        product = weight * (scores[late[pair]].T @ scores[early[pair]])
        total += product + product.T
    return total


def _factor(covariance: Covariance, rows: int, rank: int, periods: int, *, panel: bool = False) -> float:
    """What the meat is multiplied by; 1 unless `small_sample` names a package that does otherwise."""
    word, kind = covariance.small_sample, covariance.kind
    if word == "default" or (word == "statsmodels" and kind != "DK" and not panel):
        return 1.0
    if word not in ("sandwich", "stata", "statsmodels"):
        known = ("default", "sandwich", "stata", "statsmodels")
        raise ArgumentError(f"small_sample={word!r} has no factor for {kind}. {_known(known)}")
    if word == "statsmodels" and kind == "DK":
        return periods / (periods - 1) * (rows - 1) / (rows - rank)
    return rows / (rows - rank)


def _name(variable: Any) -> str:
    return "the array" if isinstance(variable, Values) else str(variable)


def _words(covariance: Covariance, facts: Facts) -> str:
    """What tables say about the covariance."""
    choice = check(covariance)
    kernel = choice.kernel.name.replace("_", " ")
    how = f" by {choice.rule}" if choice.rule else ""
    lags = f"lag {facts.lag:.0f}{how}" if choice.in_lags else f"bandwidth {facts.bandwidth:.4g}{how}"
    order = "in the order of the rows" if covariance.order == "" else f"in order of {_name(covariance.order)}"
    if covariance.kind == "DK":
        count = f"{facts.groups[0]:,} periods" if facts.groups else "periods"
        where = f"scores summed over the {count} of {_name(covariance.order)} that occur"
    elif covariance.cluster:
        units = " and ".join(way_names(covariance))
        periods = f"lags count the {facts.extra:.0f} periods that occur"
        count = f"{facts.groups[0]:,} units" if facts.groups else "units"
        where = f"within {count} of {units} {order}, {periods}"
    else:
        where = f"one series {order}"
    factor = "no small-sample factor" if facts.factor == 1 else f"factor {facts.factor:.5g}"
    return f"{where}, {kernel} kernel, {lags}, not prewhitened, {factor}"


HAC: Mapping[str, Recipe] = {
    "HAC": Recipe(
        hac,
        _words,
        takes=("cluster", "order", "lag", "kernel", "bandwidth"),
        small_sample=True,
        check=check,
        timed=True,
    ),
    "NW": Recipe(hac, _words, takes=("cluster", "order", "lag"), small_sample=True, check=check, timed=True),
    "DK": Recipe(
        driscoll_kraay,
        _words,
        takes=("order", "lag", "kernel", "bandwidth"),
        small_sample=True,
        check=check,
        timed=True,
    ),
}
