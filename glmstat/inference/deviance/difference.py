"""The test of a smaller model within a larger one, by four statistics that share one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.covariance import covariance_root, is_robust, label
from glmstat.inference.deviance.comparison import check_likelihood, dispersion_text, offset_text, weights_text
from glmstat.inference.deviance.submodel import estimable_rows, null_basis
from glmstat.inference.hypothesis.rao import Scores, rao_statistic, scores_at
from glmstat.inference.hypothesis.wald import boundary_reason, without_covariance
from glmstat.inference.reference import chi_squared_p_value, f_p_value, joint
from glmstat.inference.restrict import Moments, Restricted, Subspace
from glmstat.inference.selected import selection_note
from glmstat.inference.statement import compared_within, ratio_note
from glmstat.matrix import Array
from glmstat.text.layout import WIDTH, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmstat.fit import Fit

__all__ = [
    "Inside",
    "Outcome",
    "by_deviance",
    "by_score",
    "by_wald",
    "check_test",
    "columns_of",
    "fall_fields",
    "foot",
    "has_dispersion",
    "heading",
    "test_words",
    "unused_vcov",
]

_TESTS: Mapping[str, str] = {
    **dict.fromkeys(("lrt", "lr"), "LRT"),
    "chisq": "Chisq",
    **dict.fromkeys(("rao", "score"), "Rao"),
    "f": "F",
    "wald": "Wald",
}
_ROUNDING = 1e-9  # share of the deviance below which a negative difference is rounding
_SINGULAR_MEAT = 1e-7  # the same for sandwiches: the square root of a meat whose zeros are rounding
_SINGULAR = 1e-10  # share of the largest singular value below which restrictions have no variance


class Outcome(NamedTuple):
    """One test: degrees of freedom, fall of the deviance, statistic, p-value, denominator of F.

    Parameters
    ----------
    reason : why there is no statistic, where that lies in the fit and not in the hypothesis.
    """

    df: int
    deviance: float
    statistic: float
    p_value: float
    df_denominator: float = np.inf
    reason: str = ""


def check_test(fit: Fit, test: str) -> str:
    """Return the test that a word asks for: "LRT" (by chi-squared), "F", "Rao" or "Wald".

    The likelihood ratio is "F" where the dispersion is estimated, but under compat="R".

    Raises
    ------
    ArgumentError : no such test, or F where the dispersion is known.
    ComparisonError : a test by likelihood with sampling weights.
    """
    found = _TESTS.get(test.lower()) if isinstance(test, str) else None
    if found is None:
        known = ("LRT", "Chisq", "F", "Rao", "score", "Wald")
        raise ArgumentError(f"Unknown test: {test!r}. Known: {one_of(known)}.{near(str(test), known)}")
    if found != "Wald":
        check_likelihood(fit, {"Rao": "score (Rao)"}.get(found, "likelihood ratio"))
    if found == "F" and not fit.estimate.dispersion.estimated:
        raise ArgumentError(
            f'test="F" needs an estimated dispersion: {dispersion_text(fit)}. '
            'Use test="LRT", or fit with dispersion="pearson".'
        )
    if found == "F" and fit.estimate.profiled:
        raise ArgumentError('test="F" needs a known p: here log-likelihoods are compared. Use test="LRT".')
    if fit.estimate.profiled:
        return "LRT" if found == "Chisq" else found
    if found == "LRT" and fit.estimate.dispersion.estimated and fit.convention.likelihood_ratio == "F":
        return "F"
    return "LRT" if found == "Chisq" else found


def by_deviance(largest: Fit, small: tuple[float, int], large: tuple[float, int], test: str) -> Outcome:
    """Return the likelihood ratio test of two models given as (deviance, rank).

    Parameters
    ----------
    largest : gives dispersion and, for "F", the degrees of freedom of the residuals.
    """
    fall, df = small[0] - large[0], large[1] - small[1]
    if -_ROUNDING * (1.0 + abs(large[0])) < fall < 0:
        fall = 0.0
    by_f = test == "F" and not largest.estimate.profiled
    return _scaled(largest, Outcome(df, fall, fall, np.nan), by_f=by_f, phi=largest.estimate.unit)


def by_score(largest: Fit, scores: Scores, df: int) -> Outcome:
    """Return the score test from U and J of the larger model at the estimate of the smaller.

    Against F where the dispersion, that of the largest model, is estimated, but under compat="R".

    Source: Rao (1948); with compat="R" as anova(test="Rao").
    """
    by_f = largest.estimate.dispersion.estimated and largest.convention.score == "F"
    return _scaled(largest, Outcome(df, np.nan, rao_statistic(_informed(scores)), np.nan), by_f=by_f)


def _scaled(largest: Fit, found: Outcome, *, by_f: bool, phi: float | None = None) -> Outcome:
    """The test whose statistic is for dispersion 1, by the dispersion of the largest model or another."""
    df, rest = found.df, largest.df_residual
    if df <= 0 or not has_dispersion(largest):
        return found._replace(statistic=np.nan)
    scaled = found.statistic / (largest.dispersion if phi is None else phi)
    if by_f:
        return Outcome(df, found.deviance, scaled / df, f_p_value(scaled / df, df, rest), rest)
    return Outcome(df, found.deviance, scaled, chi_squared_p_value(scaled, df))


def _informed(scores: Scores) -> Scores:
    """The scores in the directions of which the rows say anything.

    Where the smaller model is at infinity some rows say nothing; along what only they could tell, score and
    information are 0, and so is their share of the statistic.
    """
    values, vectors = np.linalg.eigh(scores.sums.information)
    kept = values > _SINGULAR * values.max(initial=0.0)
    return scores if kept.all() else _turned(scores, vectors[:, kept])


def _turned(scores: Scores, basis: Array) -> Scores:
    """The scores in the coordinates of other columns: root @ basis."""
    score, information, meat = scores.sums.score, scores.sums.information, scores.sums.meat
    return Scores(
        Moments(basis.T @ score, basis.T @ information @ basis, basis.T @ meat @ basis), scores.root @ basis
    )


def by_wald(fit: Fit, rows: Array, value: Array) -> Outcome:
    """Return the Wald test of R coef = r under the covariance of a fit.

    NaN where a coefficient in R is infinite, where the covariance of R coef is singular, where the fit has no
    covariance, or where its maximum lies on the boundary, so that the likelihood is not quadratic there.

    Parameters
    ----------
    rows, value : R (m, p) of full row rank, r (m,).
    """
    df = len(rows)
    if reason := _undefined(fit):
        return Outcome(df, np.nan, np.nan, np.nan, reason=reason)
    infinite = np.isinf(fit.estimate.coef)
    if df == 0 or np.abs(rows[:, infinite]).any():
        return Outcome(df, np.nan, np.nan, np.nan)
    root = covariance_root(fit)
    part = rows @ np.nan_to_num(root)
    sizes = np.linalg.norm(part, axis=1)
    if not (sizes > 0).all() or np.isnan(root[(rows != 0).any(axis=0)]).any():
        return Outcome(df, np.nan, np.nan, np.nan)
    left, values, _ = np.linalg.svd(part / sizes[:, None], full_matrices=False)
    least = _SINGULAR_MEAT if is_robust(fit) else _SINGULAR
    if len(values) < df or values[-1] <= least * values[0]:
        return Outcome(df, np.nan, np.nan, np.nan)
    distance = (rows @ np.nan_to_num(fit.estimate.coef, posinf=0.0, neginf=0.0) - value) / sizes
    found = joint(fit, rows, float(np.sum((left.T @ distance / values) ** 2)))
    rest = found.df[1] if len(found.df) > 1 else np.inf
    return Outcome(df, np.nan, found.statistic, found.p_value, rest)


def _undefined(fit: Fit) -> str:
    """Why no hypothesis about a fit has a Wald test; '' where they have."""
    if reason := boundary_reason(fit):
        weighted = fit.spec.call["sampling_weights"] is not None
        instead = "use a link without bounds" if weighted else 'use test="LRT"'
        return f"{reason}, where Wald is not valid: {instead}"
    return without_covariance(fit)


class Inside:
    """Models inside a fit, as rows R with R coef = 0: each is fitted once, near the others.

    Parameters
    ----------
    fit : the largest model; it gives dispersion and covariance.
    test : "LRT", "F", "Rao" or "Wald", as `check_test` returns it.
    """

    def __init__(self, fit: Fit, test: str) -> None:
        self.fit, self.kind = fit, test
        self._points: dict[bytes, Restricted] = {}

    def point(self, rows: Array) -> Restricted:
        """Return the maximum of the likelihood on R coef = 0."""
        rows = estimable_rows(self.fit, rows)
        if not len(rows):
            return Restricted(self.fit.estimate.theta, self.fit.estimate)
        found = self._points.get(rows.tobytes())
        if found is None:
            found = self._points[rows.tobytes()] = Subspace(self.fit, rows).fit(np.zeros(len(rows)))
        return found

    def notes(self) -> Iterator[str]:
        """Yield what a reader should know of the fits so far."""
        ends = [
            self.fit.estimate.convergence,
            *(point.estimate.convergence for point in self._points.values()),
        ]
        count = sum(end.status == "not converged" for end in ends)
        if count:
            yield f"{count} of {len(ends)} models did not converge: their deviances are not the least"

    def test(self, small: Array, large: Array) -> Outcome:
        """Return the test of one model within another, both given by their rows."""
        if self.kind == "Wald":
            rows = self._orthogonal(small, large)
            return by_wald(self.fit, rows, np.zeros(len(rows)))
        one, two = self.point(small), self.point(large)
        found = by_deviance(self.fit, (one.minimum, one.rank), (two.minimum, two.rank), self.kind)
        return self._score(one, found, large) if self.kind == "Rao" else found

    def _score(self, small: Restricted, found: Outcome, large: Array) -> Outcome:
        try:
            scores = scores_at(self.fit, small)
        except ComparisonError:
            return Outcome(found.df, found.deviance, np.nan, np.nan)
        if len(large):
            scores = _turned(scores, null_basis(estimable_rows(self.fit, large) @ scores.root))
        return by_score(self.fit, scores, found.df)._replace(deviance=found.deviance)

    def _orthogonal(self, small: Array, large: Array) -> Array:
        """Rows that span those of `small` with those of `large`, uncorrelated with the latter.

        Their Wald statistic is that of the smaller model less that of the larger: what the first says
        beyond the second. Source: Fox & Weisberg, car's Anova, for tests that obey marginality.
        """
        root = np.nan_to_num(covariance_root(self.fit))
        rows, given = (_unit(estimable_rows(self.fit, model), root) for model in (small, large))
        if not len(given):
            return rows
        share, *_ = np.linalg.lstsq((given @ root).T, (rows @ root).T, rcond=None)
        said, *_ = np.linalg.lstsq(rows.T, given.T, rcond=None)  # given = said' rows
        return null_basis(said.T).T @ (rows - share.T @ given)


def _unit(rows: Array, root: Array) -> Array:
    """The rows in units of the standard error of what they say."""
    sizes = np.linalg.norm(rows @ root, axis=1, keepdims=True)
    return rows / np.where(sizes > 0, sizes, 1.0)


def has_dispersion(fit: Fit) -> bool:
    """Return whether there is a dispersion to divide by."""
    value = fit.dispersion
    return fit.status != "perfect fit" and bool(np.isfinite(value)) and value > 0


def _distribution(fit: Fit, test: str, outcomes: Sequence[Outcome]) -> str:
    """'chi-squared', 'F(df, 37)', or 'F(df, df_denominator)' where each row has its own."""
    rests = _denominators(outcomes) or ({float(fit.df_residual)} if test == "F" else set())
    if not rests:
        return "chi-squared"
    return f"F(df, {rests.pop():.4g})" if len(rests) == 1 else "F(df, df_denominator)"


def _denominators(outcomes: Sequence[Outcome | None]) -> set[float]:
    return {outcome.df_denominator for outcome in outcomes if outcome and np.isfinite(outcome.df_denominator)}


def fall_fields(fit: Fit) -> tuple[str, ...]:
    """Return the first fields of a table of tests: the fall of the deviance where tests compare it."""
    return ("df",) if compared_within(fit) else ("df", "deviance")


def columns_of(outcomes: Sequence[Outcome | None], fields: Sequence[str]) -> dict[str, list[Any]]:
    """Return fields of tests as columns; None leaves a row empty. Denominators only where they differ."""
    if "statistic" in fields and len(_denominators(outcomes)) > 1:
        place = fields.index("statistic")
        fields = (*fields[:place], "df_denominator", *fields[place:])
    return {
        name: [None if outcome is None else getattr(outcome, name) for outcome in outcomes] for name in fields
    }


def heading(fit: Fit, left: str) -> str:
    """Return the first line of a table: what it is, then family, link and rows at the right."""
    family = fit.spec.family
    name = family.text.replace("_", " ")
    name = name[:1].upper() + name[1:]
    right = f"{name}, {family.link.text.replace('_', ' ')} link · {count(fit.nobs, 'row')}"
    return left + " " * max(WIDTH - 1 - len(left) - len(right), 2) + right


def foot(
    fit: Fit, test: str, outcomes: Sequence[Outcome], *, dispersion: str = "", offset: bool = True
) -> Iterator[str]:
    """Yield the lines below a table: test, distribution, dispersion, offset, weights, covariance.

    Parameters
    ----------
    dispersion : in the place of that of the fit.
    offset : whether every model of the table has the offset of the fit.
    """
    facts = [
        f"test: {test_words(fit, test)}, {_distribution(fit, test, outcomes)}",
        "dispersion at its likeliest value in each"
        if fit.estimate.profiled and test == "LRT" and fit.estimate.dispersion.estimator != "given"
        else dispersion or dispersion_text(fit),
    ]
    if offset and offset_text(fit):
        facts.append(f"{offset_text(fit)} in every model")
    if weights_text(fit):
        facts.append(weights_text(fit))
    yield " · ".join(facts)
    if fit.spec.design.others and test != "Wald":
        also = one_of(tuple(fit.spec.design.others))
        yield f"{also} estimated in each model: tests take the fall of -2 loglik"
    shape = fit.estimate.shape
    if shape is not None and test in ("LRT", "F", "Rao"):
        yield f"{shape.name} estimated in each model, whose deviance is for that; tests compare -2 loglik"
    if test in ("LRT", "F"):
        yield from ratio_note(fit)
        if compared_within(fit):
            yield "deviances: without the penalty, at the penalised estimates; statistic: with it"
    if test == "Wald":
        yield f"vcov: {label(fit)}"
    elif is_robust(fit):
        yield unused_vcov(fit, "the score test" if test == "Rao" else "likelihood ratio")
    if not has_dispersion(fit):
        yield "no residual variation: nothing to divide by, so there are no tests"
    where = {
        "Wald": "a coefficient is infinite or the covariance of the restrictions is singular",
        "Rao": "a mean of the smaller model lies at its bound or the information is singular",
    }
    if has_dispersion(fit):
        without = [outcome for outcome in outcomes if np.isnan(outcome.statistic) and outcome.df > 0]
        for reason in dict.fromkeys(outcome.reason for outcome in without if outcome.reason):
            yield f"no statistic, {reason}"
        if test in where and not all(outcome.reason for outcome in without):
            yield f'no statistic where {where[test]}: use test="LRT"'
    yield from selection_note(fit)


def test_words(fit: Fit, test: str) -> str:
    """Return the name of a test in print."""
    names = {"Rao": "score (Rao)", "Wald": "robust Wald" if is_robust(fit) else "Wald"}
    return names.get(test, "likelihood ratio")


def unused_vcov(fit: Fit, name: str) -> str:
    """Return the line for what does not use the covariance that a fit carries."""
    return f"{name} assumes the model's variance: vcov {fit.covariance.kind} is not used"
