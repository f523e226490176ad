"""How the coefficients of a smaller model lie among those of a larger one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Triangle, triangle
from glmstat.data.reduce import single_blas_thread
from glmstat.errors import ComparisonError
from glmstat.inference.deviance.comparison import offset_text, same_argument
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["Nesting", "nested", "nested_terms", "same_effects"]

_SHOWN = 5
_OUTSIDE = 1e-8  # share of a column's norm that lies outside the larger space; columns alias at 1e-11


@dataclass(frozen=True, eq=False)
class Nesting:
    """The smaller of two models in the coefficients b of the larger.

    Parameters
    ----------
    image : (p, m) b = image @ (coefficients of the smaller) + shift gives the same predictor.
    shift : (p,) what the difference of the offsets is in b.
    matrix, value : (d, p), (d,) matrix @ b = value on the smaller model, and nowhere else.
    """

    image: Array
    shift: Array
    matrix: Array
    value: Array


def nested(small: Fit, large: Fit) -> Nesting:
    """Return how a model lies in a larger one, found from the columns of both in one pass.

    Every column of the smaller design, and the difference of the offsets, must be a combination of the
    columns of the larger: by their numbers, not by their names, so `poly(x, 2)` lies in
    `x + I(x**2) + f`, and a coefficient that an offset holds at 1 is a restriction as any other.

    Raises
    ------
    ComparisonError : columns, or an offset, of the smaller model that the larger cannot express.
    DataError : a fit holds no rows.
    """
    if not large.estimate.aliased and nested_terms(small, large) and _same_source(small, large):
        return _by_name(small, large)
    if not _effects_inside(small, large):
        raise _not_nested(small, large, [f"absorbed {factor.text}" for factor in small.spec.design.absorbed])
    free, kept = (np.flatnonzero(~np.isnan(fit.estimate.theta)) for fit in (large, small))
    ones, own = (int(fit.estimate.absorbed is not None) for fit in (large, small))
    factor, wide = _stacked(small, large, free, kept), len(free) + ones
    sizes = np.linalg.norm(factor, axis=0)
    scaled = factor / np.where(sizes > 0, sizes, 1.0)
    allowed = _allowed(large, factor, free)[wide:]
    if ones:  # the effects taken out of the offset again leave rounding
        allowed[-1] = max(allowed[-1], _OUTSIDE * np.sqrt(large.nobs))
    outside = np.linalg.norm(factor[wide:, wide:], axis=0) > allowed
    if outside.any():
        names = [*["1"] * own, *(small.columns[slot] for slot in kept), "offset"]
        raise _not_nested(small, large, [names[k] for k in np.flatnonzero(outside)])
    upper, within = scaled[:wide, :wide], scaled[:wide, wide:]
    shares = np.linalg.solve(upper, within) if wide else within
    combination = (shares * sizes[wide:] / sizes[:wide, None])[ones:, own:]
    image, shift = np.zeros((len(large.columns), len(small.columns))), np.zeros(len(large.columns))
    image[np.ix_(free, kept)] = combination[:, :-1]
    shift[free] = combination[:, -1]
    rows = _complement(shares[:, :-1], within[:, :-1], upper * sizes[:wide])[:, ones:]
    matrix = np.zeros((len(rows), len(large.columns)))
    matrix[:, free] = rows
    return Nesting(image, shift, matrix, matrix @ shift)


def _allowed(large: Fit, factor: Array, free: IntArray) -> Array:
    """What of each column may lie outside: a share of its spread about the mean, or rounding of its size."""
    first = int(
        large.estimate.absorbed is not None or (len(free) > 0 and free[0] == large.spec.design.intercept)
    )
    spread, size = np.linalg.norm(factor[first:], axis=0), np.linalg.norm(factor, axis=0)
    return np.maximum(_OUTSIDE * spread, 100 * np.finfo(float).eps * size)


def _same_source(small: Fit, large: Fit) -> bool:
    """Whether two fits read the same data, so that equal words are equal numbers."""
    one, two = small.frame, large.frame
    held = one is not None and two is not None and one.source is two.source
    return held and same_argument(small.spec.call["context"], large.spec.call["context"])


def _by_name(small: Fit, large: Fit) -> Nesting:
    places = [large.columns.index(name) for name in small.columns]
    width = len(large.columns)
    image, rest = np.eye(width)[:, places], np.setdiff1d(np.arange(width), places)
    return Nesting(image, np.zeros(width), np.eye(width)[rest], np.zeros(len(rest)))


def _complement(shares: NDArray[Any], within: Array, upper: Array) -> Array:
    """Rows (d, q) that are 0 exactly on the image of the smaller model: whole coefficients where possible.

    shares, within (q, m): its columns in those of the larger, and in orthonormal coordinates of them.
    upper (q, q): from coefficients to those coordinates.
    """
    count, rank = within.shape
    untouched = np.flatnonzero(np.abs(shares).max(axis=1, initial=0.0) <= _OUTSIDE)
    if len(untouched) == count - rank:
        return np.eye(count)[untouched]
    vectors = np.linalg.svd(within, full_matrices=True)[0]
    rows = vectors[:, rank:].T @ upper
    return rows / np.abs(rows).max(axis=1, keepdims=True)


def _stacked(small: Fit, large: Fit, free: IntArray, kept: IntArray) -> Array:
    """Triangle of the rows [columns of the larger, of the smaller, difference of offsets].

    Absorbed effects hold the constant: it stands first among the columns of their model.
    """
    wide, narrow = (_written(fit) for fit in (large, small))
    first, other = (int(fit.estimate.absorbed is not None) for fit in (large, small))
    total = Triangle(np.zeros((len(free) + len(kept) + 1 + first + other,) * 2))
    with single_blas_thread():
        for k in range(len(large.spec.design.predictors)):
            for ours, theirs in _aligned(_dense(wide, large, k), _dense(narrow, small, k)):
                one, two = np.ones((len(ours), first)), np.ones((len(ours), other))
                change = theirs[:, -1:] - ours[:, -1:]
                rows = np.hstack([one, ours[:, free], two, theirs[:, kept], change])
                total = total + Triangle(triangle(rows))
    return total.factor


def _written(fit: Fit) -> ModelFrame:
    """The rows of a fit with the columns as written, absorbed effects not taken out."""
    frame, known = frame_of(fit, "A comparison by columns"), fit.estimate.absorbed
    return frame if known is None else frame.changed(known.undo(fit.estimate.theta))


def _aligned(left: Iterator[Array], right: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield the same rows of two streams whose runs may differ in length."""
    one, two = next(left, None), next(right, None)
    while one is not None and two is not None:
        rows = min(len(one), len(two))
        yield one[:rows], two[:rows]
        one = one[rows:] if len(one) > rows else next(left, None)
        two = two[rows:] if len(two) > rows else next(right, None)


def _dense(frame: ModelFrame, fit: Fit, k: int) -> Iterator[Array]:
    """Yield runs (m, p + 1) of the rows of weight > 0: columns of one predictor in their slots, offset."""
    slots = fit.spec.design.predictors[k].slots
    for block in frame.blocks():
        used = block.total > 0
        for rows, run in block.X[k].runs():
            out = np.zeros((run.shape[1], len(fit.columns) + 1))
            out[:, slots] = run.T
            out[:, -1] = block.offset[rows, k]
            if used[rows].any():
                yield out[used[rows]]


def _not_nested(small: Fit, large: Fit, outside: list[str]) -> ComparisonError:
    if outside == ["offset"]:
        ours, theirs = (offset_text(fit) or "no offset" for fit in (small, large))
        return ComparisonError(
            f"Models have different offsets: {ours} in the smaller, {theirs} in the larger, and no columns "
            "of the larger make up for it. Refit one with the offset of the other."
        )
    names = ", ".join(outside[:_SHOWN]) + (", …" if len(outside) > _SHOWN else "")
    return ComparisonError(
        f"Models are not nested: {names} of '{small.formula}' cannot be written in the columns of "
        f"'{large.formula}'. Compare their aic, or fit a model that holds both."
    )


def _effects_inside(small: Fit, large: Fit) -> bool:
    """Whether each absorbed factor of a model is one of another, or a part of a combination there."""
    ours, theirs = small.spec.design, large.spec.design
    known = theirs.schema.absorbed
    return all(
        any(set(term.parts) <= set(other.parts) for other in theirs.formula.absorbed)
        and all(known[part.text] == ours.schema.absorbed[part.text] for part in term.parts)
        for term in ours.formula.absorbed
    )


def same_effects(small: Fit, large: Fit) -> bool:
    """Return whether two models absorb the same."""
    return _effects_inside(small, large) and _effects_inside(large, small)


def nested_terms(small: Fit, large: Fit) -> bool:
    """Return whether the formulas alone show that a model lies in a larger one."""
    ours, theirs = small.spec.design, large.spec.design
    parts, calls = theirs.schema.parts, theirs.schema.calls
    return (
        all(parts.get(text) == part for text, part in ours.schema.parts.items())
        and all(calls.get(text) == state for text, state in ours.schema.calls.items())
        and set(ours.columns) <= set(theirs.columns)
        and _effects_inside(small, large)
        and [part.to_json() for part in ours.offsets] == [part.to_json() for part in theirs.offsets]
        and not any(part.to_json()["text"] is None for part in ours.offsets)
    )
