"""Tests of hypotheses about the coefficients: Wald, likelihood ratio and score in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Covariance
from glmstat.errors import ArgumentError, ComparisonError, GlmstatError, near, one_of
from glmstat.inference.covariance import is_robust
from glmstat.inference.hypothesis.multiplicity import as_adjustment
from glmstat.inference.hypothesis.nonlinear import delta, fieller, ratio_of
from glmstat.inference.hypothesis.outcome import (
    DELTA,
    FIELLER,
    LR,
    RAO_SCOTT,
    ROBUST_SCORE,
    ROBUST_WALD,
    SANDWICH,
    SCORE,
    WALD,
    Test,
    Tests,
    table,
)
from glmstat.inference.hypothesis.rao import Scores, generalised_statistic, rao_statistic, scores_at
from glmstat.inference.hypothesis.rao_scott import rao_scott
from glmstat.inference.hypothesis.resolve import Linear, Nonlinear, hypotheses, resolve
from glmstat.inference.hypothesis.several import adjust as adjust_tests
from glmstat.inference.hypothesis.wald import refuse_boundary, refuse_perfect, spread, wald_statistic
from glmstat.inference.reference import check_level, chi_squared_p_value, f_p_value, joint, reference
from glmstat.inference.restrict import Restricted, Subspace
from glmstat.inference.statement import need_likelihood, need_tests, ratio_note
from glmstat.matrix import Array
from glmstat.text.number import figure

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["METHODS", "Test", "Tests", "test"]

METHODS: Mapping[str, str] = {
    "wald": WALD,
    "robust wald": ROBUST_WALD,
    "lr": LR,
    "lrt": LR,
    "likelihood ratio": LR,
    "score": SCORE,
    "rao": SCORE,
    "robust score": ROBUST_SCORE,
    "rao scott": RAO_SCOTT,
    "all": "all",
}
_NEGATIVE = 1e-7  # a likelihood ratio below minus this share of the deviance is no rounding


def test(
    fit: Fit,
    hypothesis: Any,
    *,
    method: str = "wald",
    vcov: str | Covariance | None = None,
    adjust: str = "none",
    level: float = 0.95,
    data: Any = None,
) -> Tests:
    """Return tests of hypotheses about the coefficients; parameters as `Fit.test`.

    Raises
    ------
    ArgumentError : a hypothesis that cannot be read, contradicts itself or cannot be estimated; an unknown
        method or adjustment.
    ComparisonError : a test that is not defined for this fit or hypothesis.

    Source: McCullagh & Nelder (1989), section 4.4 and appendix A; numbers as R's linearHypothesis and
    deltaMethod (car), anova (stats), regTermTest (survey) and glht (multcomp).
    """
    name, word = _method(method), as_adjustment(adjust)
    check_level(level)
    need_tests(fit, "A test")
    fit = fit.with_vcov(vcov, data=data)
    given, separate = hypotheses(fit, hypothesis)
    resolved = [resolve(fit, one) for one in given]
    if word != "none" and not separate:
        raise ArgumentError(
            f'adjust="{word}" needs several hypotheses: there is one. Give a list: ["x = 0", "z = 0"].'
        )
    rows: list[Test] = []
    failures: list[GlmstatError] = []
    for one in resolved:
        rows += _Question(fit, one, level).rows(name, failures)
    if len(failures) == len(rows):
        raise failures[0]
    rows, remarks, intervals = adjust_tests(fit, rows, word, level)
    return table(fit, rows, level, remarks, intervals=intervals)


def _method(method: str) -> str:
    plain = method.lower().replace("-", " ").replace("_", " ").split() if isinstance(method, str) else ()
    word = " ".join(plain)
    if word not in METHODS:
        known = tuple(METHODS)
        raise ArgumentError(f"Unknown method: {method!r}. Known: {one_of(known)}.{near(str(method), known)}")
    return METHODS[word]


@dataclass(frozen=True, eq=False)
class _Question:
    """One hypothesis about one fit, with what its tests share."""

    fit: Fit
    hypothesis: Linear | Nonlinear
    level: float

    def rows(self, name: str, failures: list[GlmstatError]) -> Iterator[Test]:
        """Yield the tests asked for; one that is not defined is a row with the reason, and a failure."""
        makers: dict[str, Callable[[], Iterator[Test]]] = {
            WALD: self._wald,
            LR: self._likelihood_ratio,
            SCORE: self._robust_score if self._robust else self._score,
            ROBUST_WALD: self._robust_wald,
            ROBUST_SCORE: self._robust_score,
            RAO_SCOTT: self._rao_scott,
        }
        if name != "all":
            makers = {name: makers[name]}
        elif self._robust:
            makers |= {SCORE: self._score, WALD: self._classical_wald}
        else:
            makers |= {ROBUST_WALD: self._sandwich_wald}
            del makers[ROBUST_SCORE], makers[RAO_SCOTT]
        if name == SCORE:
            self._refuse_weights(SCORE)
        if name == "all" and self._weighted:
            del makers[WALD]
        for key, make in makers.items():
            try:
                yield from make()
            except GlmstatError as error:
                failures.append(error)
                yield Test(key, self.hypothesis.text, note=str(error))

    @property
    def _robust(self) -> bool:
        return is_robust(self.fit)

    @property
    def _weighted(self) -> bool:
        return self.fit.spec.call["sampling_weights"] is not None

    def _wald(self) -> Iterator[Test]:
        return self._by_wald(self.fit, ROBUST_WALD if self._robust else WALD)

    def _robust_wald(self) -> Iterator[Test]:
        self._need_sandwich(ROBUST_WALD)
        return self._by_wald(self.fit, ROBUST_WALD)

    def _classical_wald(self) -> Iterator[Test]:
        return self._by_wald(self.fit.with_vcov("classical"), WALD)

    def _sandwich_wald(self) -> Iterator[Test]:
        refuse_boundary(self.fit, ROBUST_WALD)
        return self._by_wald(self.fit.with_vcov(SANDWICH), ROBUST_WALD)

    def _by_wald(self, fit: Fit, name: str) -> Iterator[Test]:
        hypothesis = self.hypothesis
        refuse_boundary(fit, name)
        if isinstance(hypothesis, Nonlinear):
            yield from self._nonlinear(fit, hypothesis, "robust " if name == ROBUST_WALD else "")
            return
        root, note = spread(fit, hypothesis.matrix, name), "; ".join(hypothesis.notes)
        shown = hypothesis.matrix @ np.nan_to_num(fit.estimate.theta) + hypothesis.shift
        if len(shown) == 1:
            yield self._single(fit, name, hypothesis.matrix[0], shown[0], hypothesis.value[0], root[0], note)
        else:
            yield self._joint(fit, name, hypothesis.matrix, root, shown - hypothesis.value, note)

    def _nonlinear(self, fit: Fit, hypothesis: Nonlinear, robust: str) -> Iterator[Test]:
        values, gradients = delta(fit, hypothesis)
        root, target = spread(fit, gradients), hypothesis.value
        name = f"{robust}{DELTA}"
        if len(values) > 1:
            yield self._joint(fit, name, gradients, root, values - target, "")
            return
        yield self._single(fit, name, gradients[0], values[0], target[0], root[0], "")
        ratio = ratio_of(hypothesis.nodes[0], len(fit.columns))
        if ratio is None:
            return
        found = fieller(fit, ratio, float(target[0]), self.level)
        note = ""
        if not isnan(found.gap[0]):
            note = f"outside the interval are only the values from {found.gap[0]:.6g} to {found.gap[1]:.6g}"
        elif found.low == -inf and found.high == inf:
            note = "no value of the ratio is rejected"
        yield Test(
            f"{robust}{FIELLER}",
            hypothesis.text,
            found.statistic,
            1,
            found.p_value,
            found.text,
            note,
            estimate=found.estimate,
            conf_low=found.low,
            conf_high=found.high,
            combination=found.combination,
        )

    def _single(
        self, fit: Fit, name: str, row: Array, estimate: float, value: float, root: Array, note: str
    ) -> Test:
        """The test of one restriction: signed statistic, estimate and interval."""
        known = reference(fit, row[None])
        largest = float(np.abs(root).max(initial=0.0)) or 1.0
        error = largest * float(np.linalg.norm(root / largest))  # squares of a large one overflow
        if not error > 0:
            raise ComparisonError(
                f"{name} is not defined: '{self.hypothesis.text}' has standard error 0. "
                "Test another combination."
            )
        if not isfinite(error):
            raise ComparisonError(
                f"{name} is not defined: the standard error of '{self.hypothesis.text}' overflows. "
                "Write it on a smaller scale, such as its logarithm."
            )
        statistic = (estimate - value) / error
        half = float(known.quantile(self.level)[0]) * error
        return Test(
            name,
            self.hypothesis.text,
            float(statistic),
            1,
            float(known.p_value(np.array([statistic]))[0]),
            known.text,
            note,
            float(estimate),
            error,
            float(estimate - half),
            float(estimate + half),
            combination=row,
        )

    def _joint(self, fit: Fit, name: str, matrix: Array, root: Array, difference: Array, note: str) -> Test:
        known = joint(fit, matrix, wald_statistic(root, difference))
        text = self.hypothesis.text
        return Test(name, text, known.statistic, len(matrix), known.p_value, known.text, note)

    def _likelihood_ratio(self) -> Iterator[Test]:
        self._refuse_weights(LR)
        linear = self._linear(LR)
        notes = (*linear.notes, *self._remarks, *self._unused_vcov(LR), *ratio_note(self.fit))
        by_r = self.fit.convention.likelihood_ratio == "chi_squared"
        by_chi_squared, unit = by_r or self.fit.estimate.profiled, self.fit.estimate.unit
        yield self._scaled(LR, self._working, linear, notes, chi_squared=by_chi_squared, unit=unit)

    def _score(self) -> Iterator[Test]:
        self._refuse_weights(SCORE)
        linear = self._linear(SCORE)
        notes = (*linear.notes, *self._remarks, *self._unused_vcov(SCORE))
        by_r = self.fit.convention.score == "chi_squared"
        yield self._scaled(SCORE, rao_statistic(self._scores), linear, notes, chi_squared=by_r)

    def _robust_score(self) -> Iterator[Test]:
        need_likelihood(self.fit, ROBUST_SCORE, "score")
        self._need_sandwich(ROBUST_SCORE)
        refuse_perfect(self.fit, ROBUST_SCORE)
        linear = self._linear(ROBUST_SCORE)
        df = len(linear.matrix)
        statistic = generalised_statistic(self.fit, self._scores, linear.matrix, self._restricted)
        note = "; ".join(
            (*linear.notes, *self._remarks, "scores of the restricted fit, no small-sample factor")
        )
        p_value = chi_squared_p_value(statistic, df)
        yield Test(ROBUST_SCORE, linear.text, statistic, df, p_value, f"chi-squared({df})", note)

    def _rao_scott(self) -> Iterator[Test]:
        need_likelihood(self.fit, RAO_SCOTT, "ratio")
        self._need_sandwich(RAO_SCOTT)
        refuse_boundary(self.fit, RAO_SCOTT)
        linear = self._linear(RAO_SCOTT)
        working = self._working * (self.fit.dispersion if self.fit.estimate.profiled else 1.0)
        found = rao_scott(self.fit, linear.matrix, working)
        note = "; ".join((*linear.notes, *self._remarks, "likelihood ratio with Satterthwaite's correction"))
        yield Test(RAO_SCOTT, linear.text, found.statistic, found.df, found.p_value, found.text, note)

    def _scaled(
        self,
        name: str,
        statistic: float,
        linear: Linear,
        notes: Sequence[str],
        *,
        chi_squared: bool = False,
        unit: float | None = None,
    ) -> Test:
        """A statistic divided by `unit`, or the dispersion: F where that is estimated, else chi-squared."""
        fit, df, note = self.fit, len(linear.matrix), "; ".join(notes)
        if not fit.dispersion > 0 or fit.status == "perfect fit":
            raise ComparisonError(
                f"{name} is not defined: the dispersion is {figure(fit.dispersion)}, status '{fit.status}'. "
                "Use a model with residuals."
            )
        statistic /= fit.dispersion if unit is None else unit
        if chi_squared or not fit.estimate.dispersion.estimated:
            p_value = chi_squared_p_value(statistic, df)
            return Test(name, linear.text, statistic, df, p_value, f"chi-squared({df})", note)
        p_value = f_p_value(statistic / df, df, fit.df_residual)
        return Test(name, linear.text, statistic / df, df, p_value, f"F({df}, {fit.df_residual})", note)

    @cached_property
    def _restricted(self) -> Restricted:
        """The fit under the restrictions."""
        linear = self._linear(LR)
        return Subspace(self.fit, linear.matrix).fit(linear.restriction.value)

    @cached_property
    def _scores(self) -> Scores:
        return scores_at(self.fit, self._restricted)

    @cached_property
    def _working(self) -> float:
        """Deviance under the restrictions less that of the fit."""
        larger, smaller = self.fit.estimate.minimum, self._restricted.minimum
        if smaller - larger < -_NEGATIVE * (abs(larger) + 1.0):
            raise ComparisonError(
                f"{LR} is negative: deviance {figure(smaller)} under the hypothesis, {figure(larger)} in the "
                "fit, which is not at its maximum. Fit again with another start=."
            )
        return max(smaller - larger, 0.0)

    @property
    def _remarks(self) -> tuple[str, ...]:
        """What a reader should know of the restricted fit."""
        status = self._restricted.estimate.convergence.status
        return () if status in ("converged", "perfect fit") else (f"restricted fit: {status}",)

    def _unused_vcov(self, name: str) -> tuple[str, ...]:
        kind = self.fit.covariance.kind
        return (f"{name} assumes the model's variance; vcov {kind} is not used",) if self._robust else ()

    def _linear(self, name: str) -> Linear:
        if isinstance(self.hypothesis, Linear):
            return self.hypothesis
        raise ComparisonError(
            f"{name} needs linear restrictions: '{self.hypothesis.text}' is not linear. Use method=\"wald\"."
        )

    def _need_sandwich(self, name: str) -> None:
        if not self._robust:
            raise ComparisonError(
                f'{name} needs a sandwich covariance: vcov is "{self.fit.covariance.kind}". Give vcov="HC3".'
            )

    def _refuse_weights(self, name: str) -> None:
        need_likelihood(self.fit, name, "score" if name == SCORE else "ratio")
        if self._weighted:
            raise ComparisonError(
                f"{name} is not defined with sampling weights: rows are not independent draws. "
                'Use method="wald" or "rao-scott".'
            )
