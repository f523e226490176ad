"""What is known of other systems and is no choice: defects, and numbers that go by another name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from glmstat.matrix import Block
from glmstat.text.number import figure

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["remarks"]


class Remark(NamedTuple):
    """What a reader of another system's output should know.

    Parameters
    ----------
    text : the sentence, or what makes it of the fit.
    holds : whether it matters for a fit.
    """

    text: str | Callable[[Fit], str]
    holds: Callable[[Fit], bool]


def remarks(fit: Fit, system: str) -> tuple[str, ...]:
    """Return the remarks on a system that matter for a fit."""
    found = [remark for remark in REMARKS.get(system, ()) if remark.holds(fit)]
    return tuple(one.text if isinstance(one.text, str) else one.text(fit) for one in found)


def _offset(fit: Fit) -> bool:
    return fit.spec.design.has_offset


def _estimated(fit: Fit) -> bool:
    return fit.estimate.dispersion.estimated


def _separated(fit: Fit) -> bool:
    return bool(fit.estimate.directions)


def _aliased(fit: Fit) -> bool:
    return bool(fit.estimate.aliased)


def _adjusted_rows(fit: Fit) -> bool:
    return fit.covariance.kind in ("HC1", "HC2", "HC3")


def _through_origin(fit: Fit) -> bool:
    return fit.spec.design.intercept is None and not fit.spec.design.absorbed


def _shares(fit: Fit) -> bool:
    coding, family = fit.spec.design.schema.response, fit.spec.likelihood.family
    number = coding is not None and coding.kind == "number"
    return family.name == "binomial" and number and fit.spec.call["weights"] is not None


def _zero_one(fit: Fit) -> bool:
    coding, family = fit.spec.design.schema.response, fit.spec.likelihood.family
    number = coding is not None and coding.kind == "number"
    return family.binary and number and fit.spec.call["weights"] is None


def _named(*names: str) -> Callable[[Fit], bool]:
    return lambda fit: fit.spec.likelihood.family.name in names


def _shaped(fit: Fit) -> bool:
    """Whether theta was estimated without a formula of its own."""
    return _named("negative_binomial")(fit) and fit.estimate.shape is not None


def _idle(fit: Fit) -> bool:
    """Whether rows of weight 0 are among those of the fit."""
    given = any(fit.spec.call[word] is not None for word in ("weights", "freq_weights"))
    return given and fit.frame is not None and fit.frame.reduce(_weight_zero) > 0


def _weight_zero(block: Block) -> float:
    return float((block.total == 0).sum())


def _two_formulas(fit: Fit) -> bool:
    return bool(fit.spec.design.others)


def _repeated(fit: Fit) -> bool:
    return fit.spec.call["freq_weights"] is not None


def _weighted(fit: Fit) -> bool:
    return fit.spec.call["weights"] is not None


def _factor(fit: Fit) -> bool:
    return any(part.kind == "factor" for part in fit.spec.design.schema.parts.values())


def _hc0_instead(fit: Fit) -> str:
    """The standard error that statsmodels prints, of the last coefficient."""
    from glmstat.inference.covariance import covariance_root, row_sizes, settled

    kind, slot = fit.covariance.kind, len(fit.columns) - 1
    theirs, ours = (
        row_sizes(covariance_root(fit, settled(word, fit.convention, shaped=False)))[slot]
        for word in ("HC0", kind)
    )
    return (
        f'cov_type="{kind}" of a GLM prints HC0 (statsmodels issue 7798, a defect, not reproduced): '
        f"{figure(float(theirs))} for {fit.columns[slot]}, where {kind} is {figure(float(ours))}"
    )


REMARKS: Mapping[str, tuple[Remark, ...]] = {
    "R": (
        Remark(
            "confint(fit) of R is the profile interval, cut at normal quantiles: "
            'fit.confint(method="profile") under compat="R"; confint.default(fit) is the one above',
            lambda fit: True,
        ),
        Remark(
            'drop1(test="F") and add1(test="F") divide by deviance / df, anova(test="F") and the standard '
            "errors by Pearson's dispersion",
            _estimated,
        ),
        Remark(
            "glm stops after 25 steps at large finite coefficients with large standard errors",
            _separated,
        ),
        Remark(
            "summary(glm(family = negative.binomial(theta))) estimates the dispersion; summary(glm.nb(…)) "
            "takes 1, as here",
            lambda fit: _named("negative_binomial")(fit) and not _two_formulas(fit),
        ),
        Remark(
            "a formula for theta is that of glmmTMB (family = nbinom2, dispformula =), which has the "
            'observed information: vcov="oim"',
            _two_formulas,
        ),
        Remark("BIC() counts the rows of weight 0 too; nobs() does not, and nor does BIC here", _idle),
        Remark("AIC() and logLik() are NA", _named("quasi", "quasipoisson", "quasibinomial", "tweedie")),
    ),
    "stata": (
        Remark(
            "the log-likelihood of this family is that for dispersion 1: lrtest and AIC do not allow for "
            "the dispersion",
            lambda fit: _named("gamma", "inverse_gaussian")(fit) and _estimated(fit),
        ),
        Remark(
            "family(nbinomial ml) takes theta as fixed once estimated: standard errors and k are as if it "
            'were known. nbreg does not: its standard errors are vcov="joint", estat ic after it counts '
            "theta",
            _shaped,
        ),
        Remark(
            "a formula for theta is that of gnbreg, whose coefficients of lnalpha are those of theta with "
            "the other sign; its AIC and BIC are those of estat ic",
            _two_formulas,
        ),
        Remark("estat ic prints AIC and BIC of the log-likelihood, not those above", lambda fit: True),
        Remark(
            "aweights are scaled to the sum n before the fit: the dispersion is then divided by their mean; "
            "iweights are not",
            _weighted,
        ),
        Remark("regress has t tests and n/(n-k), glm z tests and n/(n-1)", _named("gaussian")),
        Remark("perfectly predicted rows of a 0/1 response, and their column, are dropped", _separated),
        Remark(
            "levels of text need encode, which numbers them from 1; an expression needs a generated variable",
            _factor,
        ),
    ),
    "statsmodels": (
        Remark(
            "GLM takes alpha = 1 / theta as given; it is estimated by NegativeBinomial, whose table has "
            "alpha among the coefficients",
            _shaped,
        ),
        Remark("it has no formula for theta", _two_formulas),
        Remark(
            'cov_type="cluster" with freq_weights counts rows, not frequencies, in (n-1) / (n-k), and is '
            "called not fully supported: not reproduced, frequencies are repetition here",
            lambda fit: _repeated(fit) and bool(fit.covariance.cluster),
        ),
        Remark(
            "predict(newdata) takes offset 0 unless the offset is given again, without a warning; "
            "fit.predict(newdata) evaluates it from the new data",
            _offset,
        ),
        Remark(_hc0_instead, _adjusted_rows),
        Remark(
            "loglik and AIC of proportions with var_weights= are not those of the counts, which the "
            "two-column response gives; here both are the same",
            _shares,
        ),
        Remark(
            "the null deviance is that of a model with an intercept, which this one lacks", _through_origin
        ),
        Remark(
            "a collinear column shares its effect with the others, with standard errors that look real",
            _aliased,
        ),
        Remark("large finite coefficients stand in the place of infinite ones, as converged", _separated),
        Remark(
            'scale="X2" of a family of dispersion 1 divides the log-likelihood by it and prints an AIC',
            _named("quasipoisson", "quasibinomial"),
        ),
    ),
    "sas": (
        Remark(
            "DIST=NEGBIN prints the dispersion 1 / theta, with its standard error, below the coefficients",
            _shaped,
        ),
        Remark("it has no formula for theta", _two_formulas),
        Remark(
            "a 0/1 response models the probability of 0 unless DESCENDING or EVENT= is given: all signs turn",
            _zero_one,
        ),
        Remark("the reference level has a row of its own with estimate 0 and no standard error", _factor),
        Remark(
            "standard errors with clusters come from REPEATED SUBJECT=, a GEE",
            lambda fit: bool(fit.covariance.cluster),
        ),
        Remark('DSCALE and PSCALE stand for dispersion="deviance" and "pearson"', _estimated),
        Remark("large finite coefficients stand in the place of infinite ones", _separated),
    ),
}
