"""Models made of some of the terms of a fit, as restrictions of its coefficients."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.formula.contrast import Contrast
from glmstat.formula.piece import Piece, build_pieces
from glmstat.formula.schema import BASIS, FACTOR, Encoding
from glmstat.formula.terms import Linear
from glmstat.inference.estimable import null_space
from glmstat.matrix import Array, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.formula.design import Design, Predictor

__all__ = [
    "FitTerm",
    "contains",
    "embedded",
    "estimable_rows",
    "fit_terms",
    "key",
    "mean_terms",
    "null_basis",
    "recoded",
    "without",
]

_ROUNDING = 1e-9  # share of the largest entry below which an entry of a change of coding is rounding


@dataclass(frozen=True, eq=False)
class FitTerm:
    """A term of a fit.

    Parameters
    ----------
    label : as written; behind the name of its predictor where that is not the mean's.
    term : the term.
    predictor : number of its predictor.
    slots : (k,) places of its coefficients.
    """

    label: str
    term: Linear
    predictor: int
    slots: IntArray


def key(term: Linear) -> frozenset[str]:
    """Return the parts of a term, whatever their order."""
    return frozenset(part.text for part in term.parts)


def contains(outer: Linear, inner: Linear) -> bool:
    """Return whether a term is marginal to another: all its parts are in that one, and more.

    >>> from glmstat.formula.parse import parse
    >>> _, x, xf = parse("y ~ x + x:f").linear
    >>> contains(xf, x), contains(x, xf)
    (True, False)
    """
    return key(inner) < key(outer)


def fit_terms(fit: Fit) -> tuple[FitTerm, ...]:
    """Return the terms of a fit but for intercepts, in the order of its columns."""
    predictors, others = fit.spec.design.predictors, fit.spec.design.others
    return tuple(
        FitTerm(
            f"{predictor.name}:{piece.term}" if predictor.name in others else str(piece.term),
            piece.linear,
            number,
            predictor.slots[piece.slots],
        )
        for number, predictor in enumerate(predictors)
        for piece in predictor.pieces
        if piece.term.parts
    )


def mean_terms(fit: Fit) -> tuple[FitTerm, ...]:
    """Return the terms of the first predictor: those of the formula."""
    return tuple(term for term in fit_terms(fit) if term.predictor == 0)


def without(fit: Fit, dropped: Collection[FitTerm]) -> Array:
    """Return rows R (m, p) with R coef = 0 on the model without some terms, and nowhere else.

    These are the terms' columns, but where the others are then coded in more columns: without f,
    `0 + f + g` is `0 + g`.
    """
    rows = [
        _without(fit, number, predictor, [term for term in dropped if term.predictor == number])
        for number, predictor in enumerate(fit.spec.design.predictors)
    ]
    return np.vstack(rows)


def _without(fit: Fit, number: int, predictor: Predictor, dropped: Sequence[FitTerm]) -> Array:
    gone = {key(term.term) for term in dropped}
    everything = np.eye(len(fit.columns))
    lost = [slot for piece in predictor.pieces if key(piece.linear) in gone for slot in _range(piece)]
    by_column = everything[predictor.slots[np.array(lost, dtype=np.intp)]]
    if not gone or len(gone) == len([piece for piece in predictor.pieces if piece.term.parts]):
        return by_column
    parts = fit.spec.design.schema.parts
    left = tuple(piece.linear for piece in predictor.pieces if key(piece.linear) not in gone)
    absorbing = bool(fit.spec.design.absorbed)
    used = {text: parts[text] for term in left for text in key(term)}
    pieces = build_pieces(left, used, absorbing=absorbing)
    change = _change(predictor.pieces, pieces, parts, parts)
    if change is None or (np.isin(change, (0.0, 1.0)).all() and (change.sum(axis=0) == 1.0).all()):
        return by_column
    vectors = np.linalg.svd(change, full_matrices=True)[0]
    rows = np.zeros((change.shape[0] - change.shape[1], len(fit.columns)))
    rows[:, predictor.slots] = _clean(vectors[:, change.shape[1] :].T)
    return rows


def embedded(small: Design, large: Design, theta: Array) -> Array | None:
    """Return coefficients (p,) of the larger design with the predictor of the smaller; None without any.

    Parameters
    ----------
    theta : (m,) of the smaller design, learned from the same rows.
    """
    out = np.zeros(len(large.columns))
    for ours, theirs in zip(small.predictors, large.predictors, strict=True):
        change = _change(theirs.pieces, ours.pieces, large.schema.parts, small.schema.parts)
        if change is None:
            return None
        out[theirs.slots] = change @ theta[ours.slots]
    return out


def _range(piece: Piece) -> range:
    return range(piece.slots.start, piece.slots.stop)


def recoded(fit: Fit) -> tuple[Mapping[str, Array], tuple[str, ...]]:
    """Return, for each term, the rows R (m, p) that are its coefficients if factors had sum contrasts.

    Returns
    -------
    Rows by label, and the factors that the fit codes otherwise.
    """
    parts = fit.spec.design.schema.parts
    summed = {text: _summed(part) for text, part in parts.items()}
    changed = tuple(text for text, part in parts.items() if summed[text] is not part and _is_uncentred(part))
    rows: dict[str, Array] = {}
    for number, predictor in enumerate(fit.spec.design.predictors):
        linear = tuple(piece.linear for piece in predictor.pieces)
        used = {text for term in linear for text in key(term)}
        own = {text: part for text, part in summed.items() if text in used}
        pieces = build_pieces(linear, own, absorbing=bool(fit.spec.design.absorbed))
        change = _change(predictor.pieces, pieces, parts, summed)
        assert change is not None  # both codings span the same functions
        back = np.zeros((len(predictor.slots), len(fit.columns)))
        back[:, predictor.slots] = _clean(np.linalg.inv(change))
        for term in fit_terms(fit):
            if term.predictor == number:
                place = next(piece.slots for piece in pieces if piece.term == term.term)
                rows[term.label] = back[place]
    return rows, changed


def _summed(part: Encoding) -> Encoding:
    """The factor with sum contrasts, unless its own contrasts span less."""
    if part.kind != FACTOR or part.width(full=False) != len(part.levels) - 1:
        return part
    return replace(part, contrast=Contrast("sum"))


def _is_uncentred(part: Encoding) -> bool:
    """Whether the coefficients of a factor are not deviations from the mean over its levels."""
    centred = part.contrast is not None and part.contrast.kind in ("sum", "helmert", "poly", "sdif")
    ordered = part.contrast is not None and part.contrast.kind == "R" and part.ordered
    return part.kind == FACTOR and len(part.levels) > 1 and not centred and not ordered


def estimable_rows(fit: Fit, rows: Array) -> Array:
    """Return restrictions of the coefficients that are not aliased, the same as R coef = 0 on the rows.

    An aliased coefficient that R leaves free makes up for others, so that fewer restrictions remain.

    Parameters
    ----------
    rows : R (m, p).
    """
    aliased = np.isnan(fit.estimate.theta)
    if not aliased.any():
        return rows
    space = null_space(fit)
    stands_for = -space[~aliased] / space[aliased].sum(axis=0)
    image = np.hstack([np.eye(int((~aliased).sum())), stands_for])
    order = np.concatenate([np.flatnonzero(~aliased), np.flatnonzero(aliased)])
    inside = image @ null_basis(rows[:, order])
    left = null_basis(inside.T).T
    out = np.zeros((len(left), len(aliased)))
    out[:, ~aliased] = _clean(left)
    return out


def null_basis(rows: NDArray[Any]) -> Array:
    """Orthonormal columns that `rows` (m, p) map to 0."""
    if not len(rows):
        return np.eye(rows.shape[1])
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    _, values, vectors = np.linalg.svd(rows / np.where(sizes > 0, sizes, 1.0), full_matrices=True)
    rank = int(np.sum(values > 1e-8 * values.max(initial=0.0)))
    return vectors[rank:].T


def _change(
    old: Sequence[Piece],
    new: Sequence[Piece],
    old_parts: Mapping[str, Encoding],
    new_parts: Mapping[str, Encoding],
) -> Array | None:
    """A (p, m) with (columns of new) = (columns of old) @ A for every row, or None where there is none.

    Both are multi-affine in the values of the parts, so they agree everywhere if they agree at generic
    values, where indicators of levels need only add up to 1.
    """
    if (chosen := _selection(old, new, old_parts, new_parts)) is not None:
        return chosen
    width = sum(len(piece.columns) for piece in old)
    draws = dict(_draws(old_parts, 2 * width + 10))
    left, right = _columns(old, draws, 2 * width + 10), _columns(new, draws, 2 * width + 10)
    change, *_ = np.linalg.lstsq(left, right, rcond=None)
    misses = np.linalg.norm(left @ change - right, axis=0) > 1e-8 * np.linalg.norm(right, axis=0)
    return None if misses.any() else _clean(change)


def _selection(
    old: Sequence[Piece],
    new: Sequence[Piece],
    old_parts: Mapping[str, Encoding],
    new_parts: Mapping[str, Encoding],
) -> Array | None:
    """The columns of new among those of old, or None where a term is coded otherwise."""
    known = {piece.term: piece for piece in old}
    used = {text for piece in new for text in key(piece.linear)}
    if any(old_parts.get(text) != new_parts[text] for text in used):
        return None
    if any(piece.term not in known or known[piece.term].columns != piece.columns for piece in new):
        return None
    out = np.zeros((sum(len(p.columns) for p in old), sum(len(p.columns) for p in new)))
    for piece in new:
        out[known[piece.term].slots, piece.slots] = np.eye(len(piece.columns))
    return out


def _draws(parts: Mapping[str, Encoding], rows: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(0)
    for text, part in parts.items():
        if part.kind == FACTOR:
            draw = rng.normal(size=(rows, len(part.levels)))
            yield text, draw - draw.mean(axis=1, keepdims=True) + 1.0 / len(part.levels)
        else:
            yield text, rng.normal(size=(rows, len(part.labels) if part.kind == BASIS else 1))


def _columns(pieces: Sequence[Piece], draws: Mapping[str, Array], rows: int) -> Array:
    """Columns of the pieces at the drawn values of their parts; the first part's vary fastest."""
    found = []
    for piece in pieces:
        for group in piece.groups:
            done = np.ones((rows, 1))
            for text, coding in group:
                part = draws[text] if coding is None else draws[text] @ coding
                done = (part[:, :, None] * done[:, None, :]).reshape(rows, -1)
            found.append(done)
    return np.hstack(found) if found else np.zeros((rows, 0))


def _clean(matrix: NDArray[Any]) -> Array:
    """The matrix without entries that are rounding."""
    return np.where(np.abs(matrix) > _ROUNDING * np.abs(matrix).max(initial=0.0), matrix, 0.0)
