"""What stands below the table of a fit with networks: how it was made, and how far it may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from glmstat.network_fit import NetworkFit
from glmstat.neural.cross_fitted import Moved
from glmstat.neural.held_out import gain
from glmstat.neural.layout import taken_over
from glmstat.neural.material import Material
from glmstat.neural.nuisance import Nuisance
from glmstat.neural.orthogonal import Orthogonal
from glmstat.neural.pooled import Pooled
from glmstat.text.layout import count
from glmstat.text.number import figure

__all__ = ["cross_fitted", "training", "with_lines"]


def training(material: Material) -> tuple[str, ...]:
    """Return the lines on the networks that predict."""
    choices, record = material.choices, material.record
    chosen = " by held-out rows" if material.call["prior"] == "cv" else ""
    own = "".join(
        f", {name} {record.prior[name]:g}"
        for name in [network.name for network in material.layout.networks if network.prior is not None]
    )
    nets = count(len(material.nets), "net") + (", averaged" if len(material.nets) > 1 else "")
    line = f"networks: {nets}, prior {choices.precision:g}{chosen}{own}, seed {choices.seed}"
    if choices.training.penalty is not None:
        line += f", {choices.training.penalty} penalty on the first layer"
    if material.interrupted:
        line += f" · interrupted after {int(record.history['step'][-1]):,} steps"
    inputs = ", ".join(str(piece.term) for piece in taken_over(material.layout.design))
    both = (
        (f"{inputs}: functions of a network's inputs, hence no coefficients of their own",) if inputs else ()
    )
    spread = "" if np.isnan(record.seed_sd) else f" · seed sd {record.seed_sd:.3g} (no standard error)"
    return (line + spread, *both)


def cross_fitted(
    material: Material,
    nuisances: Sequence[Nuisance],
    found: Sequence[Orthogonal | Pooled],
    other: Moved,
) -> tuple[str, ...]:
    """Return the lines on folds, what was learned out of them, overlap, and the other prior."""
    choices, names = material.choices, material.layout.target_names
    outcome = float(np.median([nuisance.outcome_r2 for nuisance in nuisances]))
    target = np.median([nuisance.target_r2 for nuisance in nuisances], axis=0)
    each = ", ".join(f"{name} {share:.2f}" for name, share in zip(names[:6], target, strict=False))
    reps = f", median of {choices.reps} repetitions" if choices.reps > 1 else ""
    return (
        f"inference: {choices.inference}, {choices.folds} folds x {count(choices.nets, 'net')}"
        f"{reps} (seed {choices.seed})",
        f"out-of-fold R2: response {outcome:.2f}, {each}",
        f"overlap: {'; '.join(_overlaps(names, found))}",
        *training(material),
        f"prior check: {other.text}",
    )


def _overlaps(names: Sequence[str], found: Sequence[Orthogonal | Pooled]) -> Iterator[str]:
    """What the controls leave of each target, and in how many rows that is next to nothing."""
    scored = [one for one in found if isinstance(one, Orthogonal)]
    left = np.median([one.overlap.left if isinstance(one, Orthogonal) else one.left for one in found], axis=0)
    idle = np.median([one.overlap.idle for one in scored], axis=0) if scored else None
    for place, name in enumerate(names[:4]):
        text = f"controls leave {min(left[place], 1.0):.0%} of the variance of {name}"
        yield text if idle is None else f"{text}, next to nothing in {idle[place]:.0%} of the rows"


def with_lines(fit: NetworkFit, lines: Sequence[str]) -> NetworkFit:
    """Return a cross-fitted fit with its lines, the deviances out of fold last."""
    statement = fit.spec.statement
    assert statement is not None
    said = replace(statement, lines=(*lines, *_deviance_lines(fit)))
    return replace(fit, spec=replace(fit.spec, statement=said))


def _deviance_lines(fit: NetworkFit) -> tuple[str, ...]:
    found = gain(fit)
    glm, network, _ = found["deviance"]
    first = " (first repetition)" if fit.repetitions else ""
    return (
        f"out-of-fold deviance{first} {figure(network)}, of the glm without hidden layers {figure(glm)}: "
        f"gain {figure(found.difference)} (SE {figure(found.std_error)})",
    )
