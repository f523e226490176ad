"""The model with an intercept and the offset only: its linear predictor less the offset."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glmstat.compute import Counts
from glmstat.matrix import Array, Block
from glmstat.workspace import Workspace

__all__ = ["closed_null", "has_closed_null", "null_from", "null_intercept", "null_objective", "null_slope"]


class _LogRatio(NamedTuple):
    """Sum of w y exp((1 - p) offset) and of w exp((2 - p) offset), each over exp(its shift).

    `mixed` is the sum of w y offset where p is 1, of w offset where it is 2.
    """

    top: float
    top_shift: float
    bottom: float
    bottom_shift: float
    mixed: float = 0.0

    def __add__(self, other: _LogRatio) -> _LogRatio:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _LogRatio(
            *_add_shifted(self.top, self.top_shift, other.top, other.top_shift),
            *_add_shifted(self.bottom, self.bottom_shift, other.bottom, other.bottom_shift),
            self.mixed + other.mixed,
        )


class _Slope(NamedTuple):
    """Score and information of the intercept."""

    score: float
    information: float

    def __add__(self, other: _Slope) -> _Slope:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Slope(self.score + other.score, self.information + other.information)


def null_intercept(workspace: Workspace, counts: Counts, *, has_offset: bool) -> float:
    """Return b of the model eta = b + offset at its maximum; ±inf where that is where it lies.

    Closed form without an offset (the mean), for power variances with log link, and for gaussian
    identity; else the root of the score.
    """
    found = closed_null(workspace) if has_offset and _closed(workspace, counts) else None
    known = null_from(workspace, counts, found, has_offset=has_offset)
    if known is not None:
        return known
    with np.errstate(all="ignore"):
        simple = _simple(workspace, counts)
        return _root(workspace, simple) if np.isfinite(simple) else simple


def has_closed_null(workspace: Workspace) -> bool:
    """Whether sums that need no coefficients give the null intercept beside an offset."""
    family = workspace.likelihood.family
    return workspace.likelihood.null_power is not None or (
        family.name == "gaussian" and family.link.name == "identity"
    )


def closed_null(workspace: Workspace) -> Any:
    """Return sums over the rows that give the null intercept; None where there is no closed form."""
    power = workspace.likelihood.null_power
    with np.errstate(all="ignore"):
        if power is not None:
            return workspace.frame.reduce(lambda block: _ratio_of(block, float(power)))
        return workspace.frame.reduce(_difference) if has_closed_null(workspace) else None


def null_from(workspace: Workspace, counts: Counts, found: Any, *, has_offset: bool) -> float | None:
    """Return the null intercept from totals and the sums of `closed_null`; None where they do not tell."""
    with np.errstate(all="ignore"):
        if not has_offset:
            return _simple(workspace, counts)
        if found is None or not _closed(workspace, counts):
            return None
        if isinstance(found, _LogRatio):
            return float(np.log(found.top) + found.top_shift - np.log(found.bottom) - found.bottom_shift)
        return float(found) / counts.weight


def null_objective(workspace: Workspace, counts: Counts, found: Any, b: float) -> float | None:
    """Return the objective at eta = b + offset from totals and the sums of `closed_null`.

    None where they do not tell it, or not to its digits.
    """
    family = workspace.likelihood.family
    if not isinstance(found, _LogRatio) or family.power not in (1, 2) or family.user_defined:
        return None
    with np.errstate(all="ignore"):
        if family.power == 1:
            parts = (b * found.top, found.mixed, -found.bottom * np.exp(b + found.bottom_shift))
        else:
            parts = (-found.top * np.exp(found.top_shift - b), -found.mixed, -b * counts.weight)
        total = float(sum(parts))
        seen = abs(total) > 1e-3 * sum(map(abs, parts))
    return total if seen and np.isfinite(total) else None


def null_slope(workspace: Workspace, b: float) -> _Slope:
    """Return score and information of the null intercept at b."""
    with np.errstate(all="ignore"):
        return workspace.frame.reduce(lambda block: _slope(workspace, block, b))


def _closed(workspace: Workspace, counts: Counts) -> bool:
    """Whether the sums of `closed_null` give the maximum for these totals."""
    if workspace.likelihood.null_power is not None:
        return counts.response > 0 or workspace.likelihood.family.power == 1
    return has_closed_null(workspace)


def _simple(workspace: Workspace, counts: Counts) -> float:
    mean = counts.response / counts.weight if counts.weight else np.nan
    return float(workspace.likelihood.family.link.eta(np.array([mean]))[0])


def _difference(block: Block) -> float:
    return float(block.total @ (block.y - block.offset[:, 0]))


def _ratio_of(block: Block, power: float) -> _LogRatio:
    offset, weights = block.offset[:, 0], block.total
    if not weights.any():
        return _LogRatio(0.0, -np.inf, 0.0, -np.inf)
    same = block.unweighted
    response = block.y if same else weights * block.y
    linear = {1.0: response, 2.0: weights}.get(power)
    return _LogRatio(
        *_shifted(response, 1.0 - power, offset),
        *(_all_shifted(2.0 - power, offset) if same else _shifted(weights, 2.0 - power, offset)),
        0.0 if linear is None else float(linear @ offset),
    )


def _all_shifted(multiple: float, offset: Array) -> tuple[float, float]:
    """Sum of exp(multiple * offset), and the exponent taken out of it."""
    if multiple == 0.0:
        return float(len(offset)), 0.0
    exponent = multiple * offset
    shift = float(exponent.max(initial=-np.inf))
    if not np.isfinite(shift):
        return 0.0, -np.inf
    exponent -= shift
    return float(np.exp(exponent, out=exponent).sum()), shift


def _shifted(factor: Array, multiple: float, offset: Array) -> tuple[float, float]:
    """Sum of factor * exp(multiple * offset), and the exponent taken out of it."""
    if multiple == 0.0:
        return float(factor.sum()), 0.0
    used, exponent = factor != 0, multiple * offset
    if used.all():
        shift = float(exponent.max(initial=-np.inf))
        if not np.isfinite(shift):
            return 0.0, -np.inf
        exponent -= shift
        return float(factor @ np.exp(exponent, out=exponent)), shift
    shift = float(exponent[used].max(initial=-np.inf))
    if not np.isfinite(shift):
        return 0.0, -np.inf
    return float(factor[used] @ np.exp(exponent[used] - shift)), shift


def _add_shifted(a: float, shift_a: float, b: float, shift_b: float) -> tuple[float, float]:
    if shift_a == -np.inf or shift_b == -np.inf:
        return (a, shift_a) if shift_b == -np.inf else (b, shift_b)
    shift = max(shift_a, shift_b)
    return a * np.exp(shift_a - shift) + b * np.exp(shift_b - shift), shift


def _root(workspace: Workspace, guess: float) -> float:
    """Root of the intercept's score, bracketed, by Newton steps that stay inside the bracket."""
    low, high = _domain(workspace)
    offset = workspace.frame.reduce(
        lambda block: np.array([block.total @ block.offset[:, 0], block.total.sum()])
    )
    b = guess - offset[0] / offset[1]
    if not low < b < high:
        b = (
            0.5 * (low + high)
            if np.isfinite(low) and np.isfinite(high)
            else (low + 1.0 if np.isfinite(low) else high - 1.0)
        )
    reach = 4.0
    for _ in range(200):
        slope = workspace.frame.reduce(lambda block, at=b: _slope(workspace, block, at))
        if slope.score > 0:
            low = b
        else:
            high = b
        step = slope.score / slope.information if slope.information > 0 else np.copysign(reach, slope.score)
        if not np.isfinite(step) or abs(step) <= 1e-15 * max(1.0, abs(b)):
            break
        b, last = _inside(b + float(np.clip(step, -reach, reach)), low, high, b), b
        if b == last:
            break
    return b


def _inside(b: float, low: float, high: float, last: float) -> float:
    if low < b < high:
        return b
    if np.isfinite(low) and np.isfinite(high):
        return 0.5 * (low + high)
    return 0.5 * (last + (low if b <= low else high))


def _domain(workspace: Workspace) -> tuple[float, float]:
    """Range of b that keeps every mean inside its domain."""

    def room(block: Block) -> _Range:
        edges = workspace.likelihood.slack(block.offset)
        if edges is None:
            return _Range(-np.inf, np.inf)
        used = block.total > 0
        low, high = (np.ravel(edge)[used] for edge in edges)
        return _Range(-float(low.min(initial=np.inf)), float(high.min(initial=np.inf)))

    return workspace.frame.reduce(room)


class _Range(NamedTuple):
    low: float
    high: float

    def __add__(self, other: _Range) -> _Range:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Range(max(self.low, other.low), min(self.high, other.high))


def _slope(workspace: Workspace, block: Block, b: float) -> _Slope:
    rows = workspace.likelihood.rows(block.y, block.offset + b, block.total, information="expected")
    used = block.total > 0
    assert rows.expected is not None
    return _Slope(float(rows.gradient[used, 0].sum()), float(rows.expected[used, 0, 0].sum()))
