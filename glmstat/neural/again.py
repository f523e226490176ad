"""Other fits from one: a network beside a GLM's terms, another output layer, the GLM of a linear network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.array import Array
from glmstat.call import Covariance, Spec, frame_for, functions
from glmstat.errors import ArgumentError, ComparisonError, FormulaError, Note, near, one_of, outside
from glmstat.families import as_family
from glmstat.fit import Fit
from glmstat.formula.parse import parse
from glmstat.formula.terms import Linear, Offset, Term, render
from glmstat.inference.again import (
    beside,
    changed_formula,
    check_whole,
    source_of,
    whole_call,
    without_learned,
)
from glmstat.inference.covariance import as_covariance
from glmstat.inference.score import frame_of, linear_predictor
from glmstat.inference.statement import check_covered
from glmstat.likelihood.base import GLM
from glmstat.model.glm import glm
from glmstat.model.rglm import rglm
from glmstat.neural import collapse as linear
from glmstat.neural import statements
from glmstat.neural.choices import CROSS_FITTED
from glmstat.neural.interval import output_weights
from glmstat.solve.estimate import fit_estimate
from glmstat.text.number import figure
from glmstat.verdict import remarks, verdicts

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit

__all__ = ["collapse", "extend", "refit_output"]

SAME = 1e-5  # of the size of the predictor: a linear network further from its glm was not trained to its end

_SHARED = ("vcov", "control", "dispersion", "data")  # what extend() takes beside the words of rglm alone


def extend(fit: Fit, term: str, words: Mapping[str, Any]) -> Fit:
    """Return the fit of the same call with a network added; the words are those of `Fit.extend`."""
    known = (*_own_words(), *_SHARED)
    for word in words:
        if word not in known:
            hint = near(word, known)
            raise ArgumentError(f"extend() has no argument {word!r}. It takes {one_of(known)}.{hint}")
    check_whole(fit, "extend()")
    if fit.spec.estimator is not None and fit.spec.estimator.kind == "prior":
        raise ArgumentError(
            "extend() has no priors of single coefficients: this fit has prior=. Fit without them first."
        )
    _check_network(fit, term)
    if words.get("data") is None and source_of(fit) is None:
        frame_of(fit, "extend()")
    call = whole_call(fit, {"data": source_of(fit), **words})
    if call["sampling_weights"] is not None:
        raise ArgumentError("extend() has no sampling weights, as rglm has none. Fit with weights= instead.")
    formula = changed_formula(fit, f". ~ . + {term}", networks=True)
    taken = {word: value for word, value in call.arguments.items() if word in signature(rglm).parameters}
    given = {"vcov": None, **_dependence(fit, words), **words}
    return rglm(**{**taken, **given, "data": call["data"], "formula": formula})


def _own_words() -> tuple[str, ...]:
    """Arguments of `rglm` that `glm` does not have."""
    return tuple(word for word in signature(rglm).parameters if word not in signature(glm).parameters)


def _check_network(fit: Fit, term: str) -> None:
    call = fit.spec.call
    found = parse(
        f"~ 0 + {term}",
        allow_python=bool(call["allow_python"]),
        functions=functions(fit.spec.design.context),
        networks=True,
    )
    if len(found.networks) != len(found.terms):
        raise FormulaError(
            f"extend() takes networks with hidden layers: '{term}'. Write extend('nn(age, power)'), or use "
            "update('. ~ . + x') for other terms."
        )


def _dependence(fit: Fit, words: Mapping[str, Any]) -> dict[str, Any]:
    """What the covariance of a fit says of rows that depend on each other."""
    covariance = fit.covariance
    scored = covariance.kind in statements.SCORES and words.get("inference", "debiased") in CROSS_FITTED
    if covariance.variables and scored:
        return {"vcov": covariance}
    return {"cluster": covariance.cluster} if covariance.cluster else {}


# ---------------------------------------------------------------- the output layer


def refit_output(fit: NetworkFit, family: Any, link: Any, vcov: str | Covariance) -> Fit:
    """Return a GLM on the features of a network; the words are those of `NetworkFit.refit_output`."""
    covariance, old, said = as_covariance(vcov), fit.spec.likelihood.family, statements.output_layer()
    check_covered(said, covariance)
    likelihood = GLM(as_family(old if family is None else family, link))
    frame_of(fit.head, "refit_output()")
    words = {"data": source_of(fit), "family": likelihood.family, "link": None, "vcov": vcov}
    call = whole_call(fit, words, spared=("cluster",))
    call = call if family is None else call.changed(dispersion=None)
    raw = frame_for(call, likelihood, beside(fit.spec.call))
    design = raw.design.with_towers(fit.head.spec.design.towers)
    if design.columns != fit.head.columns:
        raise ComparisonError(
            "refit_output() needs the columns of the network: the new family reads others from the data. "
            "Use rglm() with that family."
        )
    frame = without_learned(fit.head, raw.with_design(design))
    estimate = fit_estimate(frame, likelihood, control=call["control"], dispersion=call["dispersion"])
    for category, text in verdicts(estimate, design.columns):
        warnings.warn(text, category, stacklevel=outside())
    notes = (*frame.notes, *remarks(estimate, sandwich=False))
    library = fit.native.library
    spec = Spec(call.without_data(), design, likelihood, call["control"], library, said)
    return Fit(spec, estimate, Covariance(), notes, frame).with_vcov(covariance)


# ---------------------------------------------------------------- a linear network


def collapse(fit: NetworkFit, *, refit: bool) -> Fit:
    """Return the GLM that a linear network is; the words are those of `NetworkFit.collapse`."""
    deep = _deep(fit)
    found = linear.collapse(deep, lambda: _collapsed(fit), refit=refit)
    apart = _distance(fit, deep, found)
    if not refit and apart > SAME * max(1.0, _largest(found)):
        raise ArgumentError(
            f"The network has not reached the glm that it is: predictors differ by up to {figure(apart)}. "
            'Train it further, as by Training(optimizer="lbfgs"), or take collapse(refit=True).'
        )
    text = f"predictors of the network's own weights differ from these by at most {figure(apart)}"
    return replace(found, notes=(*found.notes, Note("collapsed", text)))


def _largest(fit: Fit) -> float:
    """Size of the largest predictor."""
    return float(np.nanmax(np.abs(np.asarray(fit.predict(type="link"), dtype=np.float64))))


def _deep(fit: NetworkFit) -> list[linear.Deep]:
    design, weights = fit.head.spec.design.untrained, output_weights(fit.head)
    pieces = design.networks
    return [
        linear.Deep(name, towers, weights[name], pieces[name].columns, fit.record.prior[name])
        for name, towers in fit.head.spec.design.towers.items()
    ]


def _collapsed(fit: NetworkFit) -> Fit:
    """The GLM in the linear terms and the inputs of the networks; biases make an intercept."""
    frame_of(fit.head, "collapse()")
    formula = fit.spec.design.formula
    inputs = (Linear((part,)) for network in formula.networks for part in network.inputs)
    linears = dict.fromkeys((Linear(()), *formula.linear, *inputs))
    offsets: tuple[Term, ...] = tuple(term for term in formula.terms if isinstance(term, Offset))
    call = whole_call(fit, {"data": source_of(fit)}, spared=("cluster",))
    taken = {word: value for word, value in call.arguments.items() if word in signature(glm).parameters}
    taken["prior"] = None  # that of the networks
    text = render(formula.response, (*linears, *offsets))
    return glm(**{**taken, "formula": text, "vcov": "classical"})


def _distance(fit: NetworkFit, deep: list[linear.Deep], found: Fit) -> float:
    """Largest difference of the predictors that the weights multiply out to, from those of the GLM."""
    head = fit.head
    raw = head.spec.design.untrained
    coef, constant = np.nan_to_num(_by_column(fit, raw.columns)), 0.0
    pieces = raw.networks
    for network in deep:
        slots = np.arange(len(raw.columns))[pieces[network.name].slots]
        for tower, columns in zip(network.towers, network.towers.slices, strict=True):
            slopes, constants = linear.affine(tower)
            coef[slots] += slopes @ network.output[columns]
            constant += float(constants @ network.output[columns])
    frame, other = frame_of(head, "collapse()").with_design(raw), frame_of(found, "collapse()")
    largest = 0.0 if frame.rows == other.rows else np.nan
    for left, right in zip(frame.blocks(), other.blocks(), strict=False):
        ours = left.X[0].dot(coef) + left.offset[:, 0] + constant
        theirs = linear_predictor(found.estimate, right.X, right.offset, found.spec.design)[:, 0]
        apart = np.abs(ours - theirs)[np.isfinite(theirs) & (left.total > 0)]
        largest = max(largest, float(apart.max(initial=0.0)))
    return largest


def _by_column(fit: NetworkFit, columns: tuple[str, ...]) -> Array:
    """Coefficients of the output layer by the names of columns before training; 0 for inputs."""
    known = dict(zip(fit.head.columns, fit.head.estimate.theta.tolist(), strict=True))
    return np.array([known.get(name, 0.0) for name in columns])
