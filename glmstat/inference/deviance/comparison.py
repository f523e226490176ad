"""Which fits may be compared, and the words for what must be alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.data.frame import Frame
from glmstat.errors import ComparisonError, one_of
from glmstat.inference.rows import Named
from glmstat.inference.statement import need_likelihood
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = [
    "DISPERSIONS",
    "check_alike",
    "check_likelihood",
    "check_rows",
    "dispersion_text",
    "offset_text",
    "rows_beyond",
    "same_argument",
    "weights_text",
]

DISPERSIONS = {
    "fixed": "fixed",
    "given": "given",
    "pearson": "Pearson",
    "deviance": "deviance / df",
    "ml": "maximum likelihood",
    "adjusted": "adjusted score",
}
_WEIGHTS = {"weights": "prior", "freq_weights": "frequency", "sampling_weights": "sampling"}
_SHOWN = 5
_ROUNDING = 1e-12  # numbers that two formulas give for the same weight or offset


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
    need_likelihood(fit, f"A {test} test", "score" if test.startswith("score") else "ratio")
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
    one, two = first.spec.family, other.spec.family
    if type(one) is not type(two) or one.text != two.text:
        names = {one.name, two.name}
        if names == {"poisson", "negative_binomial"}:
            raise ComparisonError(
                f"Models have different families: {one.text} and {two.text}. The test of one against the "
                "other, for the same formula, is test_poisson() of the negative binomial fit."
            )
        if names == {"negative_binomial"} or names == {"tweedie"}:
            (unknown,) = type(one)(None, link=one.link).unknown  # pyright: ignore[reportCallIssue]
            raise ComparisonError(
                f"Models have different families: {one.text} and {two.text}. Refit one with the family of "
                f'the other, or both with family="{one.name}", which estimates {unknown} in each.'
            )
        raise ComparisonError(
            f"Models have different families: {one.text} and {two.text}. "
            "Refit one with the family of the other."
        )
    if one.link != two.link:
        raise ComparisonError(
            f"Models have different links: {one.link.text} and {two.link.text}. "
            "They are not nested: compare their aic."
        )
    ours, theirs = (fit.spec.likelihood.predictors for fit in (first, other))
    if ours != theirs:
        names = [one_of(own) for own in (ours, theirs)]
        named = next(name for name in (*ours, *theirs) if name not in ours or name not in theirs)
        raise ComparisonError(
            f"Models have different predictors: {names[0]}, and {names[1]}. Refit the one without by "
            f'predictors={{"{named}": "~ 1"}}.'
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
        only = rows_beyond(first, other), rows_beyond(other, first)
        if not only[0].count and not only[1].count:
            return
        parts = [
            f"{_named(rows)} only in the {place}"
            for rows, place in zip(only, ("first", "second"), strict=True)
            if rows.count
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


def rows_beyond(first: ModelFrame, other: ModelFrame) -> Named:
    """Return the source rows that count in one frame and do not enter another of the same data.

    Of data that are not in memory a pass finds them, and no array of all rows is made.
    """
    if first.source.held or first.small:
        beyond = np.setdiff1d(_row_numbers(first), _row_numbers(other))
        return first.reduce(lambda block: Named.of(np.intersect1d(_counting(block), beyond)))
    selection = other.selection

    def kernel(block: Block) -> Named:
        rows: Frame = block.frame
        theirs = selection.entering(replace(rows, chosen=None, _read={})).numbers
        return Named.of(np.setdiff1d(_counting(block), theirs))

    return first.reduce(kernel)


def _counting(block: Block) -> IntArray:
    """Source rows with a weight."""
    return block.source_rows(np.flatnonzero(block.counted > 0))


def _row_numbers(frame: ModelFrame) -> IntArray:
    return np.arange(frame.source.rows) if frame.rows_kept is None else frame.rows_kept


def _named(rows: Named) -> str:
    """'row 4', 'rows 1, 2, 3', 'rows 1, 2, 3, 4, 5, … (17 rows)'."""
    if rows.count == 1:
        return f"row {rows.rows[0]}"
    shown = ", ".join(map(str, rows.rows[:_SHOWN]))
    return f"rows {shown}" + (f", … ({rows.count:,} rows)" if rows.count > _SHOWN else "")


def _check_numbers(first: Fit, other: Fit, one: ModelFrame, two: ModelFrame) -> None:
    """Refuse frames of the same rows with another response or other weights in them."""
    _check_weight_words(first, other)
    if one is two or (one.source is two.source and _same_words(first, other)):
        return
    responses = [_response_text(fit) for fit in (first, other)]
    if not (one.source.held and two.source.held):
        _check_sums(first, other, responses)
        return
    for number, (left, right) in enumerate(zip(_numbers(one), _numbers(two), strict=True)):
        bad = np.flatnonzero(np.abs(left - right) > _ROUNDING * np.abs(left))
        if not len(bad):
            continue
        row = _row_numbers(one)[bad[0]]
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


def _check_sums(first: Fit, other: Fit, responses: Sequence[str]) -> None:
    """Refuse other responses or weights in the same rows by what sums over them tell."""
    if first.estimate.fingerprint != other.estimate.fingerprint:
        raise ComparisonError(
            f"Models have different responses: {responses[0]} and {responses[1]}. "
            "Likelihoods of different responses cannot be compared."
        )
    one, two = first.estimate.weight, other.estimate.weight
    if abs(one - two) > _ROUNDING * abs(one):
        raise ComparisonError(
            f"Models have different {_total_words(first, other)}: their sums are {one:.6g} and {two:.6g}. "
            "Refit one with the weights of the other."
        )


def _numbers(frame: ModelFrame) -> tuple[Array, Array, Array]:
    """Response, weights and frequencies (n,) of the rows that enter."""
    parts = [(b.y, b.weights, b.frequencies) for b in frame.blocks()]
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
    same = all(same_argument(calls[0][word], calls[1][word]) for word in (*_WEIGHTS, "event", "context"))
    return same and _response_text(first) == _response_text(other)


def same_argument(one: Any, two: Any) -> bool:
    """Return whether two arguments of calls are the same text, or the same object."""
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
