"""The model that is left when the hidden layers are taken away: linear terms and skips, as a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmstat.call import Call, Covariance, Spec
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.formula.terms import Formula, render
from glmstat.frame import ModelFrame
from glmstat.inference.score import frame_of
from glmstat.likelihood.base import GLM
from glmstat.neural.beside import restricted
from glmstat.neural.instruments import target_design
from glmstat.neural.layout import Layout, read_layout
from glmstat.solve.estimate import fit_estimate

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit

__all__ = ["linear_fit", "without_networks"]


def linear_fit(
    call: Call, likelihood: GLM, frame: ModelFrame, layout: Layout, estimate: Estimate | None = None
) -> Fit:
    """Return the GLM in the linear columns of a frame whose networks are not trained.

    Parameters
    ----------
    estimate : its maximum, where it is known.
    """
    rows = restricted(frame, layout.linear, None)
    if estimate is None:
        estimate = fit_estimate(rows, likelihood, control=call["control"], dispersion=call["dispersion"])
    design = replace(target_design(layout.design, layout.linear), formula=_plain(layout.design.formula))
    spec = Spec(call.without_data(), design, likelihood, call["control"], frame.source.native.library)
    return Fit(spec, estimate, Covariance(), frame.notes, rows)


def _plain(formula: Formula) -> Formula:
    """The formula of the linear terms: inputs that enter linearly stand in the place of their network."""
    terms = (*formula.linear, *formula.skips, *formula.offsets)
    return Formula(render(formula.response, terms), formula.response, terms)


def without_networks(fit: NetworkFit, data: Any = None) -> Fit:
    """Return the GLM of a fit's rows without its hidden layers; inputs that enter linearly stay.

    Raises
    ------
    DataError : the fit holds no rows.
    """
    head = fit.head if data is None else fit.head.with_data(data)
    design = head.spec.design.untrained
    frame = frame_of(head, "The model without networks").with_design(design)
    return linear_fit(head.spec.call, head.spec.likelihood, frame, read_layout(design, None))
