"""What a family says of the parameter that is estimated with its coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol

from glmstat.control import Control
from glmstat.estimate import Estimate
from glmstat.families import Family
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.estimate import fit_estimate

__all__ = ["SHAPES", "Fitting", "Shaped", "shape_named"]

CLOSER = 1e-3  # of the tolerance, for coefficients beside a parameter that is estimated
SHAPES: Mapping[str, tuple[str, str]] = {  # name of the parameter → module of this folder and class
    "theta": ("theta", "Theta"),
    "p": ("power", "Power"),
}


@dataclass(frozen=True, eq=False)
class Fitting:
    """What is to be fitted, and how.

    Parameters
    ----------
    frame : the rows.
    family : with the parameter at its last value, or without one.
    method : "ml", "moments".
    start : coefficients (p,) near the maximum; None where nothing is known.
    dispersion : as in `fit_estimate`.
    whole : whether the frame is that of the model, not a subspace, whose estimate needs no standard errors.
    """

    frame: ModelFrame
    family: Family
    method: str = "ml"
    start: Array | None = None
    control: Control = Control()
    dispersion: Any = None
    whole: bool = True

    def by(self, family: Family, start: Array | None = None) -> Estimate:
        """Return the maximum likelihood estimate of the coefficients for a family that is known."""
        likelihood, control = GLM(family), self.control
        if self.frame.small:  # one more step costs little, and the parameter has its digits from these
            control = replace(control, tolerance=max(CLOSER * control.tolerance, 1e-13))
        found = fit_estimate(self.frame, likelihood, start=start, control=control, dispersion=self.dispersion)
        return replace(found, likelihood=likelihood)


class Shaped(Protocol):
    """One parameter of one family; all of it is without state."""

    name: str
    methods: tuple[str, ...]

    def value(self, family: Family) -> float | None:
        """Return the value that a family has; None where it is to be estimated."""
        ...

    def given(self, family: Family, value: float | None) -> Family:
        """Return the family with the value; None leaves it open."""
        ...

    def estimate(self, fitting: Fitting) -> Estimate:
        """Return the joint estimate of coefficients and parameter.

        Its `likelihood` has the value, `shape` says what was found, and `criterion` is -2 times the
        log-likelihood, constants included.

        Raises
        ------
        DataError : the data do not determine the parameter.
        """
        ...

    def held(self, fitting: Fitting, value: float) -> Estimate:
        """Return the estimate of all else with the parameter held at a value.

        `criterion` is -2 times the log-likelihood, constants included and everything else at its maximum:
        that of `estimate` is the least of these.
        """
        ...

    def mixed(self, frame: ModelFrame, family: Family, estimate: Estimate) -> tuple[Array, float]:
        """Return the derivative of the score (p,) in psi, and the observed information of psi.

        psi is the scale on which `estimate` was found, a logarithm: a change of psi is one of the value
        relative to it. Not asked for where `Shape.numbers` has "along" and "variance".
        """
        ...

    def bounds(self, family: Family) -> tuple[float, float]:
        """Return the open interval of its values; infinite where there is no end."""
        ...


def shape_named(name: str) -> Shaped:
    """Return the parameter of a name; its module is imported when it is asked for."""
    module, home = SHAPES[name]
    return getattr(import_module(f"glmstat.solve.shape.{module}"), home)()
