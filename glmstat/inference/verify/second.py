"""A second solver: iteratively reweighted least squares by QR of the rows, no step of it the first one's.

The first adds up score and information of centred columns and solves by Cholesky; this one factors the
weighted rows of the columns as given, and adds up no products. They share the family's formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import inf, isfinite, isnan

import numpy as np

from glmstat.array import silence
from glmstat.errors import GlmstatError
from glmstat.inference.verify.reading import Reading, Rowwise, Weighing
from glmstat.matrix import Array
from glmstat.solve.null import null_intercept
from glmstat.solve.scaling import open_workspace
from glmstat.solve.start import inside, null_start, starting_points, weighted_start

__all__ = ["Second", "second_solver"]

_MOST = 200
_SCORING = 30  # steps of Fisher scoring, which converges linearly, before Newton's method takes over
_DONE = 1e-10  # decrement, in standard errors, that ends it
_WORN = 1e-12  # share of what predictors are sums of: a decrement below it that does not shrink is rounding
_UNSEEN = 1e-10  # share of the deviance that a step must gain to be judged by it
_SAME = 1e-12
_HALVINGS = 40
_FAR = 1e3  # standard errors: of a score where there is none
_SETTLED = 1e-8  # decrement of a root


@dataclass(frozen=True, eq=False)
class Second:
    """Where the second solver ended.

    Parameters
    ----------
    beta : coefficients (k,).
    reading : the rows there.
    iterations, halvings, passes : on the way.
    converged : whether no coefficient could move any more.
    road : "IRLS by QR", or with Newton's steps after it.
    """

    beta: Array
    reading: Reading
    iterations: int
    halvings: int
    passes: int
    converged: bool
    road: str


def second_solver(rows: Rowwise, phi: float) -> Second | None:
    """Return the end of the second solver from the family's start; None where it has no start.

    Where the likelihood may have several maxima it goes from both starts, and keeps the likelier end.

    Parameters
    ----------
    phi : dispersion, for decrements in standard errors.
    """
    ends = [_climb(rows, start, phi) for start in _starts(rows)]
    if ends and not any(end.converged for end in ends) and isnan(ends[0].reading.height):
        ends += [_solved(rows, start, phi) for start in (*_starts(rows), *(end.beta for end in ends))]
    return min(ends, key=_rank, default=None)


def _rank(end: Second) -> tuple[bool, float]:
    """Ends that are one first, the likelier among them."""
    height = end.reading.height
    return not end.converged, height if isfinite(height) else end.reading.decrement


def _starts(rows: Rowwise) -> Iterator[Array]:
    """The family's starts: weighted least squares of its first means, or the null model."""
    frame, width = rows.frame, len(rows.frame.columns)
    whole = replace(open_workspace(frame, rows.likelihood), directions=rows.directions)
    places = whole.kept(rows.slots) if len(rows.slots) < width else whole
    try:
        counts = whole.counts()
        intercept = null_intercept(whole, counts, has_offset=frame.has_offset)
        null = null_start(places, intercept)
        null = null if null is not None and inside(places, null) else None
        for point in starting_points(places, weighted_start(places.start_pass()), null):
            yield places.to_beta(point.gamma) / rows.scale
    except (GlmstatError, ArithmeticError):
        return


def _climb(rows: Rowwise, beta: Array, phi: float) -> Second:
    """The end of the ascent from one start."""
    weighing: Weighing = "expected"
    reading = rows.at(beta, weighing)
    iterations, halvings, passes, previous, converged = 0, 0, 1, np.inf, False
    while iterations < _MOST and reading.steps:
        slope = not isnan(
            reading.height
        )  # adjusted scores are no slope, and adjust by the expected information
        if iterations == _SCORING and slope and not rows.likelihood.canonical:
            weighing = "observed"
            reading, passes = rows.at(beta, weighing), passes + 1
        decrement = reading.decrement / np.sqrt(phi)
        worn = decrement > 0.5 * previous and decrement <= _WORN * np.sqrt(reading.terms / phi)
        if decrement <= _DONE or worn:
            beta, reading, passes = _last(rows, beta, reading, passes, weighing)
            converged = worn or reading.decrement <= _SETTLED * np.sqrt(phi)
            break
        step, there, tries = _forward(rows, beta, reading, weighing)
        passes, halvings = passes + tries, halvings + max(tries - 2, 0)
        if there is None:
            break
        beta, reading, iterations, previous = beta + step, there, iterations + 1, decrement
    road = "IRLS by QR" if weighing == "expected" else "IRLS, then Newton, by QR"
    return Second(beta, reading, iterations, halvings, passes, converged, road)


def _solved(rows: Rowwise, beta: Array, phi: float) -> Second:
    """The root of a score that is no slope, by Powell's hybrid method.

    Source: Powell (1970), in Rabinowitz (ed.), Numerical methods for nonlinear algebraic equations, 87-114.
    """
    from scipy.optimize import root

    before = len(rows.passes)

    def white(place: Array) -> Array:
        reading = rows.at(place)
        found = reading.root @ reading.steps[-1] if reading.steps else np.full(len(place), np.inf)
        return np.clip(np.nan_to_num(found, nan=_FAR, posinf=_FAR), -_FAR, _FAR)

    with silence():
        found = root(white, beta, method="hybr", options={"xtol": 1e-14})
        reading = rows.at(found.x)
    converged = reading.decrement <= _SETTLED * np.sqrt(phi)
    passes = len(rows.passes) - before
    return Second(found.x, reading, passes, 0, passes, converged, "Powell's hybrid method")


def _forward(
    rows: Rowwise, beta: Array, reading: Reading, weighing: Weighing
) -> tuple[Array, Reading | None, int]:
    """The first step after which the deviance is not higher, and how many were tried.

    A step that the deviance cannot see is taken as it is.
    """
    unseen = reading.decrement**2 <= _UNSEEN * (1.0 + abs(reading.deviance))
    full = reading.steps
    halves = (0.5**k * full[-1] for k in range(1, _HALVINGS))
    for tries, step in enumerate(chain(full, halves), 1):
        there = rows.at(beta + step, weighing)
        rise = there.height - reading.height
        if isnan(rise) and isfinite(there.deviance):  # a root of a score that is no slope
            rise = inf if there.decrement > reading.decrement * (1.0 if tries <= len(full) else 1.01) else 0.0
        if rise <= _SAME * (1.0 + abs(reading.deviance)) or (unseen and isfinite(there.deviance)):
            return step, there, tries
    return full[0], None, _HALVINGS


def _last(
    rows: Rowwise, beta: Array, reading: Reading, passes: int, weighing: Weighing
) -> tuple[Array, Reading, int]:
    """The point after the last step, which is free digits unless it leaves the domain."""
    there = rows.at(beta + reading.steps[0])
    if there.decrement <= reading.decrement:
        return beta + reading.steps[0], there, passes + 1
    return beta, reading if weighing == "expected" else rows.at(beta), passes + 2
