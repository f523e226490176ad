"""Profile likelihood and score intervals: the ends, how they came about, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from glmstat.errors import (
    ArgumentError,
    BoundaryWarning,
    ComparisonError,
    ConvergenceWarning,
    GlmstatWarning,
    one_of,
    row_list,
)
from glmstat.inference.covariance import choose, label
from glmstat.inference.hypothesis.linear import Linear
from glmstat.inference.profile.crossing import Crossing
from glmstat.inference.profile.curve import Curve, Kind, Point
from glmstat.inference.reference import check_level
from glmstat.inference.score import frame_of
from glmstat.inference.selected import selection_note
from glmstat.inference.statement import need_likelihood, ratio_note
from glmstat.matrix import Array
from glmstat.text.number import figure, percent

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Ends", "classical", "cut_of", "facts", "height", "intervals", "traced"]

KINDS = ("deviance", "score")
_NEAR = 1e-3  # share of the way to an edge that is nothing to speak of


class Ends(NamedTuple):
    """Intervals of m combinations.

    Parameters
    ----------
    low, high : (m,) infinite where no value is excluded, NaN where none is known.
    notes : how an end came about where it is not a crossing of the cut.
    """

    low: Array
    high: Array
    notes: tuple[str, ...]


class _Remark(NamedTuple):
    """What to say of one end: warned where the class is given, noted in any case."""

    category: type[GlmstatWarning] | None
    text: str


def classical(fit: Fit, vcov: Any, what: str, instead: str) -> Fit:
    """Return the fit with the covariance asked for, if that is the model's.

    Parameters
    ----------
    vcov : None keeps that of the fit, of which a note says that it is not used.
    what, instead : for the message: what does not use it, and what does.

    Raises
    ------
    ArgumentError : a covariance that does not assume the variance of the family.
    """
    if vcov is None:
        return fit
    if choose(fit, vcov).kind != "classical":
        raise ArgumentError(
            f"{what} assumes the variance of the family: vcov has no part in it. "
            f"Leave vcov= out, or use {instead}."
        )
    return fit.with_vcov(vcov)


def intervals(
    fit: Fit,
    chosen: Linear,
    level: float = 0.95,
    statistic: str = "deviance",
    known: Sequence[Sequence[Point]] = (),
    data: Any = None,
    depth: int = 4,
) -> Ends:
    """Return profile or score intervals; the ends of combinations not reached before Ctrl-C are NaN.

    Parameters
    ----------
    known : points of each combination that were made before.
    depth : of the caller to whom a warning belongs.
    """
    kind, fit = _checked(fit, statistic, data)
    found = _all(fit, chosen, kind, cut_of(fit, level), known, 0)
    return _ends(fit, level, chosen, found, len(chosen.texts) - len(found), depth)


class Traced(NamedTuple):
    """The combinations that were reached, their points and intervals, and the fit with its rows."""

    fit: Fit
    kind: Kind
    linear: Linear
    points: tuple[tuple[Point, ...], ...]
    ends: Ends


def traced(
    fit: Fit, chosen: Linear, level: float, statistic: str, *, points: int, data: Any = None
) -> Traced:
    """Return intervals with the curves behind them; those reached before Ctrl-C, if it comes.

    Parameters
    ----------
    points : values on each side of the estimate.
    """
    kind, fit = _checked(fit, statistic, data)
    found = _all(fit, chosen, kind, cut_of(fit, level), (), points)
    done = Linear(chosen.texts[: len(found)], chosen.matrix[: len(found)])
    ends = _ends(fit, level, done, found, len(chosen.texts) - len(found), depth=5)
    return Traced(fit, kind, done, tuple(curve for _, _, curve, _ in found), ends)


def cut_of(fit: Fit, level: float) -> float:
    """Return the quantile that the signed root is compared with.

    Student's with `df_residual` where the dispersion is estimated, unless the convention cuts at the normal.
    """
    upper = 0.5 + 0.5 * check_level(level)
    return float(stdtrit(fit.df_residual, upper) if _by_t(fit) else ndtri(upper))


def _by_t(fit: Fit) -> bool:
    """Whether Student's quantile cuts; a log-likelihood at its own dispersion is cut at the normal one."""
    by_dispersion = fit.estimate.dispersion.estimated and not fit.estimate.profiled
    return by_dispersion and fit.convention.wald_quantile != "normal"


def facts(fit: Fit, statistic: str, level: float) -> tuple[str, ...]:
    """Return what is compared with what, in words."""
    from glmstat.report.summary import ESTIMATORS

    phi, cut = fit.estimate.dispersion, cut_of(fit, level)
    by_t, own = _by_t(fit), fit.estimate.profiled and statistic == "deviance"
    over = (
        " (-2 loglik, p and dispersion at their maximum)"
        if own
        else ""
        if phi.value == 1.0 and not phi.estimated
        else f" / dispersion {figure(phi.value)} ({ESTIMATORS[phi.estimator]})"
    )
    name = height(fit, statistic)
    lines = [f"{name}{over} · cut: {f't({fit.df_residual})' if by_t else 'normal'} {cut:.4g}"]
    if not fit.spec.likelihood.family.has_likelihood:
        lines.append("quasi-likelihood: no distribution is behind the deviance")
    if fit.covariance.kind != "classical":
        lines.append(f"the {statistic} assumes the family's variance: vcov {label(fit)} is not used")
    return (*lines, *(ratio_note(fit) if statistic == "deviance" else ()), *selection_note(fit))


def height(fit: Fit, statistic: str) -> str:
    """Return what is profiled, in words."""
    statement = fit.spec.statement
    own = statement is not None and "profile" in statement.holds and statistic == "deviance"
    return "posterior" if own else statistic


def _checked(fit: Fit, statistic: str, data: Any) -> tuple[Kind, Fit]:
    """The fit with its rows, if a profile of it has a meaning."""
    if statistic not in KINDS:
        raise ArgumentError(f"Unknown statistic: {statistic!r}. Known: {one_of(KINDS)}.")
    kind: Kind = "score" if statistic == "score" else "deviance"
    rests_on = ("ratio", "profile") if kind == "deviance" else ("score",)
    need_likelihood(fit, "A profile or score interval", *rests_on)
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            "Profile and score intervals are not defined with sampling weights: rows are not independent "
            'draws. Use method="wald".'
        )
    phi = fit.estimate.dispersion
    if phi.estimated and not (fit.df_residual > 0 and phi.value > 0 and fit.status != "perfect fit"):
        raise ArgumentError(
            "Profile and score intervals need an estimated dispersion: the fit is perfect. "
            "Give dispersion= in the fit."
        )
    if kind == "score" and fit.status == "boundary":
        raise ArgumentError(
            "Score intervals need a maximum inside the domain: a mean of the fit lies at its bound. "
            'Use method="profile".'
        )
    fit = fit if data is None else fit.with_data(data)
    frame_of(fit, "A profile")
    return kind, fit


Found = tuple[Crossing, Crossing, tuple[Point, ...], tuple[_Remark, ...]]


def _all(
    fit: Fit, chosen: Linear, kind: Kind, cut: float, known: Sequence[Sequence[Point]], points: int
) -> list[Found]:
    """Ends, points and remarks of every combination, or of those done when interrupted."""
    found: list[Found] = []
    for place, (text, row) in enumerate(zip(chosen.texts, chosen.matrix, strict=True)):
        try:
            before = known[place] if known else ()
            found.append(_one(fit, text, row, kind, cut, before, points))
        except KeyboardInterrupt:
            if not found:
                raise
            break
    return found


def _one(
    fit: Fit, text: str, row: Array, kind: Kind, cut: float, known: Sequence[Point], points: int
) -> Found:
    if np.isnan(row).any():
        none = Crossing(nan, "lost", nan)
        return none, none, (), ()
    if fit.status == "not converged":
        none = Crossing(nan, "lost", nan)
        return none, none, (), (_Remark(ConvergenceWarning, f"{text}: the fit has not converged"),)
    curve = Curve(fit, row, kind)
    curve.points.extend(known)
    low, high = curve.end(-1, cut), curve.end(1, cut)
    remarks = (*_remarks(curve, text, -1, low), *_remarks(curve, text, 1, high))
    return low, high, tuple(curve.grid(low, high, cut, points)) if points else (), remarks


def _remarks(curve: Curve, text: str, side: int, end: Crossing) -> Iterator[_Remark]:
    where, wall = "upper" if side > 0 else "lower", curve.wall(side)
    early = isfinite(wall) and abs(end.value - wall) > _NEAR * abs(end.value - curve.middle)
    if end.kind == "level":
        yield _Remark(None, f"{text}: {where} end {'inf' if side > 0 else '-inf'}, {_why(curve, side)}")
    elif end.kind == "edge":
        yield _Remark(
            BoundaryWarning,
            f"{text}: {where} end {figure(end.value)} is the edge of the domain of the means"
            + (f", no score from {figure(wall)} on, where means lie at their bound" if early else ""),
        )
    elif end.kind == "lost" and curve.better is not None:
        yield _Remark(
            ConvergenceWarning,
            f"{text}: a refit has a deviance lower by {-curve.better:.3g} than the fit, "
            "which is not the maximum",
        )
    elif end.kind == "lost" and isfinite(wall):
        yield _Remark(
            ConvergenceWarning, f"{text}: no score toward the {where} end, where means lie at their bound"
        )
    elif end.kind == "lost":
        yield _Remark(ConvergenceWarning, f"{text}: the refits toward the {where} end do not converge")


def _why(curve: Curve, side: int) -> str:
    if curve.estimate == side * inf:
        return "where the likelihood has its maximum"
    return f"where the {curve.kind} levels off below the cut"


def _ends(fit: Fit, level: float, chosen: Linear, found: list[Found], stopped: int, depth: int) -> Ends:
    """The ends as arrays; one warning of each class for all of them."""
    low, high = np.full(len(chosen.texts), nan), np.full(len(chosen.texts), nan)
    for place, (below, above, _, _) in enumerate(found):
        low[place], high[place] = below.value, above.value
    remarks = [remark for _, _, _, several in found for remark in several]
    if stopped:
        last = chosen.texts[len(found) - 1]
        remarks.append(
            _Remark(ConvergenceWarning, f"interrupted: {stopped} not profiled, the last was {last}")
        )
    at_bound = _at_bound(fit, level)
    for category in (BoundaryWarning, ConvergenceWarning):
        texts = list(dict.fromkeys(remark.text for remark in remarks if remark.category is category))
        lines = [*at_bound] if category is BoundaryWarning else []
        lines += [_headline(category, texts)] if texts else []
        if lines:
            warnings.warn(" ".join(lines), category, stacklevel=depth)
    return Ends(low, high, (*at_bound, *dict.fromkeys(remark.text for remark in remarks)))


def _at_bound(fit: Fit, level: float) -> tuple[str, ...]:
    """What the intervals are where the maximum lies on the boundary."""
    if fit.status != "boundary":
        return ()
    rows = fit.estimate.convergence.bound_rows
    where = f", mean at its bound in {row_list(rows.rows, rows.count)}" if rows else ""
    return (
        f"Estimate on the boundary{where}: an interval holds the values inside the domain that the "
        f"likelihood ratio does not reject; it may cover with another probability than {percent(level)}.",
    )


def _headline(category: type[GlmstatWarning], texts: list[str]) -> str:
    listed = "; ".join(texts[:3]) + ("; …" if len(texts) > 3 else "")
    if category is BoundaryWarning:
        return f"Interval stops at a bound: {listed}."
    return f"Interval not found, the end is NaN: {listed}."
