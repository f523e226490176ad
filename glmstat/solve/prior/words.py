"""What a table of posterior modes says of itself: every prior with its numbers, and what is flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glmstat.estimate import Estimate
from glmstat.formula.design import Design
from glmstat.priors import Prior
from glmstat.solve.prior.choice import Assigned
from glmstat.statement import Statement

__all__ = ["statement"]

SHOWN = 24  # priors that are listed one by one


def statement(priors: Sequence[Assigned], spelled: str, estimate: Estimate, design: Design) -> Statement:
    """Return the statement of a fit with priors."""
    return Statement(
        "prior",
        "mode of the posterior",
        tuple(_lines(priors, estimate, design)),
        ("classical",),
        tests=False,
        std_error="posterior sd",
        label="Laplace approximation to the posterior",
        refused="the coefficients are the mode of a posterior, which is no test and no maximum of a "
        "likelihood. Use the credible intervals of summary() and confint(), or fit without prior=.",
        argument=spelled,
        holds=("profile",),
        interval="credible",
    )


def _lines(priors: Sequence[Assigned], estimate: Estimate, design: Design) -> Iterator[str]:
    named: dict[str, list[str]] = {}
    for one in priors:
        where = " at the means of the other columns" if one.beside else ""
        named.setdefault(_text(one), []).append(f"{one.name}{where}")
    texts = [f"{', '.join(names)} ~ {text}" for text, names in named.items()]
    yield from (f"prior: {text}" for text in texts[:SHOWN])
    if len(texts) > SHOWN:
        yield f"… and {len(texts) - SHOWN} priors more: fit.spec.estimator.priors has them all"
    held = {one.name for one in priors if one.prior.name == "laplace"} & set(_held(estimate, design))
    if held:
        names = ", ".join(name for name in design.columns if name in held)
        yield (
            f"at the kink of the laplace prior: {names}. The posterior has no normal approximation there, so "
            "no sd and no interval"
        )
    with_prior = {one.name for one in priors}
    flat = [name for name in design.columns if name not in with_prior and name not in estimate.aliased]
    if flat:
        yield f"no prior (flat): {', '.join(flat)}"


def _held(estimate: Estimate, design: Design) -> list[str]:
    """Columns whose coefficient is finite and has no standard error."""
    without = ~np.isin(np.arange(len(design.columns)), estimate.information.slots)
    places = np.flatnonzero(without & np.isfinite(estimate.coef))
    return [design.columns[place] for place in places]


def _text(one: Assigned) -> str:
    return f"{_rounded(one.prior)}{f', {one.rule}' if one.rule else ''}"


def _rounded(prior: Prior) -> str:
    """The prior with four significant digits."""
    name, _, numbers = prior.text.rstrip(")").partition("(")
    return f"{name}({', '.join(f'{float(number):.4g}' for number in numbers.split(','))})"
