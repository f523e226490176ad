"""Which fits are the same model of the same rows, imputed several times."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import isclose
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, ConvergenceWarning, one_of, outside
from glmstat.formula.terms import render
from glmstat.inference.covariance import covariance_root
from glmstat.inference.hypothesis.wald import boundary_reason
from glmstat.inference.statement import need_tests

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["check_alike"]

_APART = (
    "data",
    "formula",
    "predictors",
    "family",
    "link",
    "start",
    "control",
    "vcov",
    "weights",
    "freq_weights",
)
_SAME = 1e-9  # share by which sums of equal weights may differ


def check_alike(fits: Sequence[Fit]) -> None:
    """Refuse what cannot be pooled: fewer than two fits, other rows or models, coefficients without errors.

    Raises
    ------
    ArgumentError : fewer than two fits, or what is no fit.
    ComparisonError : what differs, and in which imputation.

    Warns
    -----
    ConvergenceWarning : imputations whose fit has not converged.
    """
    from glmstat.fit import Fit

    strange = [type(one).__name__ for one in fits if not isinstance(one, Fit)]
    if strange:
        raise ArgumentError(f"pool() takes fits: got {strange[0]}. Fit each imputed data set with glm().")
    if len(fits) < 2:
        raise ArgumentError(
            f"pool() needs at least 2 fits, one for each imputed data set: got {len(fits)}. "
            "Impute several times: one imputation tells nothing of its own error."
        )
    for number, fit in enumerate(fits, 1):
        _check_model(fits[0], fit, number)
    for number, fit in enumerate(fits, 1):
        _check_errors(fit, number)
    ended = [str(number) for number, fit in enumerate(fits, 1) if not fit.converged]
    if ended:
        warnings.warn(
            f"Not converged: imputation {one_of(ended)}. The pooled numbers rest on fits that are no maxima.",
            ConvergenceWarning,
            stacklevel=outside(),
        )


def _check_model(first: Fit, fit: Fit, number: int) -> None:
    facts: tuple[tuple[str, Callable[[Fit], Any], str], ...] = (
        ("families", _family, "Fit all with one family."),
        ("links", lambda one: one.spec.likelihood.family.link.text, "Fit all with one link."),
        ("formulas", _formula, "Fit all with one formula."),
        (
            "coefficients",
            lambda one: one_of(one.columns),
            "Give all the same levels: declare them as categories.",
        ),
        ("levels", lambda one: one.spec.design.schema.levels, "Declare them as categories, in one order."),
        ("events", lambda one: one.spec.design.modelled, "Give event=."),
        ("kinds of weights", _weights, "Weigh all alike."),
        ("numbers of rows", lambda one: one.nobs, "Impute, and fit, the same rows each time."),
        ("rows", _rows, "Impute, and fit, the same rows each time."),
        ("rules for the dispersion", _dispersion, "Give all the same dispersion=."),
        ("covariances", _covariance, "Give all the same vcov=, or take with_vcov of each."),
    )
    for what, fact, remedy in facts:
        one, two = fact(first), fact(fit)
        if one != two:
            raise _different(what, one, two, number, remedy)
    _check_calls(first, fit, number)
    if not isclose(first.estimate.weight, fit.estimate.weight, rel_tol=_SAME):
        one, two = first.estimate.weight, fit.estimate.weight
        raise _different("sums of weights", f"{one:.8g}", f"{two:.8g}", number, "Weigh all alike.")
    _check_states(first, fit, number)


def _different(what: str, one: Any, two: Any, number: int, remedy: str) -> ComparisonError:
    told = "" if isinstance(one, (bytes, dict)) else f": {one} in the first, {two} in imputation {number}"
    where = told or f": the first and imputation {number}"
    return ComparisonError(f"Imputations have different {what}{where}. {remedy}")


def _family(fit: Fit) -> str:
    """The family as asked for: a parameter that each fit estimates is no difference."""
    return fit.spec.family.text


def _formula(fit: Fit) -> str:
    """All formulas, without what spaces and redundant words make of them."""
    design = fit.spec.design
    mean = render(design.formula.response, design.formula.terms)
    return ", ".join((mean, *(f"{name} {render(None, one.terms)}" for name, one in design.others.items())))


def _weights(fit: Fit) -> str:
    used = [
        word for word in ("weights", "freq_weights", "sampling_weights") if fit.spec.call[word] is not None
    ]
    return one_of(used) or "none"


def _rows(fit: Fit) -> bytes:
    """Which rows of the data enter, of fits that hold them."""
    frame = fit.frame
    kept = None if frame is None or not frame.small else frame.rows_kept
    return b"" if kept is None else np.asarray(kept).tobytes()


def _dispersion(fit: Fit) -> str:
    phi = fit.estimate.dispersion
    return f"{phi.value:.6g} (given)" if phi.estimator == "given" else phi.estimator


def _covariance(fit: Fit) -> str:
    covariance = fit.covariance
    named = " + ".join(str(way) for way in covariance.cluster)
    shown = f"{covariance.kind} ~ {named}" if named else covariance.kind
    return shown if covariance.information == "expected" else f"{shown}, observed information"


def _check_calls(first: Fit, fit: Fit, number: int) -> None:
    """Refuse another offset, method, prior, … than that of the first."""
    ours, theirs = first.spec.call.json, fit.spec.call.json
    for word in dict.fromkeys((*ours, *theirs)):
        one, two = ours.get(word), theirs.get(word)
        arrays = isinstance(one, dict) and isinstance(two, dict) and {*one} == {*two} == {"array"}
        if word not in _APART and one != two and not arrays:
            remedy = f"Fit all with the same {word}=."
            raise _different(f"arguments {word}=", _told(one), _told(two), number, remedy)


def _told(value: Any) -> str:
    return "an array" if isinstance(value, dict) and {*value} == {"array"} else repr(value)


def _check_states(first: Fit, fit: Fit, number: int) -> None:
    """Refuse terms whose columns mean another thing in each imputation."""
    ours, theirs = first.spec.design.schema.calls, fit.spec.design.schema.calls
    for text, state in ours.items():
        if theirs.get(text) != state:
            raise ComparisonError(
                f"'{text}' is not the same column in imputation {number} as in the first: what it learns "
                "from its variable (centre, scale, knots) changes with what was imputed, and so does what "
                "its coefficients mean. Write fixed numbers, or compute the column before imputing."
            )


def _check_errors(fit: Fit, number: int) -> None:
    """Refuse an imputation whose coefficients have no normal distribution, or no covariance."""
    need_tests(fit, "pool()")
    names, reason = fit.columns, ""
    infinite = [name for name, sign in zip(names, fit.estimate.infinite, strict=True) if sign]
    if fit.estimate.aliased:
        reason = f"{one_of(tuple(fit.estimate.aliased))} aliased. Leave such columns out of the formula"
    elif infinite:
        reason = f"{one_of(infinite)} infinite. Merge or drop the level, or impute more data"
    elif boundary_reason(fit):
        reason = f"{boundary_reason(fit)}. Use a link without bounds"
    elif not np.isfinite(covariance_root(fit)).all():
        reason = f"no standard errors, its status is '{fit.status}'. Use a model with residuals"
    if reason:
        raise ComparisonError(f"Imputation {number} cannot be pooled: {reason}.")
