"""The model with an intercept and the offset only: its linear predictor less the offset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glmstat.compute import Counts
from glmstat.matrix import Array, Block
from glmstat.workspace import Workspace

__all__ = ["null_intercept"]


class _LogRatio(NamedTuple):
    """Sum of w y exp((1 - p) offset) and of w exp((2 - p) offset), each over exp(its shift)."""

    top: float
    top_shift: float
    bottom: float
    bottom_shift: float

    def __add__(self, other: _LogRatio) -> _LogRatio:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _LogRatio(
            *_add_shifted(self.top, self.top_shift, other.top, other.top_shift),
            *_add_shifted(self.bottom, self.bottom_shift, other.bottom, other.bottom_shift),
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
    family, link = workspace.likelihood.family, workspace.likelihood.family.link
    with np.errstate(all="ignore"):
        mean = counts.response / counts.weight if counts.weight else np.nan
        simple = float(link.eta(np.array([mean]))[0])
        if not has_offset:
            return simple
        if workspace.likelihood.null_power is not None and (mean > 0 or family.power == 1):
            return _log_ratio(workspace, float(workspace.likelihood.null_power))
        if family.name == "gaussian" and link.name == "identity":
            return float(workspace.frame.reduce(_difference)) / counts.weight
        return _root(workspace, simple) if np.isfinite(simple) else simple


def _difference(block: Block) -> float:
    return float(block.total @ (block.y - block.offset[:, 0]))


def _log_ratio(workspace: Workspace, power: float) -> float:
    sums = workspace.frame.reduce(lambda block: _ratio_of(block, power))
    return float(np.log(sums.top) + sums.top_shift - np.log(sums.bottom) - sums.bottom_shift)


def _ratio_of(block: Block, power: float) -> _LogRatio:
    offset, weights = block.offset[:, 0], block.total
    if not (weights > 0).any():
        return _LogRatio(0.0, -np.inf, 0.0, -np.inf)
    return _LogRatio(
        *_shifted(weights * block.y, 1.0 - power, offset), *_shifted(weights, 2.0 - power, offset)
    )


def _shifted(factor: Array, multiple: float, offset: Array) -> tuple[float, float]:
    """Sum of factor * exp(multiple * offset), and the exponent taken out of it."""
    if multiple == 0.0:
        return float(factor.sum()), 0.0
    used, exponent = factor != 0, multiple * offset
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
