"""`Fit.overdispersion`: whether counts vary more than their family says, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, sqrt
from typing import TYPE_CHECKING, Any

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.covariance import is_robust
from glmstat.inference.goodness import COUNTED, beside_separated, goodness_of_fit
from glmstat.inference.overdispersion.finding import TESTS, Asked, Finding
from glmstat.inference.overdispersion.seen import BINOMIAL, NEGATIVE_BINOMIAL, POISSON, kind_of, look
from glmstat.inference.score import frame_of
from glmstat.inference.selected import selection_note
from glmstat.inference.shape.estimated import estimates_theta
from glmstat.inference.statement import need_effects, need_likelihood
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Overdispersion", "overdispersion"]

LEVEL = 0.05
SMALL_SHARE = 0.2  # of rows with a small expected count: Cochran (1954)
ALTERNATIVES = ("greater", "less", "two-sided")
VERB = "overdispersion()"
_ANY = 'vcov="HC3" holds whatever the variance is'
_REMEDIES = {
    (POISSON, "overdispersed"): (
        'family="quasipoisson" multiplies errors by the root of the ratio; family="negative_binomial" fits '
        f"mu + mu^2 / theta; {_ANY}"
    ),
    (POISSON, "underdispersed"): (
        f'family="quasipoisson" multiplies errors by the root of the ratio; {_ANY}. A negative binomial '
        "varies more than a Poisson, and cannot fit such counts"
    ),
    **dict.fromkeys(
        ((BINOMIAL, "overdispersed"), (BINOMIAL, "underdispersed")),
        'family="quasibinomial" multiplies errors by the root of the ratio; vcov="HC3", or vcov="~cluster", '
        "holds whatever the variance is",
    ),
    (NEGATIVE_BINOMIAL, "overdispersed"): f"theta may be smaller than the given one; {_ANY}",
    (NEGATIVE_BINOMIAL, "underdispersed"): f"theta may be larger than the given one; {_ANY}",
}


@dataclass(frozen=True, eq=False, repr=False)
class Overdispersion(Listing):
    """Tests of the variance of counts: statistic, df, p_value, estimate; below them what they say.

    Parameters
    ----------
    findings : one per row.
    verdict : "overdispersed", "underdispersed" or "neither", at 5 % by the test that leads; "not tested"
        where theta is estimated.
    ratio : Pearson's chi-squared over its degrees of freedom.
    """

    findings: tuple[Finding, ...] = ()
    verdict: str = ""
    ratio: float = 1.0


def overdispersion(fit: Fit, *, alternative: str = "greater", data: Any = None) -> Overdispersion:
    """Return the tests; the words are those of `Fit.overdispersion`.

    >>> import glmstat
    >>> data = {"y": [0, 9, 1, 12, 0, 3, 25, 2], "x": [0, 1, 2, 3, 4, 5, 6, 7]}
    >>> found = overdispersion(glmstat.glm("y ~ x", data, "poisson"))
    >>> found.verdict, round(found.ratio, 2)
    ('overdispersed', 10.67)
    """
    if alternative not in ALTERNATIVES:
        raise ArgumentError(
            f"Unknown alternative: {alternative!r}. Known: {one_of(ALTERNATIVES)}."
            f"{near(str(alternative), ALTERNATIVES)}"
        )
    kind = _refuse(fit)
    quasi = fit.spec.likelihood.family.name.startswith("quasi")
    seen = None if estimates_theta(fit) else look(fit, frame_of(fit, VERB, data), kind)
    if kind == BINOMIAL and seen is not None and not seen.rows:
        raise ComparisonError(
            f"{VERB} is not defined: every row is a single trial, whose variance follows from its mean. "
            'Group the rows, cbind(successes, failures) ~ …; or allow for dependent rows by vcov="~cluster".'
        )
    asked = Asked(fit, kind, seen, quasi)
    findings = tuple(one for test in TESTS for one in test(asked))
    verdict = _verdict(findings)
    return Overdispersion(
        (f"Tests of overdispersion · {count(fit.nobs, 'row')}", fit.spec.design.text),
        tuple(one.test for one in findings),
        {
            "statistic": [one.statistic for one in findings],
            "df": [one.df for one in findings],
            "p_value": [one.p_value(alternative) for one in findings],
            "estimate": [one.estimate for one in findings],
        },
        (*_notes(asked, findings, verdict, alternative), *selection_note(fit)),
        fit.native,
        "test",
        findings,
        verdict,
        asked.ratio,
    )


def _refuse(fit: Fit) -> str:
    """Which variance of counts a fit has; fits without one, or without residuals, are refused."""
    need_likelihood(fit, VERB, "goodness")
    family, kind = fit.spec.likelihood.family, kind_of(fit)
    if not kind or family.name not in (*COUNTED, "quasipoisson", "quasibinomial", "quasi", "geometric"):
        raise ArgumentError(
            f"{VERB} is of counts and shares, whose variance follows from their mean: {family.name} "
            "has a dispersion of its own, which the fit estimates. See dispersion, or take check()."
        )
    need_effects(fit, VERB, "Take goodness_of_fit().")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            f"{VERB} is not defined with sampling weights: rows are not independent draws. "
            "Leave the weights out to test the sample itself; survey errors allow for any variance."
        )
    if fit.estimate.penalty is not None or fit.spec.call["prior"] is not None:
        raise ArgumentError(f"{VERB} needs a maximum likelihood fit: this one has a prior. Fit it without.")
    if fit.estimate.df_beside_separated <= 0:
        raise ComparisonError(f"{VERB} is not defined: no residual degrees of freedom. Use fewer terms.")
    return kind


def _verdict(findings: tuple[Finding, ...]) -> str:
    lead = next(one for one in findings if one.leads)
    if not lead.tested:
        return "not tested"
    if lead.p_value("greater") < LEVEL:
        return "overdispersed"
    return "underdispersed" if lead.p_value("less") < LEVEL else "neither"


def _notes(asked: Asked, findings: tuple[Finding, ...], verdict: str, alternative: str) -> Iterator[str]:
    fit, family = asked.fit, asked.fit.spec.likelihood.family
    if asked.seen is None:
        yield from _untested(asked)
    else:
        yield from _words(asked, verdict)
        yield from _laws(fit, findings, alternative)
        share = goodness_of_fit(fit).small_share if family.name in COUNTED else 0.0
        if share > SMALL_SHARE:
            yield f"expected counts are below 5 in {100 * share:.0f} % of the rows: chi-squared is rough"
    yield from beside_separated(fit)
    if not fit.converged:
        yield "the fit has not converged"


def _laws(fit: Fit, findings: tuple[Finding, ...], alternative: str) -> Iterator[str]:
    """What p-values are, and at which means."""
    sided = {"greater": "one-sided", "less": "one-sided, for less variance", "two-sided": "two-sided"}
    scored = any(isnan(one.df) for one in findings)
    yield f"p-values: {sided[alternative]} · chi-squared(df){', z for the others' if scored else ''}"
    if scored:
        yield "score tests: corrected for the coefficients being estimated, by hat values"
    if fit.spec.statement is not None:
        yield f"at the means of {fit.spec.statement.choice}"


def _untested(asked: Asked) -> Iterator[str]:
    """Why there are no p-values, and what is tested instead."""
    fit, ratio = asked.fit, f"Pearson / df {asked.ratio:.3g}"
    shape = fit.estimate.shape
    why = "no p-values: theta is estimated from the same counts, and takes up what they vary more"
    if shape is not None and shape.estimator == "moments":
        yield f"{why}; by moments {ratio} is what it was chosen for"
        yield 'instead: fit with method="ml", which can be tested against larger models'
    else:
        yield f"{why} ({ratio})"
        own = (
            ""
            if fit.spec.design.others
            else 'another theta in each group, predictors={"theta": "~ group"}, or '
        )
        yield f"instead: {own}more terms in a formula, and anova() of both fits"
    if not is_robust(fit):
        yield 'vcov="HC1" holds whatever the variance is'


def _words(asked: Asked, verdict: str) -> Iterator[str]:
    """What the numbers say, what to do, and what else looks the same."""
    fit = asked.fit
    size = f"the variance is about {asked.ratio:.3g} times that of the family (Pearson / df)"
    phi = fit.estimate.dispersion
    if asked.quasi:
        yield f"{verdict}: {size}; the errors of the fit allow for it, by {sqrt(phi.value):.3g}"
    elif verdict == "neither":
        yield "nothing speaks against the variance of the family"
    elif is_robust(fit):
        yield f"{verdict}: {size}; vcov {fit.covariance.kind} allows for it, the likelihood does not"
    elif phi.estimator == "given":
        scaled = f"the given dispersion multiplies the errors of the fit by {sqrt(phi.value):.3g}"
        yield f"{verdict}: {size}; {scaled}"
    elif phi.estimated:
        yield f"{verdict}: {size}; the errors of the fit allow for it, by {sqrt(phi.value):.3g}"
    else:
        wrong = "small" if verdict == "overdispersed" else "large"
        yield f"{verdict}: {size}, standard errors are too {wrong}"
        yield f"what to do: {_REMEDIES[asked.kind, verdict]}"
    if verdict == "overdispersed":
        yield "a missing term, or a few large rows, look the same: see residuals() first"
