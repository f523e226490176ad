"""A score as a fit: instruments as columns of the same rows, so that every verb of a fit takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.estimate import Convergence, Dispersion, Estimate, Null
from glmstat.formula.design import Design
from glmstat.frame import Coordinates, ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, Dense, IntArray
from glmstat.neural.beside import rows_of
from glmstat.triangular import cholesky

__all__ = ["Score", "Scored", "score_estimate", "score_frame", "target_design"]


@dataclass(frozen=True, eq=False)
class Scored:
    """An estimate that solves a score of instruments.

    Parameters
    ----------
    theta : (q,).
    frame : the same rows with instruments as columns: a fit's.
    estimate : its numbers.
    """

    theta: Array
    frame: ModelFrame = field(repr=False)
    estimate: Estimate = field(repr=False)


@dataclass(frozen=True, eq=False)
class Score:
    """What an orthogonal score is made of, beside the rows of a frame.

    Parameters
    ----------
    slots : columns of the frame that are the targets (q,), ascending.
    f : (n,) nuisance of the predictor.
    m : (n, q) nuisance of the targets as the frame holds them.
    centre : (q,) what is taken off the targets: f holds for them so. Far from 0, an error of theta would
        move the whole predictor, and f could not give way. None: nothing.
    """

    slots: IntArray
    f: Array
    m: Array
    centre: Array | None = None

    def targets(self, block: Block) -> Array:
        """Return D (n, q) of a block, centred."""
        columns = block.X[0].take(None, self.slots).to_array()
        return columns if self.centre is None else columns - self.centre

    def residual(self, frame: ModelFrame, block: Block) -> Array:
        """Return e = D - m (n, q) of a block."""
        return block.X[0].take(None, self.slots).to_array() - self.m[rows_of(frame, block)]

    def predictor(self, frame: ModelFrame, block: Block, theta: Array) -> Array:
        """Return eta (n,) of a block."""
        return block.offset[:, 0] + self.targets(block) @ theta + self.f[rows_of(frame, block)]


def score_frame(
    frame: ModelFrame,
    names: Sequence[str],
    theta: Array,
    instruments: Callable[[Block], Array],
    predictor: Callable[[Block], Array],
) -> ModelFrame:
    """Return the same rows with instruments as columns, and predictors that hold at theta.

    Parameters
    ----------
    names : of the coefficients.
    theta : their values (q,).
    instruments : (n, q) of a block.
    predictor : eta (n,) of a block at theta.
    """

    def change(block: Block) -> Block:
        columns = instruments(block)
        offset = (predictor(block) - columns @ theta)[:, None]
        return replace(block, X=(Dense(np.ascontiguousarray(columns.T)),), offset=offset)

    return frame.changed(change, Coordinates(tuple(names), None, True))


class _Facts(NamedTuple):
    """Totals of a frame at an estimate."""

    rows: float
    weight: float
    deviance: float
    pearson: float

    def __add__(self, other: _Facts) -> _Facts:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Facts(*(left + right for left, right in zip(self, other, strict=True)))


def score_estimate(
    frame: ModelFrame,
    likelihood: GLM,
    theta: Array,
    information: Array,
    convergence: Convergence,
    null: Null,
    parameters: int,
    fingerprint: str,
    dispersion: Any = None,
) -> Estimate:
    """Return the estimate of a frame of instruments: its deviance is that of the predictors as they are.

    There is no log-likelihood.

    Parameters
    ----------
    frame : of `score_frame`.
    theta : (q,).
    information : (q, q) for dispersion 1.
    convergence : how theta was found.
    null : null model of the rows.
    parameters : what the residual degrees of freedom lack of the rows.
    fingerprint : of the rows as given.
    dispersion : a number, "pearson" or "deviance"; None is Pearson's where the family estimates it.

    Raises
    ------
    ArgumentError : another dispersion.
    """

    def kernel(block: Block) -> _Facts:
        eta = block.offset + block.X[0].dot(theta)[:, None]
        used = block.total > 0
        deviance = likelihood.deviance(block.y, eta, block.total)[used].sum()
        pearson = likelihood.pearson(block.y, eta, block.total)[used].sum()
        return _Facts(float(block.counted.sum()), float(block.total.sum()), float(deviance), float(pearson))

    facts = frame.reduce(kernel)
    rows = int(facts.rows)
    spare = rows - parameters
    size = len(theta)
    root = cholesky(0.5 * (information + information.T))
    root = np.full((size, size), np.nan) if root is None else root
    return Estimate(
        theta=theta,
        directions=(),
        rows=rows,
        weight=facts.weight,
        fingerprint=fingerprint,
        information=DenseInformation(root, np.eye(size), np.arange(size), size),
        loglik=np.nan,
        deviance=facts.deviance,
        null=null,
        pearson=facts.pearson,
        dispersion=_dispersion(likelihood, facts, spare, dispersion),
        aliased={},
        convergence=convergence,
        df_residual=spare,
    )


def _dispersion(likelihood: GLM, facts: _Facts, spare: int, asked: Any) -> Dispersion:
    fixed = likelihood.family.dispersion
    if asked is None and fixed is not None:
        return Dispersion(fixed, "fixed")
    if asked is None or asked == "pearson":
        return Dispersion(facts.pearson / spare if spare > 0 else np.nan, "pearson")
    if asked == "deviance":
        return Dispersion(facts.deviance / spare if spare > 0 else np.nan, "deviance")
    if isinstance(asked, str) or not asked > 0:
        raise ArgumentError(f"Unknown dispersion: {asked!r}. Known: pearson, deviance, or a number > 0.")
    return Dispersion(float(asked), "given")


def target_design(design: Design, slots: IntArray) -> Design:
    """Return a design that knows of some columns only: the coefficients of a score.

    It names them and says to which terms they belong; it does not make columns of data.

    Parameters
    ----------
    slots : of the columns, ascending.
    """
    (predictor,) = design.predictors
    pieces, place = [], 0
    for piece in predictor.pieces:
        first = piece.slots.start
        names = tuple(piece.columns[slot - first] for slot in slots if first <= slot < piece.slots.stop)
        if names:
            pieces.append(replace(piece, columns=names, slots=slice(place, place := place + len(names))))
    return replace(design, predictors=(replace(predictor, pieces=tuple(pieces), slots=np.arange(place)),))
