"""What each `inference=` says of its table, in words; the statements of docs/learned-features.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from glmstat.statement import Statement

__all__ = ["STATEMENTS", "crossfit", "debiased", "laplace", "naive", "nothing", "output_layer", "split"]

SCORES = ("HC0", "HC1", "CR1", "CR0", "CR1S", "classical")
_NO_LIKELIHOOD = (
    "its coefficients are no maximum of a likelihood, and a likelihood ratio of a learned model rejects true "
    "hypotheses far too often. Use fit.test(...) for coefficients, fit.score_test_nn() for the need of a "
    "network, fit.gain() for what it gains."
)
_NO_TESTS = 'the features were learned on the same rows. Use rglm(..., inference="debiased").'


def debiased(lines: Sequence[str]) -> Statement:
    """Return the statement of the cross-fitted orthogonal score."""
    return Statement(
        "debiased",
        "effects on the predictor with the networks' inputs held fixed",
        (*lines,),
        SCORES,
        refused=_NO_LIKELIHOOD,
    )


def crossfit(lines: Sequence[str]) -> Statement:
    """Return the statement of GLMs on features of response and targets, fold by fold."""
    return Statement(
        "crossfit",
        "effects on the predictor with learned features of response and targets as controls",
        (*lines,),
        SCORES,
        refused=_NO_LIKELIHOOD,
    )


def split(lines: Sequence[str]) -> Statement:
    """Return the statement of a GLM on features that were learned on other rows."""
    return Statement(
        "split",
        "conditional on the features learned on other rows; another seed gives other features",
        (*lines,),
        (
            "classical",
            "HC0",
            "HC1",
            "HC2",
            "HC3",
            "HC4",
            "HC4m",
            "HC5",
            "CR0",
            "CR1",
            "CR1S",
            "CR2",
            "CR3",
            "opg",
        ),
        refused="a comparison of likelihoods would refit the features. Use fit.test(...), by Wald.",
    )


def naive(lines: Sequence[str]) -> Statement:
    """Return the statement of a table as if the features were given: none that holds."""
    return Statement(
        "naive",
        "as if the learned features were given: not valid inference",
        (*lines,),
        ("classical", "HC0", "HC1"),
        tests=False,
        std_error="naive SE",
        refused=_NO_TESTS,
    )


def laplace(lines: Sequence[str]) -> Statement:
    """Return the statement of the posterior under the prior of training, around its mode."""
    return Statement(
        "laplace",
        "posterior mode and standard deviation under the prior, by Laplace's approximation",
        (*lines,),
        ("classical",),
        tests=False,
        std_error="posterior SD",
        label="laplace (full generalised Gauss-Newton, with the prior of training)",
        refused="a posterior is no test; the prior of the networks moves it. "
        'Use rglm(..., inference="debiased").',
    )


def nothing(lines: Sequence[str]) -> Statement:
    """Return the statement of estimates without standard errors."""
    return Statement(
        "none",
        "estimates for prediction, no inference",
        (*lines,),
        (),
        tests=False,
        refused='it was not asked for. Use rglm(..., inference="debiased").',
    )


STATEMENTS: Mapping[str, Callable[[Sequence[str]], Statement]] = {
    "debiased": debiased,
    "crossfit": crossfit,
    "split": split,
    "naive": naive,
    "laplace": laplace,
    "none": nothing,
}


def output_layer() -> Statement:
    """Return the statement of the output layer as a GLM of its own."""
    return Statement(
        "naive",
        "output layer of a network, features as if given: not valid inference",
        ("standard errors take the learned features as given: they are too small",),
        ("classical", "HC0", "HC1"),
        tests=False,
        std_error="naive SE",
        refused=_NO_TESTS,
    )
