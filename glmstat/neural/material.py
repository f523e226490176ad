"""What every `inference=` starts from: rows, columns, the linear model, what keeps rows together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.call import Call, frame_for
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.frame import ModelFrame
from glmstat.inference.variable import grouping
from glmstat.likelihood.base import GLM
from glmstat.network_fit import Record
from glmstat.neural.beside import restricted
from glmstat.neural.choices import Choices
from glmstat.neural.folds import make_folds
from glmstat.neural.layout import Layout, check_inputs, input_ranges, read_layout
from glmstat.neural.linear import linear_fit
from glmstat.neural.output import Output
from glmstat.neural.problem import Member, Problem, Trained
from glmstat.solve.estimate import fit_estimate

__all__ = ["Material", "gather"]


@dataclass(frozen=True, eq=False)
class Material:
    """Rows and columns of a call, and the networks once they are trained.

    Parameters
    ----------
    call, choices, likelihood : what was asked.
    frame, layout : rows and columns before training.
    linear : the model without hidden layers.
    ranges : least and largest value of each input, by network.
    cluster : what keeps rows together in folds, or ().
    clusters, cluster_text : its codes (n,) and its name; None and "" without.
    nets : the networks that predict.
    trained : their output layer, the same as a fit, and how they came about.
    """

    call: Call
    choices: Choices
    likelihood: GLM
    frame: ModelFrame
    layout: Layout
    linear: Estimate
    ranges: Mapping[str, Array]
    cluster: tuple[Any, ...] = ()
    clusters: IntArray | None = None
    cluster_text: str = ""
    nets: tuple[Trained, ...] = ()
    trained: tuple[Output, Fit, Record] | None = None

    @property
    def output(self) -> Output:
        """The output layer."""
        assert self.trained is not None
        return self.trained[0]

    @property
    def head(self) -> Fit:
        """The output layer as a fit."""
        assert self.trained is not None
        return self.trained[1]

    @property
    def record(self) -> Record:
        """How the networks came about."""
        assert self.trained is not None
        return self.trained[2]

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the training of the networks that predict."""
        return any(net.interrupted for net in self.nets)

    @cached_property
    def problem(self) -> Problem:
        """The rows and columns, as training takes them."""
        return Problem(self.frame, self.layout.linear, self.layout.networks, self.likelihood)

    @property
    def shares(self) -> Array | None:
        """The response of a binomial family (n,), whose events folds spread evenly; None for others."""
        return self.problem.y[:, 0] if self.likelihood.family.name == "binomial" else None

    def member(
        self, seed: np.random.SeedSequence, weights: Array | None = None, prior: float | None = None
    ) -> Member:
        """Return a training from the linear model, with the prior of the call or another one."""
        start = np.nan_to_num(self.linear.theta)[:, None]
        return Member(seed, start, weights, self.choices.precision if prior is None else prior)

    def folds(self, repetition: int) -> IntArray:
        """Return the fold of each row (n,) in a repetition; clusters are not cut."""
        return make_folds(
            self.problem.weights > 0,
            self.choices.folds,
            self.choices.seed,
            repetition,
            clusters=self.clusters,
            cluster=self.cluster_text,
            response=self.shares,
            columns=len(self.layout.linear),
        )


def gather(
    call: Call, choices: Choices, likelihood: GLM, beside: Mapping[str, Any], cluster: tuple[Any, ...]
) -> Material:
    """Return the rows of a call, checked, before anything is trained.

    Parameters
    ----------
    beside : variables of clusters and covariance, whose missing rows do not enter.
    cluster : what keeps rows together, or ().

    Raises
    ------
    ColumnError, DataError, DomainError, ArgumentError : wrong input, each with the place.
    """
    frame = frame_for(call, likelihood, beside)
    layout = read_layout(frame.design, choices.targets)
    ranges = input_ranges(frame, layout)
    check_inputs(layout, ranges)
    rows = restricted(frame, layout.linear, None)
    linear = fit_estimate(rows, likelihood, control=call["control"], dispersion=call["dispersion"])
    codes, text = _clusters(linear_fit(call, likelihood, frame, layout, linear), cluster)
    return Material(call, choices, likelihood, frame, layout, linear, ranges, cluster, codes, text)


def _clusters(glm: Fit, cluster: tuple[Any, ...]) -> tuple[IntArray | None, str]:
    """Codes of what keeps rows together (n,), and its name."""
    if not cluster or glm.frame is None:
        return None, ""
    found, kept = grouping(glm, cluster, "cluster"), glm.frame.rows_kept
    return (found.codes if kept is None else found.codes[kept]).astype(np.int64), found.text
