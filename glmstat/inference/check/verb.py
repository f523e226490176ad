"""`Fit.check`: what least squares assumes, held against the rows of the fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmstat.errors import ArgumentError, ComparisonError, one_of
from glmstat.inference.check.collinearity import collinearity, condition, inflation
from glmstat.inference.check.finding import Checked, Finding
from glmstat.inference.check.order import durbin_watson
from glmstat.inference.check.shape import jarque_bera
from glmstat.inference.check.variance import breusch_pagan
from glmstat.inference.score import frame_of
from glmstat.inference.selected import selection_note
from glmstat.inference.statement import need_effects, need_likelihood
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["CHECKS", "Checks", "check"]

CHECKS: tuple[Callable[[Checked], Finding], ...] = (
    collinearity,
    condition,
    breusch_pagan,
    durbin_watson,
    jarque_bera,
)


@dataclass(frozen=True, eq=False, repr=False)
class Checks(Listing):
    """What was checked: a row with a statistic for each, and a line in plain words on each assumption.

    Parameters
    ----------
    inflation : variance inflation of every term.
    doubtful : the assumptions that the numbers speak against.
    """

    inflation: Listing | None = None
    doubtful: tuple[str, ...] = ()


def check(fit: Fit, data: Any = None) -> Checks:
    """Return what the rows of a gaussian fit say of its assumptions; the words are those of `Fit.check`.

    Raises
    ------
    ArgumentError : another family or link, or a fit with a prior.
    ComparisonError : sampling weights, or a fit that is no maximum of a likelihood.

    >>> import glmstat
    >>> data = {"y": [2.1, 3.9, 6.2, 7.8, 10.1, 11.7], "x": [1, 2, 3, 4, 5, 6], "z": [0, 1, 1, 0, 0, 1]}
    >>> [round(value, 3) for value in check(glmstat.glm("y ~ x + z", data))["statistic"]]
    [1.01, 5.044, 0.637, 3.523, 0.79]
    """
    _refuse(fit)
    checked = Checked.of(fit, frame_of(fit, "check()", data))
    found = [one(checked) for one in CHECKS]
    lines = [f"{one.assumption}: {one.words}" for one in found if one.words]
    lines.append(" · ".join(one.method for one in found if one.method))
    left = tuple(fit.estimate.aliased)
    if left:
        lines.append(f"without aliased columns: {one_of(left)}")
    return Checks(
        (f"Checks of the assumptions · {count(fit.nobs, 'row')}", fit.formula),
        tuple(one.check for one in found),
        {
            "statistic": [one.statistic for one in found],
            "df": [one.df for one in found],
            "p_value": [one.p_value for one in found],
        },
        (*filter(None, lines), *selection_note(fit)),
        fit.native,
        "check",
        inflation(checked),
        tuple(dict.fromkeys(one.assumption for one in found if one.doubtful)),
    )


def _refuse(fit: Fit) -> None:
    family = fit.spec.likelihood.family
    if family.power != 0 or family.link.name != "identity":
        raise ArgumentError(
            "check() knows the assumptions of gaussian fits with identity link: this one is "
            f"{family.text} with {family.link.text} link. Take goodness_of_fit(), residuals() or influence()."
        )
    need_likelihood(fit, "check()", "check")
    need_effects(fit, "check()", "Take residuals() or goodness_of_fit().")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            "check() is not defined with sampling weights: its tests take the rows as drawn alike. "
            "Leave the weights out to check the sample itself."
        )
    if fit.estimate.penalty is not None:
        raise ArgumentError("check() needs a maximum likelihood fit: this one has a prior. Fit it without.")
