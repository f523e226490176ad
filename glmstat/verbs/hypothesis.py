"""Verbs that test: hypotheses, terms, several fits, goodness of fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.inference.criteria import InformationCriteria
    from glmstat.inference.deviance.anova import Anova
    from glmstat.inference.deviance.stepwise import Step
    from glmstat.inference.goodness import GoodnessOfFit
    from glmstat.inference.hypothesis.outcome import Tests

__all__ = ["add1", "anova", "drop1", "goodness_of_fit", "information_criteria", "step", "test"]


def test(
    self: Fit,
    hypothesis: str | Sequence[str] | Mapping[str, float] | Any,
    *,
    method: str = "wald",
    vcov: str | Covariance | None = None,
    adjust: str = "none",
    level: float = 0.95,
    data: Any = None,
) -> Tests:
    """Return tests of hypotheses about the coefficients, each labelled with what it is.

    Parameters
    ----------
    hypothesis : a text, with names of coefficients as the fit prints them, numbers, + - * / ^, exp log sqrt
        expit and the like. "x = 0.5, f[T.b] = f[T.c]" is one joint hypothesis, "x - z" is "x - z = 0", a
        term's name stands for all its coefficients = 0; "exp(x) = 2" and "x / z" go by the delta method, a
        ratio by Fieller's too. Or a mapping {"x": 1, "z": -1} (the combination is 0), a matrix (m, p), a pair
        (matrix, value). A list of these, or a mapping from labels to texts, is as many separate hypotheses.
    method : "wald"; "lr" (likelihood ratio); "score" (Rao; under a sandwich the robust score test);
        "robust wald", "robust score" and "rao-scott" (these need a sandwich); "all": every test that is
        defined in one table, the others with the reason. "all" without a sandwich takes HC3 for robust Wald.
    vcov, data : as in `vcov`. Under a sandwich covariance Wald tests are robust, and labelled so.
    adjust : of the p-values of several hypotheses: "none", "holm", "hochberg", "bonferroni", "sidak", "BH",
        "BY" or "single-step" (max-t). Intervals are simultaneous for "bonferroni", "sidak", "single-step".
    level : coverage of the intervals.

    Returns
    -------
    Table with a row per test: estimate, std_error, statistic, df, p_value, conf_low, conf_high where they
    exist. One restriction by Wald has a signed z or t; other statistics are chi-squared, or F where the
    dispersion is estimated. `to_frame()` adds p_unadjusted, reference and note.

    Raises
    ------
    ArgumentError : a name that is no coefficient, restrictions that contradict each other or cannot be
        estimated, an unknown word.
    ComparisonError : a likelihood-based test with sampling weights, Wald for an infinite coefficient.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 8], "x": [0, 1, 2, 3, 4, 5]}
    >>> fit = glmstat.glm("y ~ x", data, "poisson")
    >>> round(fit.test("x = 0.5")["statistic"][0], 4)
    -0.8999
    """
    from glmstat.inference.hypothesis.verb import test

    return test(self, hypothesis, method=method, vcov=vcov, adjust=adjust, level=level, data=data)


def anova(
    self: Fit,
    type: Literal["I", "II", "III"] = "I",
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return the analysis of deviance: a test of every term.

    Parameters
    ----------
    type : "I" adds the terms in order, "II" tests each given all that do not contain it, "III" given all
        others, independent of how factors are coded.
    test : "LRT", "F", "Rao" or "Wald".
    vcov, data : as in `vcov`; another covariance than "classical" goes with "Wald".

    Raises
    ------
    ArgumentError : unknown type or test; "F" where the dispersion is known.
    ComparisonError : a likelihood-based test with sampling weights; type III with empty cells.

    Source: numbers as R's anova.glm and car's Anova.
    """
    from glmstat.inference.deviance.anova import analysis

    return analysis(self, type, test=test, vcov=vcov, data=data)


def drop1(
    self: Fit,
    scope: str | Sequence[str] | None = None,
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return what the fit loses without each term that can be dropped.

    Every row is the model without that term, on the same rows, refitted from the estimate.

    Parameters
    ----------
    scope : terms to try, as the right side of a formula or a list of terms; default all that no other term
        of the fit contains. Only such terms can be dropped.
    test : "LRT", "Chisq", "F", "Rao" (or "score") or "Wald", which needs no refit; distributions as in
        `Fit.anova`: F for "LRT" and "Rao" where the dispersion is estimated, but under compat="R".
    vcov : as in `vcov`.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Anova with a row "none", the fit itself, and a row per term: df, deviance and aic of the model without it
    (not for "Wald"; aic where there is a likelihood), statistic, p_value. aic is that of the refitted model;
    with compat="R" what R's drop1 prints, which for an estimated dispersion is another number.

    Raises
    ------
    ArgumentError : a term that the fit does not have, or that another contains; unknown test.
    ComparisonError : a test by likelihood with sampling weights.

    Source: Chambers & Hastie (1992), section 6.2; numbers as R's drop1.
    """
    from glmstat.inference.deviance.selection import drop1

    return drop1(self, scope, test=test, vcov=vcov, data=data)


def add1(
    self: Fit,
    scope: str | Sequence[str],
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return what the fit gains by each further term.

    Parameters
    ----------
    scope : formula such as ". + z + s", or a list of terms; tried are its terms that the fit does not have,
        but for those that contain another of them.
    test : "LRT", "Chisq", "F", "Rao" (or "score": one pass over the rows, no fit of the larger model) or
        "Wald"; distributions as in `anova`: F for "LRT" and "Rao" where the dispersion is estimated, but
        under compat="R".
    vcov : as in `vcov`.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Anova with a row "none", the fit itself, and a row per term: df; deviance and aic of the model with it
    (for "LRT" and "F"); statistic, p_value. The dispersion is that of the larger model, for "Rao" that of
    the fit; aic as in `drop1`.

    Raises
    ------
    ArgumentError : nothing to add; unknown test.
    ComparisonError : missing values of a new term in rows of the fit; sampling weights.

    Source: Chambers & Hastie (1992), section 6.2; Rao (1948). Numbers as R's add1 and, for "Rao", anova.
    """
    from glmstat.inference.deviance.selection import add1

    return add1(self, scope, test=test, vcov=vcov, data=data)


def step(
    self: Fit,
    scope: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    direction: Literal["both", "backward", "forward"] = "both",
    criterion: str = "aic",
    alpha: float | None = None,
    test: str | None = None,
    k: float | None = None,
    max_steps: int = 1000,
    progress: bool | None = None,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Step:
    """Return the fit that adding and dropping single terms leads to, and the way there.

    Each step takes the change that lowers the criterion most, until none lowers it. Terms are dropped only
    while no other contains them, and added only after those that they contain.

    Parameters
    ----------
    scope : the largest model as a formula, or {"lower": …, "upper": …}; '.' stands for the terms of the fit,
        which the largest model must hold and the smallest must not exceed. Default: between the intercept
        alone and the fit.
    direction : "both", "backward" (only drop) or "forward" (only add).
    criterion : "aic"; "bic"; or "test": the term with the largest p-value above `alpha` goes, else the one
        with the smallest below `alpha` comes.
    alpha, test : level and statistic of the tests, by default 0.05 and "LRT": only with criterion="test".
        Statistics and their distributions as in `anova`.
    k : penalty per parameter in the place of 2 (aic) or log(nobs) (bic).
    max_steps : most steps.
    progress : a bar for each step: True, False, or None for steps that take long.
    vcov : as in `vcov`: covariance of Wald tests, and that of the fit returned.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Step. Its fit says that terms were selected: p-values and intervals of a selected model are too small.

    Raises
    ------
    ArgumentError : unknown words, and those that the criterion has no use for; a lower scope that the fit
        does not hold, or an upper one that does not hold the fit; no likelihood for aic.
    ComparisonError : rows that would change along the way, because a variable of the scope has missing
        values; sampling weights with aic or bic.

    Source: Chambers & Hastie (1992), section 6.1; numbers as R's step.
    """
    from glmstat.inference.deviance.stepwise import step

    return step(
        self,
        scope,
        direction=direction,
        criterion=criterion,
        alpha=alpha,
        test=test,
        k=k,
        max_steps=max_steps,
        progress=progress,
        vcov=vcov,
        data=data,
    )


def information_criteria(self: Fit, dispersion: float | None = None) -> InformationCriteria:
    """Return AIC, AICc, BIC and QAIC, each with its definition.

    Parameters
    ----------
    dispersion : c-hat of QAIC; default Pearson's chi-squared over its degrees of freedom.

    Raises
    ------
    ComparisonError : sampling weights.
    """
    from glmstat.inference.criteria import information_criteria

    return information_criteria(self, dispersion)


def goodness_of_fit(self: Fit, *, data: Any = None) -> GoodnessOfFit:
    """Return the deviance and Pearson chi-squared tests of the fit, with what they need to hold.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with rows deviance and Pearson: statistic, df, p_value; NaN where a test is not defined, with the
    reason below.

    Raises
    ------
    ComparisonError : sampling weights.
    """
    from glmstat.inference.goodness import goodness_of_fit

    return goodness_of_fit(self if data is None else self.with_data(data))
