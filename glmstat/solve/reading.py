"""Passes over all rows, each of which brings whatever is still missing besides what it was made for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glmstat.compute import Counts, Facts, Sums
from glmstat.matrix import Array
from glmstat.solve.dispersion import Saturated, saturated_asks, saturated_sum
from glmstat.solve.null import closed_null, has_closed_null, null_from, null_slope
from glmstat.solve.together import Ask, together
from glmstat.workspace import Need, Workspace

__all__ = ["AllRows", "Reading"]

SETTLED = 1e-3  # last step of the null intercept after which its square no longer shows in the deviance


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass found at gamma; facts and the saturated log-likelihood where they were asked for.

    `intercept` is that of the null model behind the facts.
    """

    gamma: Array
    sums: Sums
    facts: Facts | None = None
    saturated: Saturated | None = None
    intercept: float = 0.0


@dataclass(eq=False)
class AllRows:
    """The rows of a frame, and what the passes over them have told so far.

    Parameters
    ----------
    dispersion, intercept : guesses; the intercept is that of the null model, 0 where it has none.
    drift : last correction of the intercept.
    """

    workspace: Workspace
    has_intercept: bool
    has_offset: bool
    dispersion: float = 1.0
    intercept: float = 0.0
    drift: float = np.inf
    counts: Counts = field(default_factory=Counts)

    @property
    def known(self) -> bool:
        """Whether the null model is known well enough for its deviance."""
        return not self.has_intercept or self.drift <= SETTLED

    def read(self, gamma: Array, need: Need, *, last: bool = False) -> Reading:
        """Return the sums at gamma, by a pass that also corrects the null intercept.

        Parameters
        ----------
        last : whether the facts at gamma are wanted too.
        """
        b = self.intercept
        asks: dict[str, Ask] = {"sums": lambda one: one.pass_(gamma, need), **self._null_asks(b)}
        if not self.counts.rows:
            asks["counts"] = Workspace.counts
        if last:
            asks["facts"] = lambda one: one.facts(gamma, b)
            for place, phi in enumerate(saturated_asks(self.workspace, self.dispersion)):
                asks[f"saturated {place}"] = lambda one, phi=phi: saturated_sum(one, phi)
        found = dict(zip(asks, together(self.workspace, *asks.values()), strict=True))
        self.counts = found.get("counts", self.counts)
        self._correct(found)
        return Reading(
            gamma, self._penalised(found["sums"], gamma), found.get("facts"), self._saturated(found), b
        )

    def _saturated(self, found: dict[str, Any]) -> Saturated | None:
        values = [value for name, value in found.items() if name.startswith("saturated")]
        if not values:
            return None
        phi = saturated_asks(self.workspace, self.dispersion)[0]
        slope = (values[1] - values[0]) / float(np.log(2.0)) if len(values) > 1 else 0.0
        return Saturated(values[0], phi, slope)

    def _null_asks(self, b: float) -> dict[str, Ask]:
        if self.known:
            return {}
        if not self.has_offset:
            return {}
        if has_closed_null(self.workspace):
            return {"closed": closed_null}
        return {"slope": lambda one: null_slope(one, b)}

    def _correct(self, found: dict[str, Any]) -> None:
        """Move the null intercept to where the totals say."""
        if self.known:
            return
        if "slope" in found:
            slope = found["slope"]
            step = slope.score / slope.information if slope.information > 0 else np.inf
            self.intercept, self.drift = self.intercept + step, abs(step)
            return
        b = null_from(self.workspace, self.counts, found.get("closed"), has_offset=self.has_offset)
        if b is not None:
            self.intercept, self.drift = b, 0.0

    def _penalised(self, sums: Sums, gamma: Array) -> Sums:
        penalty = self.penalty
        return sums if penalty is None else sums.penalised(penalty, gamma)

    @property
    def penalty(self) -> Array | None:
        """The penalty of the centred and scaled columns (p, p)."""
        if self.workspace.penalty is None:
            return None
        return self.workspace.transform.T @ self.workspace.penalty @ self.workspace.transform
