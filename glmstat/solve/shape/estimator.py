"""The estimator of coefficients and a shape of the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmstat.control import Control
from glmstat.errors import ArgumentError, one_of
from glmstat.estimate import Estimate
from glmstat.families import Family
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.estimator import Asked, Within
from glmstat.solve.shape.shaped import Fitting, Shaped, shape_named
from glmstat.statement import Statement

if TYPE_CHECKING:
    from glmstat.formula.design import Design

__all__ = ["ShapeEstimated"]

COVARIANCES = (
    "classical", "opg", "HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5", "CR0", "CR1", "CR1S", "CR2", "CR3",
    "HAC", "NW", "DK", "survey", "jackknife", "bootstrap",
)  # fmt: skip


@dataclass(frozen=True)
class ShapeEstimated:
    """Coefficients with a parameter of the family, which every refit estimates again.

    Parameters
    ----------
    name : of the parameter: "theta", "p".
    method : how it is estimated: "ml", "moments".

    Raises
    ------
    ArgumentError : a method that the parameter has not.
    """

    name: str
    method: str = "ml"
    kind = "shape"

    def __post_init__(self) -> None:
        known = self.shaped.methods
        if self.method not in known:
            words = one_of([f'method="{word}"' for word in known])
            raise ArgumentError(f'{self.name} is not estimated by method="{self.method}". Known: {words}.')

    @classmethod
    def asked(cls, asked: Asked, likelihood: GLM, frame: ModelFrame) -> ShapeEstimated:
        """Return the estimator that a call asks for."""
        (name,) = likelihood.family.unknown
        return cls(name, asked.method)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ShapeEstimated:
        """Return the estimator that `to_json` wrote."""
        return cls(plain["name"], plain["method"])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"name": self.name, "method": self.method}

    @property
    def shaped(self) -> Shaped:
        """What the family says of the parameter."""
        return shape_named(self.name)

    def opened(self, family: Family) -> Family:
        """Return the family with the parameter open."""
        return self.shaped.given(family, None)

    def fitting(
        self,
        frame: ModelFrame,
        likelihood: GLM,
        *,
        start: Array | None = None,
        control: Control | None = None,
        dispersion: Any = None,
        within: Within | None = None,
    ) -> Fitting:
        """Return what is to be fitted; arguments as those of `estimate`."""
        control = control or Control()
        whole = within is None
        return Fitting(frame, likelihood.family, self.method, start, control, dispersion, whole)

    def estimate(
        self,
        frame: ModelFrame,
        likelihood: GLM,
        *,
        start: Array | None = None,
        control: Control | None = None,
        dispersion: Any = None,
        within: Within | None = None,
    ) -> Estimate:
        """Return the joint estimate; a likelihood with a value of the parameter starts there.

        Raises
        ------
        ArgumentError : dispersion="ml" of a family whose dispersion is 1.
        """
        family = likelihood.family
        if isinstance(dispersion, str) and dispersion == "ml" and family.dispersion is not None:
            raise ArgumentError(
                f"dispersion='ml' has nothing to maximise: the {family.name} likelihood has dispersion 1. "
                "Use 'pearson' or 'deviance'."
            )
        given = {"start": start, "control": control, "dispersion": dispersion, "within": within}
        return self.shaped.estimate(self.fitting(frame, likelihood, **given))

    def statement(self, estimate: Estimate, design: Design) -> Statement | None:
        """Return None by maximum likelihood: all that rests on it holds, in each model with its own value."""
        if self.method == "ml":
            return None
        return Statement(
            self.method,
            f"{self.name} by {self.method}, the coefficients at the maximum for it",
            covariances=COVARIANCES,
            argument=f'method="{self.method}"',
            holds=("goodness", "misfit", "bootstrap", "check"),
            refused=f"{self.name} is not at the maximum of the likelihood. "
            f'Fit with method="ml", or take given("{self.name}"), for which it is known.',
        )
