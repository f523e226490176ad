"""Which fits may be compared, and how the coefficients of a smaller model lie among those of a larger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Triangle, triangle
from glmstat.data.reduce import single_blas_thread
from glmstat.errors import ComparisonError
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = [
    "DISPERSIONS",
    "Nesting",
    "check_alike",
    "check_likelihood",
    "check_rows",
    "dispersion_text",
    "nested",
    "nested_terms",
    "offset_text",
    "row_numbers",
    "weights_text",
]

DISPERSIONS = {
    "fixed": "fixed",
    "given": "given",
    "pearson": "Pearson",
    "deviance": "deviance / df",
    "ml": "maximum likelihood",
}
_WEIGHTS = {"weights": "prior", "freq_weights": "frequency", "sampling_weights": "sampling"}
_SHOWN = 5
_ROUNDING = 1e-12  # numbers that two formulas give for the same weight or offset
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


def check_alike(fits: Sequence[Fit]) -> None:
    """Refuse fits of other rows, responses, weights, families, links, or rules for the dispersion.

    Rows, response and weights are compared by their numbers where both fits hold their rows, else by what
    the fits keep of them: a fingerprint of rows and response, totals, and the words of the call.

    Raises
    ------
    ComparisonError : what differs.
    """
    first = fits[0]
    for other in fits[1:]:
        _check_family(first, other)
        check_rows(first, other)
        _check_dispersion(first, other)


def check_likelihood(fit: Fit, test: str, instead: str = 'test="Wald"') -> None:
    """Refuse tests by likelihood under sampling weights.

    Raises
    ------
    ComparisonError : rows with sampling weights are not independent draws.
    """
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            f"A {test} test is not defined with sampling weights: rows are not independent draws. "
            f'Use {instead}, or fit.test(…, method="rao-scott").'
        )


def check_rows(first: Fit, other: Fit) -> None:
    """Refuse fits whose rows, response or weights differ.

    Raises
    ------
    ComparisonError : which rows are only in one of them, which response, or which weights.
    """
    held = first.frame, other.frame
    if held[0] is not None and held[1] is not None:
        _check_selection(held[0], held[1])
        _check_numbers(first, other, held[0], held[1])
    else:
        _check_kept(first, other)


def _check_family(first: Fit, other: Fit) -> None:
    one, two = first.spec.likelihood.family, other.spec.likelihood.family
    if type(one) is not type(two) or one.text != two.text:
        raise ComparisonError(
            f"Models have different families: {one.text} and {two.text}. "
            "Refit one with the family of the other."
        )
    if one.link != two.link:
        raise ComparisonError(
            f"Models have different links: {one.link.text} and {two.link.text}. "
            "They are not nested: compare their aic."
        )


def _check_dispersion(first: Fit, other: Fit) -> None:
    one, two = first.estimate.dispersion, other.estimate.dispersion
    if one.estimator != two.estimator or (one.estimator == "given" and one.value != two.value):
        words = [
            f"{fit.dispersion:.4g} ({DISPERSIONS[fit.estimate.dispersion.estimator]})"
            for fit in (first, other)
        ]
        raise ComparisonError(
            f"Models have different rules for the dispersion: {words[0]} and {words[1]}. "
            "Refit one with the dispersion= of the other."
        )


def _check_selection(first: ModelFrame, other: ModelFrame) -> None:
    """Refuse frames of which one has rows that the other has not."""
    comparable = first.source.rows == other.source.rows
    if comparable:
        one, two = (row_numbers(frame) for frame in (first, other))
        only = (np.setdiff1d(one, two), np.setdiff1d(two, one))
        if not len(only[0]) and not len(only[1]):
            return
        parts = [
            f"{_named(rows)} only in the {place}"
            for rows, place in zip(only, ("first", "second"), strict=True)
            if len(rows)
        ]
        where = f" ({'; '.join(parts)})"
    elif first.rows == other.rows:
        return
    else:
        where = ""
    raise ComparisonError(
        f"Models use different rows: {first.rows} and {other.rows}{where}. "
        "Refit both with subset=, or drop the missing rows first."
    )


def row_numbers(frame: ModelFrame) -> IntArray:
    """Return the source rows that enter a frame."""
    return np.arange(frame.source.rows) if frame.rows_kept is None else frame.rows_kept


def _named(rows: IntArray) -> str:
    """'row 4', 'rows 1, 2, 3', 'rows 1, 2, 3, 4, 5, … (17 rows)'."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = ", ".join(map(str, rows[:_SHOWN].tolist()))
    return f"rows {shown}" + (f", … ({len(rows):,} rows)" if len(rows) > _SHOWN else "")


def _check_numbers(first: Fit, other: Fit, one: ModelFrame, two: ModelFrame) -> None:
    """Refuse frames of the same rows with another response or other weights in them."""
    _check_weight_words(first, other)
    if one is two or (one.source is two.source and _same_words(first, other)):
        return
    responses = [_response_text(fit) for fit in (first, other)]
    for number, (left, right) in enumerate(zip(_numbers(one), _numbers(two), strict=True)):
        bad = np.flatnonzero(np.abs(left - right) > _ROUNDING * np.abs(left))
        if not len(bad):
            continue
        row = row_numbers(one)[bad[0]]
        where = f"{left[bad[0]]:.6g} and {right[bad[0]]:.6g} in row {row}"
        if number == 0:
            raise ComparisonError(
                f"Models have different responses: {responses[0]} and {responses[1]}, {where}. "
                "Likelihoods of different responses cannot be compared."
            )
        kind = "frequency weights" if number == 2 else _total_words(first, other)
        raise ComparisonError(
            f"Models have different {kind}: {where}. Refit one with the weights of the other."
        )


def _numbers(frame: ModelFrame) -> tuple[Array, Array, Array]:
    """Response, weights and frequencies (n,) of the rows that enter."""
    parts = [
        (b.y, b.weights, np.ones(len(b.y)) if b.frequency is None else b.frequency) for b in frame.blocks()
    ]
    y, weights, frequency = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return y, weights, frequency


def _total_words(*fits: Fit) -> str:
    """What multiplies the likelihood of a row: weights by their kind, or trials."""
    words = [
        word for word in ("weights", "sampling_weights") for fit in fits if fit.spec.call[word] is not None
    ]
    return " or ".join(f"{_WEIGHTS[word]} weights" for word in dict.fromkeys(words)) or "numbers of trials"


def _check_weight_words(first: Fit, other: Fit) -> None:
    """Refuse a kind of weights that only one fit has, where the kind says what is estimated."""
    for word in ("freq_weights", "sampling_weights"):
        given = [fit.spec.call[word] is not None for fit in (first, other)]
        if given[0] != given[1]:
            place = "first" if given[0] else "second"
            raise ComparisonError(
                f"Models have different weights: only the {place} has {_WEIGHTS[word]} weights. "
                f"Refit the other with {word}=."
            )


def _same_words(first: Fit, other: Fit) -> bool:
    """Whether response and weights are the same texts in the same data."""
    calls = [fit.spec.call for fit in (first, other)]
    same = all(_same(calls[0][word], calls[1][word]) for word in (*_WEIGHTS, "event", "context"))
    return same and _response_text(first) == _response_text(other)


def _same(one: Any, two: Any) -> bool:
    return one is two or (isinstance(one, str) and isinstance(two, str) and one == two)


def _response_text(fit: Fit) -> str:
    response = fit.spec.design.formula.response
    return "" if response is None else response.text


def _check_kept(first: Fit, other: Fit) -> None:
    """Refuse fits by what they keep of rows that one of them does not hold."""
    one, two = first.estimate, other.estimate
    _check_weight_words(first, other)
    if one.rows != two.rows:
        raise ComparisonError(
            f"Models use different rows: {one.rows} and {two.rows}. Refit both on the same rows; "
            "with_data(data) tells which rows differ."
        )
    if one.fingerprint != two.fingerprint:
        raise ComparisonError(
            f"Models have different rows or responses: {_response_text(first)} and {_response_text(other)} "
            "have other fingerprints. Take with_data(data) to see which rows differ."
        )
    if abs(one.weight - two.weight) > _ROUNDING * abs(one.weight):
        raise ComparisonError(
            f"Models have different weights: their sums are {one.weight:.6g} and {two.weight:.6g}. "
            "Refit one with the weights of the other."
        )


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
    free, kept = (np.flatnonzero(~np.isnan(fit.estimate.theta)) for fit in (large, small))
    factor, wide = _stacked(small, large, free, kept), len(free)
    sizes = np.linalg.norm(factor, axis=0)
    scaled = factor / np.where(sizes > 0, sizes, 1.0)
    outside = np.linalg.norm(factor[wide:, wide:], axis=0) > _allowed(large, factor, free)[wide:]
    if outside.any():
        names = [*(small.columns[slot] for slot in kept), "offset"]
        raise _not_nested(small, large, [names[k] for k in np.flatnonzero(outside)])
    upper, within = scaled[:wide, :wide], scaled[:wide, wide:]
    shares = np.linalg.solve(upper, within) if wide else within
    combination = shares * sizes[wide:] / sizes[:wide, None]
    image, shift = np.zeros((len(large.columns), len(small.columns))), np.zeros(len(large.columns))
    image[np.ix_(free, kept)] = combination[:, :-1]
    shift[free] = combination[:, -1]
    matrix = np.zeros((wide - len(kept), len(large.columns)))
    matrix[:, free] = _complement(shares[:, :-1], within[:, :-1], upper * sizes[:wide])
    return Nesting(image, shift, matrix, matrix @ shift)


def _allowed(large: Fit, factor: Array, free: IntArray) -> Array:
    """What of each column may lie outside: a share of its spread about the mean, or rounding of its size."""
    first = int(len(free) > 0 and free[0] == large.spec.design.intercept)
    spread, size = np.linalg.norm(factor[first:], axis=0), np.linalg.norm(factor, axis=0)
    return np.maximum(_OUTSIDE * spread, 100 * np.finfo(float).eps * size)


def _same_source(small: Fit, large: Fit) -> bool:
    """Whether two fits read the same data, so that equal words are equal numbers."""
    one, two = small.frame, large.frame
    held = one is not None and two is not None and one.source is two.source
    return held and _same(small.spec.call["context"], large.spec.call["context"])


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
    """Triangle of the rows [columns of the larger, of the smaller, difference of offsets]."""
    wide, narrow = (frame_of(fit, "A comparison by columns") for fit in (large, small))
    total = Triangle(np.zeros((len(free) + len(kept) + 1,) * 2))
    with single_blas_thread():
        for k in range(len(large.spec.design.predictors)):
            for ours, theirs in _aligned(_dense(wide, large, k), _dense(narrow, small, k)):
                rows = np.hstack([ours[:, free], theirs[:, kept], theirs[:, -1:] - ours[:, -1:]])
                total = total + Triangle(triangle(rows))
    return total.factor


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


def nested_terms(small: Fit, large: Fit) -> bool:
    """Return whether the formulas alone show that a model lies in a larger one."""
    ours, theirs = small.spec.design, large.spec.design
    parts, calls = theirs.schema.parts, theirs.schema.calls
    return (
        all(parts.get(text) == part for text, part in ours.schema.parts.items())
        and all(calls.get(text) == state for text, state in ours.schema.calls.items())
        and set(ours.columns) <= set(theirs.columns)
        and [part.to_json() for part in ours.offsets] == [part.to_json() for part in theirs.offsets]
        and not any(part.to_json()["text"] is None for part in ours.offsets)
    )


def dispersion_text(fit: Fit) -> str:
    """Return the dispersion of a fit with its estimator: 'dispersion 0.3404 (Pearson)'."""
    found = fit.estimate.dispersion
    value = "1" if found.estimator == "fixed" else f"{found.value:.4g}"
    return f"dispersion {value} ({DISPERSIONS[found.estimator]})"


def offset_text(fit: Fit) -> str:
    """Return what is added to the predictor, or nothing: 'offset log(t)'."""
    parts = [part.text.rpartition("= ")[2] for part in fit.spec.design.offsets]
    return f"offset {' + '.join(dict.fromkeys(parts))}" if parts else ""


def weights_text(fit: Fit) -> str:
    """Return the weights of a fit, or nothing: 'prior weights w'."""
    found = [
        (kind, fit.spec.call[word]) for word, kind in _WEIGHTS.items() if fit.spec.call[word] is not None
    ]
    shown = [f"{kind} weights {given if isinstance(given, str) else '(array)'}" for kind, given in found]
    return ", ".join(shown)
