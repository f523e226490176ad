"""The road of `rglm`: rows, networks, output layer, and the table that `inference=` asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from glmstat.call import Call, Covariance, read_formula
from glmstat.convention import as_convention
from glmstat.data.source import open_source
from glmstat.errors import ArgumentError, one_of_a_kind
from glmstat.fit import Fit
from glmstat.formula.terms import render
from glmstat.inference.covariance import as_covariance
from glmstat.inference.statement import check_covered
from glmstat.inference.variable import split_ways
from glmstat.likelihood.base import GLM
from glmstat.neural.choices import Choices, read_choices
from glmstat.neural.cross_fitted import check_targets
from glmstat.neural.material import Material, gather
from glmstat.neural.problem import Interrupted
from glmstat.neural.statements import STATEMENTS
from glmstat.neural.tables import TABLES, stopped
from glmstat.neural.trained import prior_by_held_out, say, train_all

__all__ = ["fit_network"]

OWN = (
    "inference",
    "targets",
    "folds",
    "nets",
    "reps",
    "seed",
    "prior",
    "penalty",
    "training",
    "cluster",
    "progress",
)


def fit_network(call: Call, likelihood: GLM) -> Fit:
    """Return the fit of a formula with networks; without hidden layers it is that of `glm`."""
    record = as_convention(call["compat"])
    choices = read_choices(call)
    plain = _without_networks(call)
    if plain is not None:
        return _as_glm(call, plain)
    unknown = likelihood.family.unknown
    if unknown:
        name = likelihood.family.name
        raise ArgumentError(
            f"rglm does not estimate {unknown[0]} of {name}. Give it, as glm of the linear terms finds it: "
            f'family="{name}(1.5)".'
        )
    if (record.dispersion, record.information, record.bread) != ("pearson", "expected", "expected"):
        raise ArgumentError(
            f"compat={record.name!r} is for models without networks: tables of a network take Pearson's "
            'dispersion and the expected information. Use compat="glmstat" or "R".'
        )
    if call["sampling_weights"] is not None:
        raise ArgumentError("rglm has no sampling weights. Use weights=, or glm().")
    covariance = None if call["vcov"] is None else as_covariance(call["vcov"])
    if covariance is not None:
        check_covered(STATEMENTS[choices.inference](()), covariance)
    return one_of_a_kind(lambda: _fit(call, choices, likelihood, covariance or Covariance()))


def _fit(call: Call, choices: Choices, likelihood: GLM, covariance: Covariance) -> Fit:
    cluster = _ways(call["cluster"]) or covariance.cluster
    if len(cluster) > 1:
        raise ArgumentError(
            f"Folds keep clusters of one kind together: {len(cluster)} are given. "
            'Give one cluster=, or their combination "a:b".'
        )
    beside = {**covariance.variables, **({"cluster": cluster[0]} if cluster else {})}
    material = gather(call, choices, likelihood, beside, cluster)
    check_targets(material)
    if call["prior"] == "cv":
        material = replace(material, choices=prior_by_held_out(material))
    if choices.inference != "split":
        material = train_all(material)
    if material.interrupted:
        return stopped(material)
    return _table(material)


def _table(material: Material) -> Fit:
    """The table asked for; where the user stops what it needs, the networks without it."""
    try:
        return TABLES[material.choices.inference](material)
    except Interrupted:
        if material.trained is None:
            raise KeyboardInterrupt from None
        say("Interrupted before the table was made: the networks are kept, without inference.")
        return stopped(material)


def _ways(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    if isinstance(given, str):
        return split_ways(given.strip().removeprefix("~"))
    return Covariance("CR1", cluster=given).cluster


def _without_networks(call: Call) -> str | None:
    """The formula as `glm` reads it, where no network has a hidden layer; else None."""
    formula = read_formula(call, open_source(call["data"]).names)
    if formula.networks:
        return None
    return render(formula.response, formula.terms) if "nn" in formula.text else formula.text


def _as_glm(call: Call, formula: str) -> Fit:
    from glmstat.model.glm import glm

    words = {word: value for word, value in call.arguments.items() if word not in OWN}
    vcov = words.pop("vcov")
    if vcov is None and call["cluster"] is not None:
        vcov = Covariance("CR1", cluster=_ways(call["cluster"]))
    return glm(**{**words, "formula": formula, "vcov": "classical" if vcov is None else vcov})
