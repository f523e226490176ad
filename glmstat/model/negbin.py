"""Negative binomial models."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal

from glmstat.call import Call, Covariance
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.families import NegativeBinomial
from glmstat.fit import Fit, fit_model
from glmstat.likelihood.base import GLM
from glmstat.links import Link

__all__ = ["negbin"]


def negbin(
    formula: str,
    data: Any,
    *,
    theta: float | None = None,
    link: str | Link | type[Link] = "log",
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
    freq_weights: Any = None,
    sampling_weights: Any = None,
    subset: Any = None,
    na_action: Literal["drop", "exclude", "raise"] = "drop",
    contrasts: Any = None,
    context: Any = None,
    predictors: Mapping[str, str] | None = None,
    method: Literal["ml", "moments"] = "ml",
    vcov: str | Covariance = "classical",
    dispersion: float | Literal["pearson", "deviance"] | None = None,
    compat: str = "glmstat",
    start: Any = None,
    allow_python: bool = False,
    control: Control = Control(),
) -> Fit:
    """Return the negative binomial fit of counts: Var(y) = mu + mu**2 / theta.

    The same as `glm` with family "negative_binomial", or "negative_binomial(theta)" where theta is given.
    What was estimated of theta is `fit.shape`.

    Parameters
    ----------
    formula, data, link, offset, exposure, weights, freq_weights, sampling_weights, subset, na_action,
    contrasts, context, predictors, dispersion, compat, start, allow_python, control : as in `glm`.
    theta : > 0, where it is known; None estimates it with the coefficients.
    method : how theta is estimated: "ml", by maximum likelihood; "moments": Pearson's chi-squared is then its
        degrees of freedom, and nothing that compares likelihoods holds.
    vcov : as in `glm`; "classical" is for given theta by the expected information, as R's glm.nb; "joint"
        by the joint observed information of coefficients and theta, as Stata's nbreg and statsmodels.

    Returns
    -------
    Fit, as `glm`.

    Raises
    ------
    DataError : the counts vary no more than their means, so that theta is infinite: Poisson.
    ArgumentError : theta that is not > 0, or an unknown method.

    Source: Lawless (1987), Canadian Journal of Statistics 15; Venables & Ripley (2002), section 7.4; numbers
    as MASS's glm.nb.

    >>> import glmstat
    >>> data = {"y": [0, 1, 0, 9, 2, 14, 3, 30], "x": [0, 0, 1, 1, 2, 2, 3, 3]}
    >>> fit = glmstat.negbin("y ~ x", data)
    >>> print(round(fit.shape.value, 4), round(fit.coef["x"], 4))
    0.9195 0.9689
    """
    words = dict(locals())
    if theta is not None and (isinstance(theta, bool) or not isinstance(theta, Real)):
        raise ArgumentError(f"theta must be a number > 0, or None to estimate it: got {theta!r}.")
    family = NegativeBinomial(None if theta is None else float(theta), link=link)  # pyright: ignore[reportArgumentType]
    del words["theta"]
    return fit_model(
        Call("glm", {**words, "family": family, "link": None, "prior": None, "event": None}), GLM(family)
    )
