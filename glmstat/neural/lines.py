"""What stands below the table of a fit with networks: how it was made, and how far it may be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glmstat.array import Array
from glmstat.network_fit import NetworkFit
from glmstat.neural.held_out import gain
from glmstat.neural.layout import taken_over
from glmstat.neural.nuisance import Nuisance
from glmstat.neural.orthogonal import Orthogonal
from glmstat.neural.road import Material
from glmstat.text.layout import count
from glmstat.text.number import figure

__all__ = ["Moved", "cross_fitted", "debiased", "training", "with_lines"]


@dataclass(frozen=True)
class Moved:
    """How far the estimates are from those under another prior, in standard errors (q,)."""

    prior: float
    moved: Array

    @property
    def text(self) -> str:
        """In words."""
        sizes = ", ".join(f"{size:.2f}" for size in self.moved[:5])
        return f"at prior {self.prior:g} estimates move by {sizes} standard errors"


def training(material: Material) -> tuple[str, ...]:
    """Return the lines on the networks that predict."""
    choices, record = material.choices, material.record
    priors = ", ".join(dict.fromkeys(f"{prior:g}" for prior in record.prior.values()))
    chosen = " (by held-out rows)" if material.call["prior"] == "cv" else ""
    nets = "1 net" if choices.nets == 1 else f"{choices.nets} nets, averaged"
    line = f"networks: {nets}, prior {priors}{chosen}, seed {choices.seed}"
    inputs = ", ".join(str(piece.term) for piece in taken_over(material.layout.design))
    both = (f"{inputs}: inputs of a network too, hence no coefficients of their own",) if inputs else ()
    spread = "" if np.isnan(record.seed_sd) else f" · seed sd {record.seed_sd:.3g} (no standard error)"
    return (line + spread, *both)


def cross_fitted(material: Material, nuisances: Sequence[Nuisance]) -> tuple[str, ...]:
    """Return the lines on folds and on what was learned out of them."""
    choices, names = material.choices, material.layout.target_names
    outcome = float(np.median([nuisance.outcome_r2 for nuisance in nuisances]))
    target = np.median([nuisance.target_r2 for nuisance in nuisances], axis=0)
    each = ", ".join(f"{name} {share:.2f}" for name, share in zip(names[:6], target, strict=False))
    reps = f", median of {choices.reps} repetitions" if choices.reps > 1 else ""
    return (
        f"inference: {choices.inference}, {choices.folds} folds x {count(choices.nets, 'net')}"
        f"{reps} (seed {choices.seed})",
        f"out-of-fold R2: response {outcome:.2f}, {each}",
    )


def debiased(
    material: Material,
    nuisances: Sequence[Nuisance],
    found: Sequence[Orthogonal],
    other: Moved,
) -> tuple[str, ...]:
    """Return the lines of the orthogonal score: overlap and the other prior besides."""
    left = np.median([one.overlap.left for one in found], axis=0)
    idle = np.median([one.overlap.idle for one in found], axis=0)
    names = material.layout.target_names
    overlap = ", ".join(
        f"{name} {share:.0%} left, {still:.0%} of rows idle"
        for name, share, still in zip(names[:4], left, idle, strict=False)
    )
    return (
        *cross_fitted(material, nuisances),
        f"overlap: {overlap}",
        *training(material),
        f"prior check: {other.text}",
    )


def with_lines(fit: NetworkFit, lines: Sequence[str]) -> NetworkFit:
    """Return a cross-fitted fit with its lines, the deviances out of fold last."""
    statement = fit.spec.statement
    assert statement is not None
    said = replace(statement, lines=(*lines, *_deviance_lines(fit)))
    return replace(fit, spec=replace(fit.spec, statement=said))


def _deviance_lines(fit: NetworkFit) -> tuple[str, ...]:
    found = gain(fit)
    glm, network, _ = found["deviance"]
    return (
        f"out-of-fold deviance {figure(network)}, of the glm {figure(glm)}: "
        f"gain {figure(found.difference)} (SE {figure(found.std_error)})",
    )
