"""Score tests of functions that a fit may lack: of the verb's words, one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, GlmstatError, near, one_of
from glmstat.inference.covariance import RECIPES
from glmstat.inference.hypothesis.outcome import Test
from glmstat.inference.hypothesis.wald import refuse_boundary, refuse_perfect
from glmstat.inference.misfit.directions import (
    ACTIVATIONS,
    KERNEL,
    LWG,
    QUADRATIC,
    RESET,
    Directions,
    Powers,
    Products,
    Units,
)
from glmstat.inference.misfit.mixture import cauchy_combination, mixture_tail, ratio_tail
from glmstat.inference.misfit.result import OMNIBUS, ScoreTests, listing
from glmstat.inference.misfit.statistic import (
    Added,
    added_scores,
    classical_statistic,
    independent,
    is_spanned,
    robust_statistic,
    weights_of,
)
from glmstat.inference.misfit.variables import VERB, Standardised, standardised
from glmstat.inference.reference import chi_squared_p_value, f_p_value
from glmstat.inference.score import frame_of
from glmstat.inference.statement import need_effects, need_likelihood
from glmstat.inference.variable import Grouping, grouping
from glmstat.inference.vcov.cluster import clusters, few, way_names
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["METHODS", "score_test_nn"]

_KERNELS = tuple(f"{KERNEL} {activation}" for activation in ACTIVATIONS)
_COMBINED = (RESET, QUADRATIC, *_KERNELS)
METHODS: Mapping[str, tuple[str, ...]] = {
    "reset": (RESET,),
    "terasvirta": (QUADRATIC,),
    "quadratic": (QUADRATIC,),
    "lwg": (LWG,),
    "kernel": _KERNELS,
    "omnibus": (*_COMBINED, OMNIBUS),
    "all": (RESET, QUADRATIC, LWG, *_KERNELS, OMNIBUS),
}
_LEADING = 3  # principal components: Lee, White & Granger (1993), section 3
_MOST_UNITS = 4096
_MOST_PRODUCTS = 2000
_ROWS_EACH = 5  # rows or clusters for each direction of a chi-squared test; with fewer it has no power


def score_test_nn(
    fit: Fit,
    variables: Sequence[str],
    *,
    method: str = "omnibus",
    activation: str = "tanh",
    vcov: str | Covariance | None = None,
    seed: int = 1,
    units: int = 128,
    data: Any = None,
) -> ScoreTests:
    """Return the tests; arguments as the verb of a fit."""
    names = _names(method, activation)
    _check_number("seed", seed, 0, 2**63 - 1)
    _check_number("units", units, 1, _MOST_UNITS)
    _refuse(fit)
    fit, kind = _weighed(fit, vcov, data)
    inputs = standardised(fit, frame_of(fit, VERB), variables)
    return _Question(fit, inputs, kind, units, seed).table(names)


def _names(method: str, activation: str) -> tuple[str, ...]:
    """The rows that the words ask for."""
    word = method.lower() if isinstance(method, str) else ""
    if word not in METHODS:
        known = tuple(METHODS)
        raise ArgumentError(f"Unknown method: {method!r}. Known: {one_of(known)}.{near(str(method), known)}")
    if activation not in ACTIVATIONS:
        raise ArgumentError(f"Unknown activation: {activation!r}. Known: {one_of(tuple(ACTIVATIONS))}.")
    return (f"{KERNEL} {activation}",) if word == "kernel" else METHODS[word]


def _check_number(word: str, value: Any, least: int, most: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and least <= value <= most):
        raise ArgumentError(f"{word} must be a whole number from {least} to {most}: got {value!r}.")


def _refuse(fit: Fit) -> None:
    """Refuse fits without residuals, at an edge, or of several predictors."""
    need_likelihood(fit, VERB, "misfit")
    need_effects(fit, VERB, "Write the factors as terms, as in y ~ x + C(firm).")
    if len(fit.spec.design.predictors) > 1:
        raise ArgumentError(f"{VERB} needs a model with one predictor: this has several. Use fit.test().")
    refuse_boundary(fit, VERB)
    refuse_perfect(fit, VERB)
    if fit.status == "perfect fit" or fit.df_residual <= 0:
        reason = f"{fit.df_residual} residual degrees of freedom, status '{fit.status}'"
        raise ComparisonError(f"{VERB} is not defined: {reason}. Use a model with residuals.")


def _weighed(fit: Fit, vcov: str | Covariance | None, data: Any) -> tuple[Fit, str]:
    """The fit with the covariance asked for, and what becomes of its kind: classical, HC0 or CR0."""
    fit = fit.with_vcov(vcov, data=data)
    recipe, ways = RECIPES[fit.covariance.kind], fit.covariance.cluster
    if not recipe.robust:
        trusted = vcov is not None or fit.spec.likelihood.family.name.startswith("quasi")
        return fit, "classical" if trusted else "HC0"
    if recipe.summed == "rows":
        return fit, "HC0"
    if recipe.summed == "clusters" and len(ways) == 1:
        return fit, "CR0"
    raise ComparisonError(
        f"{VERB} is not defined under vcov {fit.covariance.kind}: scores are no sum over rows, nor over "
        'clusters of one way. Use vcov="HC0" or vcov="~firm".'
    )


@dataclass(frozen=True, eq=False)
class _Question:
    """One fit and the functions that it may lack, with what the tests share."""

    fit: Fit
    inputs: Standardised
    kind: str
    units: int
    seed: int
    weights: dict[str, Array] = field(default_factory=dict)

    def table(self, names: tuple[str, ...]) -> ScoreTests:
        """Return the rows of the names."""
        alone = [name for name in names if name != OMNIBUS]
        sets = {name: self._directions(name) for name in alone}
        fitting = {name: one for name, one in sets.items() if one.width <= _MOST_PRODUCTS or KERNEL in name}
        sums = added_scores(self.fit, self.inputs, fitting, self.clusters) if fitting else {}
        rows: list[Test] = []
        for name in alone:
            try:
                if name not in sums:
                    raise _too_many(sets[name].width)
                rows.append(self._row(name, sums[name]))
            except GlmstatError as error:
                rows.append(Test(name, "", note=str(error)))
        if all(isnan(row.p_value) for row in rows):
            raise ComparisonError(f"{rows[0].name} is not defined: {rows[0].note}")
        if OMNIBUS in names:
            rows.append(_omnibus(rows))
        return listing(
            self.fit,
            rows,
            variables=self.inputs.texts,
            vcov=self.kind,
            words=self._words,
            weights=self.weights,
            units=self.units,
            seed=self.seed,
        )

    @cached_property
    def clusters(self) -> Grouping | None:
        """Whose scores are added up; None for single rows.

        Raises
        ------
        ComparisonError : one cluster.
        """
        if self.kind != "CR0":
            return None
        groups = grouping(self.fit, self.fit.covariance.cluster)
        if groups.count < 2:
            raise ComparisonError(
                f"{VERB} is not defined: '{groups.text}' has {groups.count} cluster in the rows of the fit. "
                'Use another variable, or vcov="HC0".'
            )
        return groups

    def _directions(self, name: str) -> Directions:
        width = len(self.inputs.variable)
        if name == RESET:
            return Powers()
        if name == QUADRATIC:
            return Products.of(self.inputs)
        if name == LWG:
            return Units.lee_white_granger(width, self.seed)
        return Units.kernel(width, self.units, name.removeprefix(f"{KERNEL} "), self.seed)

    def _row(self, name: str, added: Added) -> Test:
        if is_spanned(added):
            raise ComparisonError("no direction is left: the columns of the fit span them all.")
        return self._kernel(name, added) if name in _KERNELS else self._joint(name, added)

    def _joint(self, name: str, added: Added) -> Test:
        """The test of a few directions by chi-squared, or by F where the dispersion is estimated."""
        found = independent(added, _LEADING if name == LWG else None)
        df = found.rank
        if name == QUADRATIC and _ROWS_EACH * df > self._independent_rows:
            of = "rows" if self.clusters is None else "clusters"
            raise _too_many(df, f" for {self._independent_rows:,} {of}")
        if self.kind != "classical":
            statistic = robust_statistic(found)
            return Test(name, "", statistic, df, chi_squared_p_value(statistic, df), f"chi-squared({df})")
        statistic = classical_statistic(found)
        if not self._by_f:
            statistic /= self.fit.dispersion
            return Test(name, "", statistic, df, chi_squared_p_value(statistic, df), f"chi-squared({df})")
        rest = self.fit.df_residual - df
        if rest <= 0:
            raise ComparisonError(f"{df} directions leave no residual degrees of freedom.")
        ratio = statistic / df / ((self.fit.pearson - statistic) / rest)
        return Test(name, "", ratio, df, f_p_value(ratio, df, rest), f"F({df}, {rest})")

    def _kernel(self, name: str, added: Added) -> Test:
        """The test of many directions at once: |U|² against its weighted sum of chi-squared variables."""
        moments, fit = added.moments, self.fit
        square = float(moments.score @ moments.score)
        weights = weights_of(moments.information if self.kind == "classical" else moments.meat)
        if self.kind == "classical" and self._by_f:
            p_value = ratio_tail(weights, square / fit.pearson, fit.df_residual)
        else:
            weights = weights * fit.dispersion if self.kind == "classical" else weights
            p_value = mixture_tail(weights, square)
        total = float(weights.sum())
        mean = total * fit.pearson / fit.df_residual if self.kind == "classical" and self._by_f else total
        weights.flags.writeable = False
        self.weights[name] = weights
        df = total**2 / float(weights @ weights)
        return Test(name, "", square / mean, df, p_value, "weighted chi-squared (saddlepoint)")

    @property
    def _by_f(self) -> bool:
        """Whether the dispersion's own error counts, as it does not in R's score tests."""
        return self.fit.estimate.dispersion.estimated and self.fit.convention.score == "F"

    @property
    def _independent_rows(self) -> int:
        return self.fit.nobs if self.clusters is None else self.clusters.count

    @property
    def _words(self) -> str:
        """What the label says in brackets."""
        from glmstat.report.summary import ESTIMATORS

        if self.clusters is not None:
            by = " and ".join(way_names(self.fit.covariance))
            return f"by {by}, {clusters((self.clusters.count,))}{few((self.clusters.count,))}"
        if self.kind == "HC0":
            return "scores of rows, whatever their variance"
        phi = self.fit.estimate.dispersion
        return f"variance of the family, dispersion {phi.value:.4g}, {ESTIMATORS[phi.estimator]}"


def _too_many(count: int, rows: str = "") -> ComparisonError:
    return ComparisonError(f"{count:,} directions are too many{rows}. Name fewer variables.")


def _omnibus(rows: list[Test]) -> Test:
    """The combination of the tests that make the omnibus test."""
    used = [row for row in rows if row.name in _COMBINED and not isnan(row.p_value)]
    statistic, p_value = cauchy_combination([row.p_value for row in used])
    note = f"Cauchy combination of {', '.join(row.name for row in used)}"
    return Test(OMNIBUS, "", statistic, float("nan"), p_value, "Cauchy", note)
