"""What a fit's verdict tells the reader to do: only what this fit allows, and what can help it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glmstat.call import Spec
from glmstat.estimate import Estimate
from glmstat.solve.bias.dispersion import unit_adjusted
from glmstat.verdict import Advice

__all__ = ["advice"]

SHOWN = 3  # names of columns in a sentence
_AIMS = {
    "firth": "a root of the adjusted score",
    "median_br": "a root of the adjusted score",
    "jeffreys": "the maximum of the penalised likelihood",
}


def advice(spec: Spec, estimate: Estimate) -> Advice:
    """Return what the verdict on a fit says to do, and what its numbers are not where it has not converged.

    Parameters
    ----------
    spec : what was fitted.
    estimate : the numbers of the solver, and how it ended.
    """
    aim = _AIMS.get(spec.call["method"] or "ml", "the maximum of the likelihood")
    if _kind(spec) == "prior":
        aim = "the mode of the posterior"
    return Advice(
        _sentence([*_against_separation(spec, estimate), *_merging(spec, estimate)]),
        _sentence([*_against_separation(spec, estimate)]),
        _sentence(_at_bounds(spec, estimate)),
        aim,
    )


def _kind(spec: Spec) -> str:
    return "" if spec.estimator is None else spec.estimator.kind


def _sentence(words: Sequence[str] | Iterator[str]) -> str:
    """The remedies as one sentence, "" where there is none."""
    text = ", or ".join(words)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _against_separation(spec: Spec, estimate: Estimate) -> Iterator[str]:
    """What makes estimates finite, or is valid of infinite ones."""
    if _has_profile(spec, estimate):
        yield 'take confint(method="profile")'
    if _kind(spec) == "prior":
        named = _infinite(spec, estimate)
        yield f"give {named} a prior" if named else "give all columns a prior"
    elif _kind(spec) == "shape":
        (name,) = spec.family.unknown or ("theta",)
        yield f'hold {name} and reduce the bias: fit.given("{name}").update(method="firth")'
    elif _is_plain(spec) and _is_helped(spec):
        yield 'fit with method="firth"' + _dispersion(spec, estimate)
    elif _is_plain(spec):
        yield 'fit with prior="weak"'


def _dispersion(spec: Spec, estimate: Estimate) -> str:
    """What must go with bias reduction: separated rows tell nothing of a dispersion."""
    if not estimate.dispersion.estimated or not unit_adjusted(spec.family):
        return ""
    return " and dispersion=1" if np.isfinite(spec.family.domain.high) else " and a known dispersion="


def _merging(spec: Spec, estimate: Estimate) -> Iterator[str]:
    if _is_of_levels(spec, estimate):
        yield "merge levels"
    elif not _has_profile(spec, estimate) and not _is_plain(spec):
        yield "leave such columns out"


def _at_bounds(spec: Spec, estimate: Estimate) -> Iterator[str]:
    """What helps where a mean lies at the edge of its domain."""
    if _has_profile(spec, estimate):
        yield 'take confint(method="profile")'
    link = spec.family.link
    if _is_plain(spec) and _is_helped(spec):
        yield 'fit with method="firth"'
    inside = "logit" if np.isfinite(spec.family.domain.high) else "log"
    if link.name != inside:
        yield f'take a link without an edge, such as link="{inside}"'


def _has_profile(spec: Spec, estimate: Estimate) -> bool:
    """Whether confint(method="profile") is allowed."""
    phi, statement = estimate.dispersion, spec.statement
    spread = estimate.df_residual > 0 and phi.value > 0 and estimate.convergence.status != "perfect fit"
    return (
        (statement is None or bool({"ratio", "profile"} & set(statement.holds)))
        and not spec.design.absorbed
        and spec.call["sampling_weights"] is None
        and (spread or not phi.estimated)
    )


def _is_plain(spec: Spec) -> bool:
    """Whether the call may be given a method or a prior."""
    return (
        spec.call.model == "glm"
        and spec.estimator is None
        and not spec.design.absorbed
        and spec.call["sampling_weights"] is None
    )


def _is_helped(spec: Spec) -> bool:
    """Whether scores adjusted for this link have their root inside the domain, as a rule."""
    family, link = spec.family, spec.family.link
    of_counts = family.power == 1.0 and link.exponent == 0.5
    return link.exponent != 1.0 and (of_counts or not spec.likelihood.bounded)


def _is_of_levels(spec: Spec, estimate: Estimate) -> bool:
    """Whether an infinite coefficient is that of a level."""
    names = [spec.design.default_columns[j] for j in np.flatnonzero(estimate.infinite)]
    return any(f"{factor}[" in name for factor in spec.design.references for name in names)


def _infinite(spec: Spec, estimate: Estimate) -> str:
    names = [spec.design.columns[j] for j in np.flatnonzero(estimate.infinite)]
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
