"""The covariance of a trained model's predictor, from its output layer and the rows of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.errors import DataError
from glmstat.neural.beside import columns_of
from glmstat.neural.laplace import Hidden, Laplace, laplace
from glmstat.neural.layout import Layout, read_layout

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame
    from glmstat.network_fit import Record

__all__ = ["kept_linear", "need_rows", "output_weights", "whole_network"]


def need_rows(head: Fit, what: str) -> ModelFrame:
    """Return the rows of an output layer, for what takes no `data=`.

    Raises
    ------
    DataError : the fit holds no rows.
    """
    from glmstat.inference.score import frame_of

    if head.frame is None:
        raise DataError(
            f"{what} needs the rows of the fit: a saved or copied fit may hold none. "
            "Take fit.with_data(data) first."
        )
    return frame_of(head, what)


def kept_linear(head: Fit, layout: Layout) -> IntArray:
    """Return the linear slots that are not aliased."""
    return layout.linear[~np.isnan(head.estimate.theta[layout.linear])]


def output_weights(head: Fit) -> dict[str, Array]:
    """Return the weights of each network's features in the predictor, 0 where a feature is aliased."""
    theta = np.nan_to_num(head.estimate.theta)
    return {name: theta[piece.slots] for name, piece in head.spec.design.networks.items()}


def whole_network(head: Fit, record: Record, layout: Layout | None = None) -> Laplace:
    """Return the covariance of the predictor under the prior of training, by generalised Gauss-Newton.

    Raises
    ------
    DataError : the fit holds no rows.
    ArgumentError : too many parameters for the rows.
    """
    frame = need_rows(head, "The covariance of the predictor")
    design = head.spec.design.untrained
    layout = read_layout(design, None) if layout is None else layout
    raw = frame.with_design(design)
    weights, family = output_weights(head), head.spec.likelihood.family
    networks = [
        Hidden(head.spec.design.towers[one.name], weights[one.name], record.prior[one.name], record.unit)
        for one in layout.networks
    ]
    X = columns_of(raw, kept_linear(head, layout))
    inputs = [columns_of(raw, one.slots) for one in layout.networks]
    eta = np.concatenate([block.X[0].dot(np.nan_to_num(head.estimate.theta)) for block in frame.blocks()])
    eta += np.concatenate([block.offset[:, 0] for block in frame.blocks()])
    total = np.concatenate([block.total for block in frame.blocks()])
    y = np.concatenate([block.y for block in frame.blocks()])
    rows = head.spec.likelihood.rows(y, eta[:, None], total, information="expected")
    assert rows.expected is not None
    information = np.where(total > 0, rows.expected[:, 0, 0], 0.0)
    estimated = family.dispersion is None
    return laplace(
        networks,
        X,
        inputs,
        information,
        dispersion=record.dispersion,
        pearson=head.estimate.pearson if estimated else None,
        rows=float(head.nobs),
    )
