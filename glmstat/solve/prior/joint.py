"""The mode of a posterior with its dispersion, each given the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.estimate import Dispersion
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.dispersion import choose_dispersion
from glmstat.solve.linear import factor
from glmstat.solve.newton import perfect_deviance
from glmstat.solve.null import null_intercept
from glmstat.solve.prior.density import LogPrior
from glmstat.solve.prior.mode import Mode, find_mode, highest, starts
from glmstat.solve.prior.workspace import Posterior, posterior
from glmstat.solve.rank import Rank, full_rank, settle_rank
from glmstat.solve.scaling import open_workspace
from glmstat.solve.start import null_start

__all__ = ["At", "Road", "find_both", "is_perfect"]

SETTLED = 1e-11  # relative change of the dispersion below which it is found
BY_SEARCH = 1e-7  # that of one found by maximising the likelihood
ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Road:
    """What every ascent to a mode shares.

    Parameters
    ----------
    workspace : the columns that are not aliased, with the prior, for dispersion 1.
    intercept, null : of the null model, as a number and as coefficients, or None.
    given : coefficients that the call starts from.
    asked : estimator or value of the dispersion, as in `fit_estimate`.
    """

    frame: ModelFrame
    workspace: Posterior
    rank: Rank
    counts: Counts
    intercept: float
    null: Array | None
    given: Array | None
    control: Control
    asked: Any

    @classmethod
    def open(
        cls,
        frame: ModelFrame,
        likelihood: GLM,
        prior: LogPrior,
        start: Array | None,
        control: Control,
        asked: Any,
    ) -> Road:
        """Return the road through the rows of a frame."""
        whole = posterior(open_workspace(frame, likelihood), prior, 1.0)
        counts = whole.counts()
        intercept = null_intercept(whole, counts, has_offset=frame.has_offset)
        rank, workspace = _settled(whole, frame)
        given = None if start is None else _given(start, whole.width)[rank.kept]
        null = null_start(workspace, intercept)
        return cls(frame, workspace, rank, counts, intercept, null, given, control, asked)


def _settled(whole: Posterior, frame: ModelFrame) -> tuple[Rank, Posterior]:
    """Which columns are aliased: those that neither the rows nor a curved prior tell from others."""
    gram = whole.start_pass().expected
    assert gram is not None
    plain = whole.with_prior(replace(whole.prior, df=np.where(whole.prior.kinked, np.inf, whole.prior.df)))
    if not whole.size or (not whole.prior.kinked.any() and full_rank(gram)):
        return Rank(np.arange(whole.size)), whole
    rank = settle_rank(whole, frame.columns)
    apart = rank if not whole.prior.kinked.any() else settle_rank(plain, frame.columns)
    if len(apart.kept) > len(rank.kept):
        name = frame.columns[int(np.setdiff1d(apart.kept, rank.kept)[0])]
        place = frame.columns.index(name)
        raise ArgumentError(
            f"A laplace prior does not determine {name} beside the others ({rank.reasons[place]}). "
            "Drop a column, or give one a normal prior."
        )
    kept = whole if len(rank.kept) == whole.size else _kept(whole, rank)
    return rank, kept


def _kept(whole: Posterior, rank: Rank) -> Posterior:
    found = whole.kept(rank.kept)
    assert isinstance(found, Posterior)
    return found


def _given(start: Array, width: int) -> Array:
    given = np.asarray(start, dtype=np.float64)
    if given.shape != (width,):
        raise ArgumentError(
            f"start must be {width} finite numbers, one per coefficient: got shape {given.shape}."
        )
    return np.nan_to_num(given)


@dataclass(frozen=True, eq=False)
class At:
    """Totals at a mode.

    Parameters
    ----------
    point, gamma : the workspace of the columns that are neither held nor separated, and the mode there.
    information : J + phi S of these columns, J the observed information, S the prior's curvature.
    effective : coefficients that the data determine: the trace of (J + phi S)^-1 J.
    gap : by how much another mode lies below; 0 where none was found.
    settled : whether dispersion and coefficients belong to each other.
    """

    mode: Mode
    point: Posterior
    gamma: Array
    facts: Facts
    information: Array
    effective: float
    dispersion: Dispersion
    gap: float
    settled: bool = True


def find_both(road: Road) -> tuple[At, Posterior]:
    """Return the mode, and its workspace with the dispersion: each given the other, until both stay."""
    fixed = _fixed(road)
    if fixed is not None:
        workspace = replace(road.workspace, phi=fixed)
        return _at(road, workspace, starts(workspace, road.null, road.given)), workspace
    log_phi = float(np.log(_first_dispersion(road)))
    workspace = replace(road.workspace, phi=float(np.exp(log_phi)))
    points, before = starts(workspace, road.null, road.given), None
    found = _at(road, workspace, points)
    for _ in range(ROUNDS):
        if (
            is_perfect(road, found)
            or not np.isfinite(found.dispersion.value)
            or not found.dispersion.value > 0
        ):
            return found, workspace
        off = float(np.log(found.dispersion.value)) - log_phi
        if abs(off) <= (BY_SEARCH if road.asked == "ml" else SETTLED):
            return found, workspace
        rate = 0.0 if before is None else (off - before[1]) / (log_phi - before[0]) + 1.0
        before = log_phi, off
        log_phi += off / (1.0 - min(max(rate, -1.0), 0.9))
        workspace = replace(road.workspace, phi=float(np.exp(log_phi)))
        again = [found.mode.beta, *(points[1:] if found.gap else ())]
        found = _at(road, workspace, again)
    return replace(found, settled=False), workspace


def _fixed(road: Road) -> float | None:
    """The dispersion where it is not estimated."""
    own = road.workspace.likelihood.family.dispersion
    if road.asked is None:
        return own
    if isinstance(road.asked, str):
        return None
    nothing = Facts(np.nan, np.nan, np.nan)
    return choose_dispersion(road.workspace, np.zeros(0), nothing, road.counts, 1, road.asked).value


def _first_dispersion(road: Road) -> float:
    """Pearson's, of the first weighted least squares."""
    first = starts(road.workspace, road.null, road.given)[0]
    pearson = road.workspace.facts(road.workspace.to_gamma(first), None).pearson
    spare = road.counts.rows - road.workspace.size
    value = pearson / (spare if spare > 0 else max(road.counts.rows, 1))
    return value if np.isfinite(value) and value > 0 else 1.0


def _at(road: Road, workspace: Posterior, points: list[Array]) -> At:
    modes = [find_mode(workspace, beta, road.null, road.control, road.counts) for beta in points]
    mode, gap = highest(modes)
    ascent = mode.maximum.ascent
    point = ascent.workspace
    assert isinstance(point, Posterior)
    sums = point.by_rows(ascent.gamma, "observed" if workspace.likelihood.canonical else "both")
    assert sums.observed is not None
    curvature = point.curved(point.prior.curvature(point.values(ascent.gamma)))
    information = sums.observed + curvature
    effective = _effective(workspace, mode) if mode.held else _trace(information, curvature)
    facts = point.facts(ascent.gamma, None)
    spare = road.counts.rows - effective
    asked = road.asked if road.asked is not None or point.likelihood.family.dispersion else "pearson"
    dispersion = choose_dispersion(point, ascent.gamma, facts, road.counts, spare, asked)  # pyright: ignore[reportArgumentType]
    return At(mode, point, ascent.gamma, facts, information, effective, dispersion, gap)


def _effective(workspace: Posterior, mode: Mode) -> float:
    """Effective coefficients where some are held, which count as one each: no jump where one comes free."""
    gamma = workspace.to_gamma(mode.beta)
    curvature = workspace.curved(workspace.prior.curvature(workspace.values(gamma)))
    sums = workspace.by_rows(gamma, "observed" if workspace.likelihood.canonical else "both")
    assert sums.observed is not None
    return _trace(sums.observed + curvature, curvature)


def _trace(information: Array, curvature: Array) -> float:
    """Trace of (J + phi S)^-1 J."""
    found = factor(information)
    if found is None:
        return float(len(information))
    return len(information) - float(sum(found.solve(column)[k] for k, column in enumerate(curvature.T)))


def is_perfect(road: Road, found: At) -> bool:
    """Return whether the residuals are rounding."""
    own = road.workspace.likelihood.family.dispersion
    return own is None and found.facts.pearson <= perfect_deviance(road.workspace, road.counts)
