"""Each choice of a convention in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from glmstat.convention import Convention

__all__ = ["ELSEWHERE", "FIELDS", "in_words"]


class Words(NamedTuple):
    """A choice in words.

    Parameters
    ----------
    stem : the beginning of the sentence.
    values : how it goes on, for each value.
    """

    stem: str
    values: Mapping[Any, str]


_CHI = {"F": "F", "chi_squared": "chi-squared"}
_OF = {"expected": "of the expected information", "observed": "of the observed information"}

# every choice, in the order of Convention; of `names` the new names themselves are shown
FIELDS: Mapping[str, Words] = {
    "names": Words("coefficients are called", {}),
    "reference": Words("the level to compare with is", {"first": "the first", "last": "the last"}),
    "ordered": Words("ordered factors have", {"treatment": "treatment contrasts", "poly": "polynomials"}),
    "event": Words("of two levels of the response", {"second": "the second is 1", "first": "the first is 1"}),
    "dispersion": Words(
        "the dispersion is", {"pearson": "Pearson's chi-squared / df", "ml": "that of maximum likelihood"}
    ),
    "likelihood_dispersion": Words(
        "the likelihood is evaluated at",
        {
            "own": "deviance / weights (RSS / n of a Gaussian)",
            "fitted": "the dispersion of the fit (RSS / n of a Gaussian with identity link)",
            "one": "dispersion 1 (RSS / n of a Gaussian)",
        },
    ),
    "weighted_likelihood": Words(
        "in the likelihood prior weights",
        {"rows": "multiply that of the rows", "dispersion": "divide the dispersion of the rows"},
    ),
    "counts_dispersion": Words("the dispersion", {True: "counts as a parameter", False: "does not count"}),
    "counts_shape": Words(
        "an estimated parameter of the family", {True: "counts as a parameter", False: "does not count"}
    ),
    "aic": Words("AIC is", {"sum": "-2 loglik + 2k", "per row": "(-2 loglik + 2k) / n"}),
    "bic": Words("BIC is", {"likelihood": "-2 loglik + k log n", "deviance": "deviance - (n-k) log n"}),
    "information": Words("classical standard errors are", _OF),
    "shape": Words(
        "classical standard errors take an estimated parameter of the family as",
        {"given": "given", "joint": "estimated jointly"},
    ),
    "bread": Words("sandwiches stand between inverses", _OF),
    "row_factor": Words("HC0 has", {"1": "no small-sample factor", "n/(n-1)": "the factor n/(n-1)"}),
    "cluster_factor": Words(
        "CR1 has",
        {
            "sandwich": "the factor G/(G-1)",
            "statsmodels": "the factor G/(G-1) (n-1)/(n-k)",
            "none": "no small-sample factor",
        },
    ),
    "wald": Words(
        "where the dispersion is estimated, Wald statistics are compared with",
        {"t": "Student's t", "normal": "the normal"},
    ),
    "wald_quantile": Words(
        "where tests are by t, intervals are cut at",
        {"dispersion": "Student's quantiles", "normal": "normal quantiles"},
    ),
    "wald_statistic": Words(
        "tables print", {"ratio": "estimate / standard error", "square": "the square of it, a chi-squared"}
    ),
    "scale": Words(
        "the dispersion is printed", {"dispersion": "as it is", "genmod": "beside a scale parameter"}
    ),
    "sandwich": Words("under a sandwich tests are by", {"t": "t", "normal": "the normal"}),
    "score": Words("where the dispersion is estimated, score tests are by", _CHI),
    "likelihood_ratio": Words("where the dispersion is estimated, likelihood-ratio tests are by", _CHI),
    "selection": Words("drop1, add1 and step compare", {"aic": "AIC", "scaled": "deviance / dispersion"}),
    "tweedie_likelihood": Words(
        "the likelihood of a Tweedie family is", {"exact": "that of its density", "none": "not defined"}
    ),
    "dfbeta": Words(
        "where the link decreases, dfbeta has",
        {"change": "the sign of the change", "opposite": "the other"},
    ),
}

# choices that move numbers of other verbs alone
ELSEWHERE: Mapping[str, str] = {
    "bread": 'vcov="HC0"',
    "row_factor": 'vcov="HC0"',
    "cluster_factor": 'vcov="~cluster"',
    "sandwich": 'vcov="HC0"',
    "score": 'test(…, method="score")',
    "likelihood_ratio": 'test(…, method="lr"), anova()',
    "selection": "drop1(), step()",
    "dfbeta": "influence()",
}


def in_words(field: str, here: Convention, there: Convention) -> str:
    """Return what two records say of a choice: "aic: AIC is … here, … there"."""
    stem, values = FIELDS[field]
    ours, theirs = (values[getattr(record, field)] for record in (here, there))
    return f"{field}: {stem} {ours} here, {theirs} there"
