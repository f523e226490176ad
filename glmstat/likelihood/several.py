"""Likelihoods with several predictors, by what a call says of the further ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmstat.errors import ArgumentError, FormulaError, near, one_of
from glmstat.families import NegativeBinomial
from glmstat.likelihood.base import GLM
from glmstat.likelihood.negbin import NegativeBinomialTheta

__all__ = ["with_predictors"]

_KNOWN = {"negative_binomial": "theta"}  # family → the parameter that has a predictor


def with_predictors(likelihood: GLM, predictors: Mapping[str, str] | None) -> GLM:
    """Return the likelihood with a predictor for each parameter that has a formula.

    Parameters
    ----------
    predictors : formulas by the name of the parameter; none leaves the likelihood as it is.

    Raises
    ------
    ArgumentError : a parameter that the family does not have, or whose value is given.
    FormulaError : an empty formula.
    """
    if predictors is None or (isinstance(predictors, Mapping) and not predictors):
        return likelihood
    if not isinstance(predictors, Mapping):
        raise ArgumentError(
            f"predictors must be a mapping from parameters to formulas: got {type(predictors).__name__}. "
            'Write predictors={"theta": "~ z"}.'
        )
    family = likelihood.family
    known = _KNOWN.get(family.name)
    for name, formula in predictors.items():
        _check_name(name, family.name, known)
        if not isinstance(formula, str):
            raise ArgumentError(
                f'The formula of {name} must be a text: got {type(formula).__name__}. Write "~ z".'
            )
        if not formula.strip():
            raise FormulaError(
                f'The formula of {name} is empty. Write "~ z", or "~ 1" for one {name} of all rows.'
            )
    if isinstance(family, NegativeBinomial) and family.theta is not None:
        raise ArgumentError(
            f'predictors={{"theta": …}} estimates theta: family="{family.text}" gives it. '
            'Write family="negative_binomial".'
        )
    return NegativeBinomialTheta(family)


def _check_name(name: Any, family: str, known: str | None) -> None:
    if known is None:
        raise ArgumentError(
            f"predictors= names '{name}': family {family} has no parameter with a formula of its own. "
            f"Families that have one: {one_of(tuple(_KNOWN))} ({one_of(tuple(_KNOWN.values()))})."
        )
    if name != known:
        raise ArgumentError(
            f"Unknown predictor: {name!r}. Family {family} has: {known}.{near(str(name), [known])}"
        )
