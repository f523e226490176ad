"""Analysis of deviance: the terms of a fit one by one, or several fits, in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.deviance.comparison import check_alike, offset_text
from glmstat.inference.deviance.difference import (
    Inside,
    Outcome,
    by_deviance,
    by_score,
    by_wald,
    check_test,
    columns_of,
    fall_fields,
    foot,
    heading,
)
from glmstat.inference.deviance.nesting import nested, nested_terms, same_effects
from glmstat.inference.deviance.submodel import FitTerm, contains, fit_terms, recoded, without
from glmstat.inference.hypothesis.rao import scores_at
from glmstat.inference.restrict import Restricted, Subspace
from glmstat.inference.selected import selection_note
from glmstat.inference.statement import compared_within
from glmstat.matrix import Array
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["NO_TERMS", "Anova", "analysis", "anova"]

NO_TERMS = "no terms to test"
_TYPES = ("I", "II", "III")
_NUMBERS = {"1": "I", "2": "II", "3": "III"}
_WORDS = {"I": "sequential", "II": "type II", "III": "type III"}


@dataclass(frozen=True, eq=False, repr=False)
class Anova(Listing):
    """An analysis of deviance in print.

    Parameters
    ----------
    type : "I", "II", "III", "fits", "drop" or "add".
    test : "LRT" (by chi-squared), "F", "Rao" or "Wald".
    dispersion : what the statistics are divided by.
    """

    type: str = "I"
    test: str = "LRT"
    dispersion: float = 1.0


def analysis(
    fit: Fit,
    type: str = "I",
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return the analysis of deviance of one fit: a test of every term.

    A term is dropped with its columns and the rest refitted from the estimate; the dispersion is that of
    the fit, the largest model, in every row. Rows, weights and offset stay.

    Parameters
    ----------
    type : "I" adds the terms in their order, "II" tests each within the model of all terms that do not
        contain it, "III" each given all others: linear restrictions that are the same for every coding of
        the factors (those of sum contrasts).
    test : "LRT": fall of the deviance / dispersion; "Rao" (or "score"); "Wald": no refit, robust under a
        sandwich `vcov`. Where the dispersion is estimated the statistic is divided by df and compared with
        F(df, df_residual), else chi-squared with df. "F" and "Chisq" are the likelihood ratio by that
        distribution and no other. With compat="R", "LRT" and "Rao" are always by chi-squared, as R's anova.
    vcov : as in `Fit.vcov`.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Anova with columns df, deviance (the fall), for type I resid_df and resid_dev of the model with the terms
    so far, statistic, p_value. In type I, statistic is left out where it is the fall itself.
    Where tests compare penalised likelihoods there is no column deviance: resid_dev is without the penalty.

    Raises
    ------
    ArgumentError : unknown type or test; "F" where the dispersion is known.
    ComparisonError : a test by likelihood with sampling weights; type III with aliased coefficients.

    Source: McCullagh & Nelder (1989), section 2.3; Fox (2016), section 8.2; numbers as R's anova.glm and
    car's Anova (type III: after contr.sum).

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "f": list("ababab")}
    >>> table = analysis(glmstat.glm("y ~ x + f", data, "poisson"))
    >>> table.index, table["df"]
    (('null', 'x', 'f'), [None, 1, 1])
    """
    type = _NUMBERS.get(str(type), type)
    if type not in _TYPES:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(_TYPES)}.{near(str(type), _TYPES)}")
    fit = fit.with_vcov(vcov, data=data)
    kind = check_test(fit, test)
    inside, terms = Inside(fit, kind), fit_terms(fit)
    if type == "I":
        return _sequential(inside, terms)
    notes: list[str] = []
    if type == "II":
        outcomes = [inside.test(*_marginal(fit, term, terms)) for term in terms]
        notes.append("each term within the model of all terms that do not contain it")
    else:
        rows, changed = _restrictions(fit)
        outcomes = [inside.test(rows[term.label], np.zeros((0, len(fit.columns)))) for term in terms]
        notes += _third_notes(fit, terms, changed)
    fall = fall_fields(fit) if kind in ("LRT", "F") else ("df",)
    fields = (*fall, "statistic", "p_value")
    return _table(inside, type, [term.label for term in terms], columns_of(outcomes, fields), outcomes, notes)


def anova(*fits: Fit, test: str = "LRT", vcov: str | Covariance | None = None) -> Anova:
    """Return the tests between several fits, each within the next larger one.

    One table for R's anova, lmtest's lrtest and waldtest. The fits are ordered by their residual degrees of
    freedom, whatever their order in the call; columns decide whether one lies in the next, not names.

    Parameters
    ----------
    fits : two or more fits of the same rows, response, weights, family and link; one fit is analysed term
        by term.
    test : as in `analysis`. All but "Wald" divide by the dispersion of the largest model, as R's anova (for
        families with an estimated dispersion lrtest takes another one for each fit); "Wald" uses the
        covariance of the larger of two fits.
    vcov : covariance of Wald tests; default that of the fits, if all carry the same.

    Returns
    -------
    Anova with a row per formula: df, deviance (the fall), resid_df, resid_dev, statistic, p_value.

    Raises
    ------
    ComparisonError : fits that are not of the same rows, response, weights, family, link or dispersion rule,
        or not nested: what differs; Wald tests of fits with different covariances, without `vcov`.
    ArgumentError : something that is not a fit.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "f": list("ababab")}
    >>> fits = [glmstat.glm(text, data, "poisson") for text in ("y ~ x", "y ~ x + f")]
    >>> anova(*fits).index
    ('y ~ x', 'y ~ x + f')
    """
    _check_fits(fits)
    if len(fits) == 1:
        return analysis(fits[0], test=test, vcov=vcov)
    check_alike(fits)
    if vcov is None:
        _check_covariances(fits, test)
    ordered = sorted(fits, key=lambda fit: -fit.df_residual)
    largest = ordered[-1].with_vcov(vcov)
    kind = check_test(largest, test)
    for small, large in pairwise(ordered):
        if small.df_residual == large.df_residual:
            raise ComparisonError(
                f"Models are not nested: '{small.formula}' and '{large.formula}' have the same degrees of "
                "freedom. Compare their aic."
            )
    outcomes = [_between(small, large.with_vcov(vcov), largest, kind) for small, large in pairwise(ordered)]
    columns = {
        **columns_of([None, *outcomes], fall_fields(largest)),
        "resid_df": [fit.df_residual for fit in ordered],
        "resid_dev": [fit.deviance for fit in ordered],
        **columns_of([None, *outcomes], ("statistic", "p_value")),
    }
    same_offset = len({offset_text(fit) for fit in fits}) == 1
    chosen = (line for fit in ordered for line in selection_note(fit))
    lines = (*foot(largest, kind, outcomes, offset=same_offset), *_status_notes(ordered), *chosen)
    notes = list(dict.fromkeys(lines))
    if list(fits) != ordered:
        notes.append("fits are ordered by their residual degrees of freedom")
    return Anova(
        (heading(largest, "Analysis of deviance of fits"),),
        tuple(fit.spec.design.text for fit in ordered),
        columns,
        tuple(notes),
        largest.native,
        "formula",
        "fits",
        kind,
        largest.dispersion,
    )


def _sequential(inside: Inside, terms: Sequence[FitTerm]) -> Anova:
    fit, kind = inside.fit, inside.kind
    models = [without(fit, terms[place:]) for place in range(len(terms) + 1)]
    outcomes = [inside.test(small, large) for small, large in pairwise(models)]
    if kind == "Wald":
        columns = columns_of(outcomes, ("df", "statistic", "p_value"))
        return _table(inside, "I", [term.label for term in terms], columns, outcomes, [])
    points = [inside.point(model) for model in models]
    fixed = fit.estimate.dispersion.estimator == "fixed"
    repeats = kind == "LRT" and fixed and not compared_within(fit)
    columns = {
        **columns_of([None, *outcomes], fall_fields(fit)),
        "resid_df": [fit.nobs - point.rank for point in points],
        "resid_dev": [point.deviance for point in points],
        **columns_of([None, *outcomes], ("p_value",) if repeats else ("statistic", "p_value")),
    }
    return _table(inside, "I", ["null", *(term.label for term in terms)], columns, outcomes, [])


def _marginal(fit: Fit, term: FitTerm, terms: Sequence[FitTerm]) -> tuple[Array, Array]:
    """The models without a term and with it, both without the terms that contain it."""
    above = [
        other for other in terms if other.predictor == term.predictor and contains(other.term, term.term)
    ]
    return without(fit, [term, *above]), without(fit, above)


def _restrictions(fit: Fit) -> tuple[Any, tuple[str, ...]]:
    """Type III restrictions by term, and the factors that are coded otherwise."""
    aliased = fit.estimate.aliased
    if aliased:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(aliased.items())[:3])
        raise ComparisonError(
            f"Type III tests need every coefficient: {reasons}. "
            'Use type="II", or leave out what the rows do not determine.'
        )
    return recoded(fit)


def _third_notes(fit: Fit, terms: Sequence[FitTerm], changed: Sequence[str]) -> Iterator[str]:
    if changed:
        yield f"{', '.join(changed)}: recoded to sum contrasts, so that no test depends on the coding"
    factors = {text for text, part in fit.spec.design.schema.parts.items() if part.kind == "factor"}
    numbers = dict.fromkeys(
        part.text
        for outer in terms
        for part in outer.term.parts
        if part.text not in factors and any(contains(outer.term, inner.term) for inner in terms)
    )
    if numbers:
        yield f"terms inside interactions with {', '.join(numbers)} are tested where that is 0"


def _table(
    inside: Inside,
    type: str,
    labels: Sequence[str],
    columns: dict[str, list[Any]],
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
) -> Anova:
    fit = inside.fit
    return Anova(
        (heading(fit, f"Analysis of deviance, {_WORDS[type]}"),),
        tuple(labels),
        columns,
        (*foot(fit, inside.kind, outcomes), *(notes if outcomes else [NO_TERMS]), *inside.notes()),
        fit.native,
        "term",
        type,
        inside.kind,
        fit.dispersion,
    )


def _check_fits(fits: Sequence[Any]) -> None:
    from glmstat.fit import Fit

    strangers = [fit for fit in fits if not isinstance(fit, Fit)]
    if strangers or not fits:
        found = type(strangers[0]).__name__ if strangers else "nothing"
        raise ArgumentError(f"anova compares fits: got {found}. Write anova(fit0, fit1).")


def _check_covariances(fits: Sequence[Fit], test: str) -> None:
    """Refuse Wald tests of fits that carry different covariances, of which one would be chosen unseen."""
    kinds = list(dict.fromkeys(fit.covariance.kind for fit in fits))
    if check_test(fits[0], test) == "Wald" and len({fit.covariance.key for fit in fits}) > 1:
        named = " and ".join(kinds) if len(kinds) > 1 else f"{kinds[0]} of different clusters or choices"
        raise ComparisonError(f"Fits carry different covariances: {named}. Give vcov=.")


def _within(small: Fit, large: Fit, largest: Fit, kind: str) -> Outcome:
    """The test of one fit within another whose penalty is that of its columns: a restriction of it."""
    if small.spec.estimator != large.spec.estimator:
        ways = [
            fit.spec.statement.choice if fit.spec.statement is not None else "maximum likelihood"
            for fit in (small, large)
        ]
        raise ComparisonError(
            f"Models are estimated in different ways: {ways[0]} and {ways[1]}. Refit one as the other."
        )
    nesting = nested(small, large)
    if kind == "Wald":
        return by_wald(large, nesting.matrix, nesting.value)
    point, own = Subspace(large, nesting.matrix).fit(nesting.value), large.estimate
    return by_deviance(largest, (point.minimum, point.rank), (own.minimum, own.rank), kind)


def _between(small: Fit, large: Fit, largest: Fit, kind: str) -> Outcome:
    """The test of one fit within another."""
    if compared_within(large) or compared_within(small):
        return _within(small, large, largest, kind)
    one, two = ((fit.estimate.minimum, fit.estimate.rank) for fit in (small, large))
    found = by_deviance(largest, one, two, kind)
    if kind in ("LRT", "F") and (small.frame is None or large.frame is None) and nested_terms(small, large):
        return found
    nesting = nested(small, large)
    if kind in ("Wald", "Rao") and not same_effects(small, large):
        raise ComparisonError(
            f"A {kind} test of absorbed effects is not defined: '{small.formula}' and '{large.formula}' "
            'absorb different factors, whose effects are no coefficients. Use test="LRT".'
        )
    if kind == "Wald":
        wald = by_wald(large, nesting.matrix, nesting.value)
        return wald._replace(deviance=found.deviance)
    if kind != "Rao":
        return found
    theta = nesting.image @ np.nan_to_num(small.estimate.theta) + nesting.shift
    directions = tuple(nesting.image @ np.nan_to_num(each) for each in small.estimate.directions)
    restricted = Restricted(theta, small.estimate, directions)
    if large.estimate.absorbed is not None:  # effects as the rows of the larger fit count them
        restricted = Subspace(large, nesting.matrix).fit(nesting.value, theta)
    try:
        scores = scores_at(large, restricted)
    except ComparisonError:
        return Outcome(found.df, found.deviance, np.nan, np.nan)
    return by_score(largest, scores, found.df)._replace(deviance=found.deviance)


def _status_notes(fits: Sequence[Fit]) -> Iterator[str]:
    for fit in fits:
        if not fit.converged:
            yield f"'{fit.formula}' did not converge: its deviance is not the least"
