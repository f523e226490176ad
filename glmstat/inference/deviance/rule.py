"""What `step` compares: a criterion with its penalty, or p-values with their level."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.deviance.difference import check_test, test_words

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Rule", "make_rule"]

_CRITERIA = ("aic", "bic", "test")


class Rule(NamedTuple):
    """What is compared: its name, penalty per parameter, level, statistic of tests, words."""

    name: str
    k: float
    alpha: float
    test: str
    words: str
    penalty: str = ""

    @property
    def tests(self) -> bool:
        """Whether p-values are compared."""
        return self.name == "test"


def make_rule(fit: Fit, criterion: str, alpha: float | None, test: str | None, k: float | None) -> Rule:
    """Return what is compared, from the words of the call.

    Raises
    ------
    ArgumentError : unknown words, and those that the criterion has no use for; no likelihood.
    ComparisonError : aic or bic with sampling weights.
    """
    if criterion not in _CRITERIA:
        raise ArgumentError(
            f"Unknown criterion: {criterion!r}. Known: {one_of(_CRITERIA)}.{near(str(criterion), _CRITERIA)}"
        )
    _check_used(criterion, {"alpha": alpha, "test": test, "k": k})
    if criterion == "test":
        level = _check_alpha(0.05 if alpha is None else alpha)
        kind = check_test(fit, "LRT" if test is None else test)
        return Rule("test", nan, level, kind, f"{test_words(fit, kind)} tests at level {level:g}")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            f"{criterion.upper()} is not defined with sampling weights: rows are not independent draws. "
            'Use criterion="test" with test="Wald".'
        )
    if isnan(fit.loglik):
        raise ArgumentError(
            f"{criterion.upper()} needs a likelihood: {fit.spec.likelihood.family.text} has none. "
            'Use criterion="test".'
        )
    if k is not None and not (_is_number(k) and 0 < k < inf):
        raise ArgumentError(f"k must be > 0: {k!r}. Leave it out for 2 (aic) or log(nobs) (bic).")
    penalty = k if k is not None else 2.0 if criterion == "aic" else float(np.log(fit.nobs))
    name = criterion.upper() if k is None else f"{criterion.upper()} with k = {k:g}"
    words = f"{k:g}" if k is not None else "2" if criterion == "aic" else "log(nobs)"
    return Rule(criterion, penalty, nan, "LRT", name, words)


def _check_used(criterion: str, given: Mapping[str, Any]) -> None:
    """Refuse what the criterion has no use for."""
    used = ("alpha", "test") if criterion == "test" else ("k",)
    for word, value in given.items():
        if value is not None and word not in used:
            other = "aic" if criterion == "test" else "test"
            raise ArgumentError(
                f'criterion="{criterion}" has no use for {word}=: {value!r}. '
                f'Leave it out, or use criterion="{other}".'
            )


def _check_alpha(alpha: Any) -> float:
    if not (_is_number(alpha) and 0 < alpha < 1):
        raise ArgumentError(f"alpha must lie strictly between 0 and 1: {alpha!r}. The default is 0.05.")
    return float(alpha)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
