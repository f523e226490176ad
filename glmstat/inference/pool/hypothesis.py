"""Tests of linear hypotheses about coefficients pooled over imputations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.covariance import is_robust
from glmstat.inference.deviance.submodel import fit_terms
from glmstat.inference.hypothesis.resolve import Linear, hypotheses, resolve
from glmstat.inference.hypothesis.wald import spread, wald_statistic
from glmstat.inference.pool.joint import Pooling, pooled_statistics, pooled_wald
from glmstat.inference.pool.likelihood import pooled_likelihood_ratio
from glmstat.inference.reference import f_p_value
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.inference.pool.result import Pooled

__all__ = ["METHODS", "PooledTests", "pooled_terms", "pooled_tests"]

METHODS = {
    "D1": "D1: Wald, pooled estimates and covariance",
    "D2": "D2: Wald statistics of the imputations, combined",
    "D3": "D3: likelihood ratio at pooled estimates",
}


@dataclass(frozen=True, eq=False, repr=False)
class PooledTests(Listing):
    """Tests of hypotheses pooled over imputations: F statistic, df, df_denominator, p_value, riv.

    Parameters
    ----------
    tests : statistic, degrees of freedom and increase in variance of each row.
    """

    tests: tuple[Pooling, ...] = ()


def pooled_tests(pooled: Pooled, hypothesis: Any, method: str) -> PooledTests:
    """Return the tests of some hypotheses; arguments as `Pooled.test`."""
    given, _ = hypotheses(pooled.fits[0], hypothesis)
    resolved = [resolve(pooled.fits[0], one) for one in given]
    for one in resolved:
        if not isinstance(one, Linear):
            raise ArgumentError(
                f"Pooled tests need linear restrictions: '{one.text}' is not linear. Take a combination."
            )
    linear = [one for one in resolved if isinstance(one, Linear)]
    return _table(pooled, [one.text for one in linear], linear, method)


def pooled_terms(pooled: Pooled, method: str) -> PooledTests:
    """Return the tests of all terms; arguments as `Pooled.terms`."""
    fit = pooled.fits[0]
    terms = fit_terms(fit)
    if not terms:
        raise ArgumentError(
            f"terms() has nothing to test: '{fit.formula}' has no terms beside the intercept."
        )
    names = [term.label for term in terms]
    texts = [", ".join(f"`{fit.columns[slot]}` = 0" for slot in term.slots) for term in terms]
    linear = [resolve(fit, hypotheses(fit, text)[0][0]) for text in texts]
    return _table(pooled, names, [one for one in linear if isinstance(one, Linear)], method)


def _table(pooled: Pooled, names: Sequence[str], asked: Sequence[Linear], method: str) -> PooledTests:
    word = method.upper() if isinstance(method, str) else ""
    if word not in METHODS:
        raise ArgumentError(
            f"Unknown method: {method!r}. Known: {one_of(tuple(METHODS))}.{near(str(method), METHODS)}"
        )
    makers: dict[str, Callable[[Pooled, Linear], tuple[Pooling, str]]] = {"D1": _d1, "D2": _d2, "D3": _d3}
    found = [makers[word](pooled, one) for one in asked]
    tests, remarks = [test for test, _ in found], [remark for _, remark in found]
    own = [f"{name}: {note}" for name, one in zip(names, asked, strict=True) for note in one.notes]
    rules = " · ".join(
        f"{rule} ({', '.join(name for name, test in zip(names, tests, strict=True) if test.rule == rule)})"
        if len({test.rule for test in tests}) > 1
        else rule
        for rule in dict.fromkeys(test.rule for test in tests)
    )
    vcov = (
        f"assumes the model's variance; vcov {pooled.fits[0].covariance.kind} is not used"
        if word == "D3" and is_robust(pooled.fits[0])
        else ""
    )
    below = f"vcov of each imputation: {pooled.covariance}" if word != "D3" else vcov
    return PooledTests(
        (
            f"Tests pooled over {count(len(pooled.fits), 'imputation')}",
            pooled.fits[0].spec.design.text,
        ),
        tuple(names),
        {
            "statistic": [test.statistic for test in tests],
            "df": [test.df for test in tests],
            "df_denominator": [test.denominator for test in tests],
            "p_value": [f_p_value(test.statistic, test.df, test.denominator) for test in tests],
            "riv": [test.increase for test in tests],
        },
        tuple(
            filter(None, (METHODS[word], f"F, denominator df: {rules}", below, *own, *dict.fromkeys(remarks)))
        ),
        pooled.fits[0].native,
        "hypothesis",
        tests=tuple(tests),
    )


def _d1(pooled: Pooled, asked: Linear) -> tuple[Pooling, str]:
    return pooled_wald(pooled.combined(asked.matrix), asked.restriction.value), ""


def _d2(pooled: Pooled, asked: Linear) -> tuple[Pooling, str]:
    target = asked.restriction.value
    statistics = [
        wald_statistic(spread(fit, asked.matrix, "D2"), asked.matrix @ fit.estimate.theta - target)
        for fit in pooled.fits
    ]
    found = pooled_statistics(statistics, len(asked.matrix))
    negative = "a negative statistic: the imputations differ more than the hypothesis explains"
    return found, negative if found.statistic < 0 else ""


def _d3(pooled: Pooled, asked: Linear) -> tuple[Pooling, str]:
    if not np.isfinite(asked.matrix).all():
        raise ComparisonError("D3 needs finite restrictions. Write other numbers.")
    return pooled_likelihood_ratio(pooled.fits, asked.matrix, asked.restriction.value)
