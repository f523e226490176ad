"""Which estimator a call asks for, and the one that a file names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from glmstat.call import Call
from glmstat.errors import ArgumentError, near, one_of
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.solve.estimator import Asked, Estimator

__all__ = ["METHODS", "choose_estimator", "read_estimator"]

METHODS = ("ml", "moments", "firth", "median_br", "jeffreys")
BIAS_REDUCING = ("firth", "median_br", "jeffreys")
_HOMES = {  # kind → module and class; a module is imported when it is asked for
    "bias": ("solve.bias.estimator", "BiasReduced"),
    "prior": ("solve.prior.estimator", "MaximumPosterior"),
    "shape": ("solve.shape.estimator", "ShapeEstimated"),
    "joint": ("solve.joint.estimator", "Joint"),
}


def choose_estimator(call: Call, likelihood: GLM, frame: ModelFrame) -> Estimator | None:
    """Return the estimator that a call asks for; None is maximum likelihood in the coefficients alone.

    Raises
    ------
    ArgumentError : an unknown method, or arguments that do not go together.
    """
    if call.model == "rglm":  # its prior is that of the networks, and estimated by their own road
        return None
    asked = Asked(call["method"] or "ml", call["prior"], call["predictors"])
    if asked.method not in METHODS:
        known = one_of(METHODS)
        raise ArgumentError(f"Unknown method: {asked.method!r}. Known: {known}.{near(asked.method, METHODS)}")
    unknown = likelihood.family.unknown
    wanted = {
        "bias": f'method="{asked.method}"' if asked.method in BIAS_REDUCING else "",
        "prior": "prior=" if asked.prior is not None else "",
        "joint": "predictors=" if asked.predictors else "",
        "shape": f"an unknown {one_of(unknown)}" if unknown and not asked.predictors else "",
    }
    kinds = [kind for kind, words in wanted.items() if words]
    if asked.method == "moments" and "shape" not in kinds:
        raise ArgumentError(
            'method="moments" estimates theta of family="negative_binomial", which this call does not leave '
            "open. Leave method= out."
        )
    if not kinds:
        return None
    _check_together([wanted[kind] for kind in kinds], frame, unknown)
    return _home(kinds[0]).asked(asked, likelihood, frame)


def _check_together(words: list[str], frame: ModelFrame, unknown: tuple[str, ...]) -> None:
    if len(words) > 1:
        example = "tweedie(1.5)" if "p" in unknown else "negative_binomial(2)"
        given = f"Give the family its {one_of(unknown)}, as in {example}"
        instead = given if unknown else "Leave one out"
        raise ArgumentError(f"{' and '.join(words)} do not go together. {instead}.")
    if frame.design.absorbed:
        raise ArgumentError(
            f"{words[0]} does not go with absorbed effects, which are fitted to a known family by maximum "
            "likelihood alone. Write the factor as a term."
        )


def _home(kind: str) -> Any:
    module, name = _HOMES[kind]
    return getattr(import_module(f"glmstat.{module}"), name)


def read_estimator(plain: Mapping[str, Any] | None) -> Estimator | None:
    """Return the estimator that `to_json` wrote."""
    if plain is None:
        return None
    return _home(plain["kind"]).from_json({word: value for word, value in plain.items() if word != "kind"})
