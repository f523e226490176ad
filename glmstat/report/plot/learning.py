"""Plots of learning curves: deviance by step of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.report.plot.panel import CURVE, DASHED, PALE, panel

if TYPE_CHECKING:
    from glmstat.neural.curve import LearningCurve

__all__ = ["plot"]


def plot(curve: LearningCurve, ax: Any = None) -> Any:
    """Return the axes of a plot: deviance per unit weight by step, a line a network, held-out rows dashed.

    Parameters
    ----------
    curve : of one or more networks.
    ax : matplotlib axes; default a new figure.

    Raises
    ------
    DependencyError : matplotlib is not installed.
    """
    ax = panel(ax, "step", "deviance per unit weight")
    faint = 1.0 if len(curve) < 4 else 0.5
    for place, history in enumerate(curve.histories.values()):
        first = place == 0
        ax.plot(
            history["step"], history["train"], color=CURVE, lw=1.5, alpha=faint,
            label="rows trained on" if first else None,
        )  # fmt: skip
        if np.isfinite(history["held_out"]).any():
            ax.plot(
                history["step"], history["held_out"], color=PALE, lw=1.2, ls=DASHED, alpha=faint,
                label="rows held out" if first else None,
            )  # fmt: skip
    ax.legend(frameon=False, fontsize="small")
    return ax
