"""Goodness of fit: deviance and Pearson's chi-squared against their degrees of freedom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import chdtrc

from glmstat.errors import ComparisonError
from glmstat.inference.score import finite_predictor, frame_of
from glmstat.inference.shape.estimated import estimates_theta
from glmstat.inference.statement import need_likelihood
from glmstat.matrix import Array, Block
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["GoodnessOfFit", "beside_separated", "goodness_of_fit", "lacks_trials"]

_SMALL = 5.0  # expected count below which, and
_SHARE = 0.2  # share of rows above which chi-squared is in doubt: Cochran (1954)
COUNTED = ("poisson", "negative_binomial", "binomial")


class _Seen(NamedTuple):
    """Rows, rows of a small expected count, and rows whose response is neither 0 nor 1."""

    rows: float
    small: float
    between: float

    def __add__(self, other: _Seen) -> _Seen:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Seen(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False, repr=False)
class GoodnessOfFit(Listing):
    """Tests of the fit against the model with a mean for each row; NaN p-values where there is no test.

    Parameters
    ----------
    holds : whether nothing speaks against chi-squared.
    small_share : share of rows with an expected count below 5; NaN where the response is no count.
    """

    holds: bool = True
    small_share: float = nan


def goodness_of_fit(fit: Fit) -> GoodnessOfFit:
    """Return the deviance and Pearson chi-squared tests on the residual degrees of freedom.

    They compare the fit with a mean for each row, and hold where the counts behind each row are large.
    There is no test where the dispersion, or theta, is estimated, which these statistics themselves do, or
    where responses are single 0s and 1s, of which the deviance depends on the fitted means alone.

    Raises
    ------
    ComparisonError : sampling weights.
    DataError : the fit holds no rows.

    Source: McCullagh & Nelder (1989), sections 4.4.3 and 4.4.5; Cochran (1954) for small counts.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [12, 21, 32, 54, 97], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> [round(p, 4) for p in goodness_of_fit(fit)["p_value"]]
    [0.9647, 0.9647]
    """
    need_likelihood(fit, "A goodness-of-fit test", "goodness")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            "Goodness of fit is not defined with sampling weights: deviance and Pearson's chi-squared have "
            "no chi-squared distribution then. Leave the weights out to test the sample itself."
        )
    seen = _look(fit)
    reasons = _reasons(fit, seen)
    share = seen.small / seen.rows if fit.spec.likelihood.family.name in COUNTED and seen.rows else nan
    doubts = _doubts(fit, share) if not reasons else ()
    phi, df = (
        fit.dispersion if fit.estimate.dispersion.estimator == "given" else 1.0,
        fit.estimate.df_beside_separated,
    )
    statistics = (fit.deviance / phi, fit.pearson / phi)
    p_values = tuple(nan if reasons else float(chdtrc(df, value)) for value in statistics)
    against = f"chi-squared({df})" if not reasons else "no p-value"
    scaled = "" if phi == 1.0 else f" · divided by the given dispersion {phi:.4g}"
    return GoodnessOfFit(
        (f"Goodness of fit · {count(fit.nobs, 'row')}", fit.formula),
        ("deviance", "Pearson"),
        {"statistic": statistics, "df": (df, df), "p_value": p_values},
        (f"against a mean for each row · {against}{scaled}", *reasons, *doubts, *beside_separated(fit)),
        fit.native,
        "of",
        not reasons and not doubts,
        share,
    )


def lacks_trials(fit: Fit) -> bool:
    """Whether the responses of a binomial fit are single 0s and 1s."""
    return fit.spec.likelihood.family.name == "binomial" and not _look(fit).between


def beside_separated(fit: Fit) -> Iterator[str]:
    """Yield what is said of degrees of freedom where rows are predicted perfectly."""
    df, rows = fit.estimate.df_beside_separated, fit.estimate.convergence.separated_rows
    if rows is not None and df != fit.df_residual:
        yield f"df: of the rows that are not predicted perfectly; {count(rows.count, 'row')} are"


def _look(fit: Fit) -> _Seen:
    """Count rows by response and expected count."""
    family, likelihood, design = fit.spec.likelihood.family, fit.spec.likelihood, fit.spec.design
    binomial = family.name == "binomial"

    def kernel(block: Block) -> _Seen:
        used = block.total > 0
        counts = block.frequencies
        mean: Array = likelihood.mean(finite_predictor(fit.estimate, block.X, block.offset, design))
        expected = block.weights * (np.minimum(mean, 1.0 - mean) if binomial else mean)
        between = (block.y != 0.0) & (block.y != 1.0)
        masks = (used, used & (expected < _SMALL), used & between)
        return _Seen(*(float(counts[mask].sum()) for mask in masks))

    return frame_of(fit, "Goodness of fit").reduce(kernel)


def _reasons(fit: Fit, seen: _Seen) -> tuple[str, ...]:
    """Why there is no test."""
    family = fit.spec.likelihood.family
    if fit.estimate.df_beside_separated <= 0:
        return ("no residual degrees of freedom: the model has a mean for each row itself",)
    if fit.estimate.dispersion.estimated:
        return ("the dispersion is estimated from the same residuals: nothing is left to test it with",)
    if estimates_theta(fit):
        return ("theta is estimated from the same counts, and takes up what they vary more: no test is left",)
    if family.name == "binomial" and not seen.between:
        return (
            "responses are single 0s and 1s: the deviance depends on the fitted means alone, and Pearson's "
            "chi-squared is near n for every model. Group the rows: cbind(successes, failures) ~ …",
        )
    return ()


def _doubts(fit: Fit, share: float) -> tuple[str, ...]:
    """Why the test is not to be trusted."""
    if not share > _SHARE:
        return ()
    return (
        f"expected counts are below {_SMALL:.0f} in {100 * share:.0f} % of the rows: chi-squared is a poor "
        "approximation, worse for the deviance",
    )
