"""Generalised linear models from a formula, with classical inference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat import datasets, families, links, priors
    from glmstat.call import Covariance
    from glmstat.control import Control
    from glmstat.errors import (
        ArgumentError,
        BoundaryWarning,
        ColumnError,
        ComparisonError,
        ConvergenceWarning,
        CovarianceWarning,
        DataError,
        DependencyError,
        DomainError,
        ExtrapolationWarning,
        FewClustersWarning,
        FileError,
        FitInterrupted,
        FormulaError,
        GlmstatError,
        GlmstatWarning,
        NetworkWarning,
        Note,
        OverlapWarning,
        PerfectFitWarning,
        ResampleWarning,
        ResponseWarning,
        SeparationWarning,
    )
    from glmstat.families import Family
    from glmstat.fit import Fit
    from glmstat.inference.deviance.anova import anova
    from glmstat.inference.pool.verb import pool
    from glmstat.links import Link
    from glmstat.model.glm import glm
    from glmstat.model.negbin import negbin
    from glmstat.model.rglm import rglm
    from glmstat.network_fit import NetworkFit
    from glmstat.neural.problem import Training
    from glmstat.persist import load

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "BoundaryWarning",
    "ColumnError",
    "ComparisonError",
    "Control",
    "ConvergenceWarning",
    "Covariance",
    "CovarianceWarning",
    "DataError",
    "DependencyError",
    "DomainError",
    "ExtrapolationWarning",
    "Family",
    "FewClustersWarning",
    "FileError",
    "Fit",
    "FitInterrupted",
    "FormulaError",
    "GlmstatError",
    "GlmstatWarning",
    "Link",
    "NetworkFit",
    "NetworkWarning",
    "Note",
    "OverlapWarning",
    "PerfectFitWarning",
    "ResampleWarning",
    "ResponseWarning",
    "SeparationWarning",
    "Training",
    "__version__",
    "anova",
    "datasets",
    "families",
    "glm",
    "links",
    "load",
    "negbin",
    "pool",
    "priors",
    "rglm",
]

_HOMES = {
    "Control": "control",
    "Covariance": "call",
    "Family": "families",
    "Fit": "fit",
    "anova": "inference.deviance.anova",
    "Link": "links",
    "NetworkFit": "network_fit",
    "Training": "neural.problem",
    "glm": "model.glm",
    "load": "persist",
    "pool": "inference.pool.verb",
    "negbin": "model.negbin",
    "rglm": "model.rglm",
}
_MODULES = ("datasets", "families", "links", "priors")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"glmstat.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'glmstat' has no attribute {name!r}")
    value = getattr(import_module(f"glmstat.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
