"""PROC GENMOD's scale parameter."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["genmod_scale"]


def genmod_scale(fit: Fit) -> float | None:
    """Return PROC GENMOD's scale: 1 / phi of gamma, the root of phi of Gaussian and inverse Gaussian.

    None for other families.

    Source: SAS Institute, SAS/STAT User's Guide, The GLIMMIX Procedure, "Scale and Dispersion Parameters".
    """
    name, phi = fit.spec.likelihood.family.name, fit.dispersion
    if name == "gamma":
        return 1.0 / phi if phi > 0 else None
    return sqrt(phi) if name in ("gaussian", "inverse_gaussian") else None
