"""The output layer: networks trained on the rows of a fit, frozen, and fitted on top as a penalised GLM."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glmstat.array import Array
from glmstat.call import Call, Covariance, Spec
from glmstat.errors import ConvergenceWarning, Note, outside
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.formula.design import Design
from glmstat.frame import ModelFrame
from glmstat.layers import Towers
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block
from glmstat.neural.layout import Layout
from glmstat.neural.problem import Trained
from glmstat.solve.estimate import fit_estimate
from glmstat.statement import Statement

__all__ = ["LEARNED", "Output", "fit_output", "frozen"]

LEARNED = (
    "the features were learned on these rows: standard errors that take them as given are too small, "
    'and tests reject true hypotheses. Use rglm(..., inference="debiased")'
)


@dataclass(frozen=True, eq=False)
class Output:
    """An output layer.

    Parameters
    ----------
    frame : rows, with the learned features as columns.
    design : the same, as a recipe.
    estimate : the penalised maximum.
    """

    frame: ModelFrame
    design: Design
    estimate: Estimate

    def fit(self, call: Call, likelihood: GLM, statement: Statement | None) -> Fit:
        """Return it as a fit of its own, the covariance as if the features were given."""
        spec = Spec(
            call, self.design, likelihood, call["control"], self.frame.source.native.library, statement
        )
        notes = tuple(Note("output layer", text) for text in self.estimate.convergence.notes)
        return Fit(spec, self.estimate, Covariance(), (*self.frame.notes, *notes), self.frame)


def frozen(layout: Layout, nets: Sequence[Trained]) -> dict[str, Towers]:
    """Return the towers of all nets, side by side, by the name of the network."""
    return {
        network.name: Towers(tuple(net.towers[place] for net in nets))
        for place, network in enumerate(layout.networks)
    }


def fit_output(
    frame: ModelFrame, layout: Layout, likelihood: GLM, nets: Sequence[Trained], call: Call
) -> Output:
    """Return the penalised GLM in the linear columns and the features of all nets.

    M nets are one wide network: their mean has output weights v / M, which have precision M tau where those
    of each have tau. Linear coefficients have no penalty, so that with a canonical link and an intercept the
    fitted total is the observed one.

    Warns
    -----
    ConvergenceWarning : the ascent did not reach the maximum.
    """
    design = layout.design.with_towers(frozen(layout, nets))
    whole = frame.with_design(design)
    penalty, start = _penalty(layout, design, nets), _start(layout, design, nets)
    estimate = fit_estimate(
        whole,
        likelihood,
        start=start if _inside(whole, likelihood, start) else None,
        control=call["control"],
        dispersion=call["dispersion"],
        penalty=np.diag(penalty) if penalty.any() else None,
    )
    if estimate.convergence.status == "not converged":
        warnings.warn(
            f"The output layer did not converge: {estimate.convergence.reason}.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return Output(whole, design, estimate)


def _penalty(layout: Layout, design: Design, nets: Sequence[Trained]) -> Array:
    """Diagonal (p,) of the penalty for dispersion 1."""
    found = np.zeros(len(design.columns))
    scale = float(np.mean([net.dispersion[0] / net.unit[0] ** 2 for net in nets]))
    for place, slots in enumerate(_features(layout, design)):
        found[slots] = len(nets) * nets[0].prior[place] * scale
    return found


def _start(layout: Layout, design: Design, nets: Sequence[Trained]) -> Array:
    """The mean of the nets as coefficients (p,)."""
    start = np.zeros(len(design.columns))
    start[layout.linear] = np.mean([np.nan_to_num(net.linear[:, 0]) for net in nets], axis=0)
    for place, slots in enumerate(_features(layout, design)):
        start[slots] = np.concatenate([net.output[place][:, 0] for net in nets]) / len(nets)
    return start


def _features(layout: Layout, design: Design) -> list[slice]:
    return [design.networks[network.name].slots for network in layout.networks]


def _inside(frame: ModelFrame, likelihood: GLM, theta: Array) -> bool:
    """Whether the likelihood of every row is finite at a start."""
    low, high = likelihood.bounds

    def kernel(block: Block) -> int:
        eta = block.X[0].dot(theta) + block.offset[:, 0]
        rows = likelihood.rows(block.y, eta[:, None], block.total, information="none")
        fine = (eta > low) & (eta < high) & np.isfinite(rows.objective) & np.isfinite(rows.gradient[:, 0])
        return int(np.sum(~fine & (block.total > 0)))

    return frame.reduce(kernel) == 0
