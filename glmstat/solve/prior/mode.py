"""The mode of a posterior for one dispersion: starts, laplace priors, separated columns without a prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmstat.compute import Counts
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.matrix import Array, Block
from glmstat.solve.maximum import Maximum, maximise
from glmstat.solve.prior.kink import climb_kinks, kinks_of
from glmstat.solve.prior.workspace import Posterior
from glmstat.solve.separation import found_direction
from glmstat.solve.start import Start, inside, start_at, starting_points, weighted_start
from glmstat.workspace import Workspace

__all__ = ["Mode", "find_mode", "starts"]


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode, in the columns in use as given.

    Parameters
    ----------
    maximum : how it was reached; its workspace has the columns that are neither held nor separated.
    beta : (q,) of the columns in use; 0 where the maximum does not have them.
    held : places, among the columns in use, of those at the kink of their prior.
    settled : whether the conditions of a mode hold there.
    objective : log-likelihood for dispersion 1 plus phi times the log prior.
    """

    maximum: Maximum
    beta: Array
    held: tuple[int, ...]
    settled: bool
    objective: float

    @property
    def sound(self) -> bool:
        """Whether the ascent ended at a mode."""
        return self.settled and self.maximum.ascent.ending == "converged"


def starts(
    posterior: Posterior, null: Array | None, given: Array | None, *, dispersion: bool = False
) -> tuple[list[Array], Array | None]:
    """Return coefficients (q,) to start from, and those of the data where there may be several modes.

    They are near the prior and, where there may be several modes, near the data.

    Parameters
    ----------
    given : coefficients of the columns in use that the call starts from; alone where there is one mode.
    dispersion : whether that is found too, so that there may be several modes.

    Raises
    ------
    ArgumentError : `given` leaves the domain.
    """
    if given is not None and start_at(posterior, posterior.to_gamma(given)).sums is None:
        raise ArgumentError("start gives a mean outside the domain of the family. Leave start= out.")
    heavy = posterior.prior.heavy
    if given is not None and posterior.concave and not dispersion:
        return [given], None
    null = null if null is not None and inside(posterior, null) else None
    near_prior = weighted_start(posterior.start_pass())
    near_data = weighted_start(posterior.start_pass(tails=False)) if heavy else None
    several = heavy and not _one_mode(
        posterior, [near_prior, near_data, *([] if given is None else [posterior.to_gamma(given)])]
    )
    if given is not None and heavy and not several and not dispersion:
        return [given], None
    points = starting_points(posterior, near_prior, null)
    if several or dispersion:
        near_rows = weighted_start(Workspace.start_pass(posterior))
        more = [point for point in (near_prior, near_data, near_rows) if point is not None]
        points += [point for point in (start_at(posterior, one) for one in more) if point.sums is not None]
    distinct = {point.gamma.tobytes(): point.gamma for point in points}
    own = [posterior.to_beta(gamma) for gamma in distinct.values()]
    data = posterior.to_beta(near_data) if several and near_data is not None else None
    return own if given is None else [given, *own], data


def _one_mode(posterior: Posterior, ends: Sequence[Array | None]) -> bool:
    """Whether the posterior is log-concave wherever the prior, the rows and what is given lead to."""
    prior = posterior.prior
    reach = prior.location + prior.scale * np.sqrt(prior.df) * np.array([[-1.0], [1.0]])
    bent = ~prior.kinked & (prior.rows[:, posterior.columns] != 0).any(axis=1)
    if not posterior.likelihood.canonical and not posterior.likelihood.concave:
        return False
    for gamma in ends:
        values = np.full(len(prior.df), np.inf) if gamma is None else posterior.values(gamma)
        if (bent & ((values <= reach[0]) | (values >= reach[1]))).any():
            return False
    return True


def find_mode(
    posterior: Posterior, beta: Array, null: Array | None, control: Control, counts: Counts
) -> Mode:
    """Return the mode that an ascent from `beta` (q,) reaches."""
    if posterior.prior.kinked.any() and len(kinks_of(posterior).places):
        return _with_kinks(posterior, beta, control, counts)
    found = maximise(posterior, [start_at(posterior, posterior.to_gamma(beta))], null, control, counts)
    ascent = found.ascent
    whole = np.zeros(posterior.size)
    whole[np.searchsorted(posterior.columns, ascent.workspace.columns)] = ascent.workspace.to_beta(
        ascent.gamma
    )
    return Mode(found, whole, (), True, ascent.objective)


def _with_kinks(posterior: Posterior, beta: Array, control: Control, counts: Counts) -> Mode:
    shifted, shift = _shifted(posterior)
    _need_finite(shifted)
    start: Start = start_at(shifted, shifted.to_gamma(beta - shift))
    found, settled, held = climb_kinks(shifted, start, control, counts)
    whole = shift.copy()
    ascent = found.ascent
    free = np.searchsorted(posterior.columns, ascent.workspace.columns)
    whole[free] += ascent.workspace.to_beta(ascent.gamma)
    return Mode(found, whole, tuple(np.flatnonzero(held).tolist()), settled, ascent.objective)


def _shifted(posterior: Posterior) -> tuple[Posterior, Array]:
    """The same in beta - shift: every laplace prior has its kink at 0, its columns are not centred."""
    kinks, prior = kinks_of(posterior), posterior.prior
    shift = np.zeros(posterior.size)
    own = prior.rows[kinks.priors, posterior.columns[kinks.places]]
    shift[kinks.places] = (prior.location - prior.at)[kinks.priors] / own
    if posterior.intercept is not None and posterior.intercept in kinks.places:
        centre = np.zeros(posterior.size)
        posterior = replace(posterior, centre=centre)
    if not shift.any():
        return posterior, shift
    at = prior.values(_whole(posterior, shift))
    at[kinks.priors] = prior.location[kinks.priors]
    moved = _offset_by(posterior, shift)
    return replace(posterior, frame=moved, prior=replace(prior, at=at)), shift


def _whole(posterior: Posterior, beta: Array) -> Array:
    out = np.zeros(posterior.width)
    out[posterior.columns] = beta
    return out


def _offset_by(posterior: Posterior, shift: Array) -> Any:
    beta, frame = _whole(posterior, shift), _rows(posterior)

    def change(block: Block) -> Block:
        offset = np.array(block.offset, order="F")
        offset[:, 0] += block.X[0].dot(beta)
        return replace(block, offset=offset)

    return frame.changed(change)


def _rows(posterior: Posterior) -> Any:
    """The model frame of a posterior."""
    return posterior.frame


def _need_finite(posterior: Posterior) -> None:
    """Refuse columns without a prior along which the data are separated, beside laplace priors."""
    direction = found_direction(posterior)
    if direction is not None:
        names = [_rows(posterior).columns[slot] for slot in posterior.columns[direction != 0]]
        first = next((name for name in names if name != "Intercept"), names[0])
        raise ArgumentError(
            f"Separated data: {', '.join(names)} without a prior would be infinite, beside laplace priors. "
            f'Give {first} a prior, as in {{"{first}": normal(0, 2.5)}}.'
        )
