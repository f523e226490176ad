"""Plots of effects: an average prediction against the values of one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.report.plot.panel import CURVE, PALE, SHADE, WORDS, panel
from glmstat.text.number import percent

if TYPE_CHECKING:
    from glmstat.neural.average import Effects

__all__ = ["plot"]

_MARKS = 200  # of the rug: more cannot be told apart


def plot(effects: Effects, ax: Any = None) -> Any:
    """Return the axes of a plot: the effect with its pointwise band; levels of a factor as points.

    Parameters
    ----------
    effects : of one column.
    ax : matplotlib axes; default a new figure.

    Raises
    ------
    DependencyError : matplotlib is not installed.
    """
    ax = panel(ax, effects.name, _height(effects))
    if effects.kind in ("relativity", "ale"):
        ax.axhline(1.0 if effects.kind == "relativity" else 0.0, color=PALE, lw=1.0)
    draw = _points if effects.rug is None else _curve
    draw(ax, effects)
    if effects.banded:
        words = f"{percent(effects.level)} pointwise, without bias of the network"
        ax.set_title(words, fontsize="small", color=WORDS)
    return ax


def _curve(ax: Any, effects: Effects) -> None:
    values = np.array(effects.values, dtype=np.float64)
    if effects.banded:
        ax.fill_between(values, effects.conf_low, effects.conf_high, color=SHADE, alpha=0.6, lw=0)
    ax.plot(values, effects.estimate, color=CURVE, lw=1.8, marker="o" if len(values) < 10 else None, ms=4)
    rug = np.unique(np.asarray(effects.rug))
    if len(rug) > _MARKS:
        rug = np.quantile(rug, np.linspace(0.0, 1.0, _MARKS))
    ax.plot(rug, np.zeros(len(rug)), "|", color=PALE, ms=6, transform=ax.get_xaxis_transform(), clip_on=False)


def _points(ax: Any, effects: Effects) -> None:
    places = np.arange(len(effects.values))
    if effects.banded:
        ax.vlines(places, effects.conf_low, effects.conf_high, color=SHADE, lw=5)
    ax.plot(places, effects.estimate, "o", color=CURVE, ms=5)
    labels = [str(value) for value in effects.values]
    turned = 90 if sum(map(len, labels)) > 40 else 0
    ax.set_xticks(places, labels, rotation=turned)


def _height(effects: Effects) -> str:
    if effects.kind == "relativity":
        return effects.scale.replace("_", " ")
    where = "response" if effects.scale == "response" else "linear predictor"
    return f"mean {where}" if effects.kind == "pdp" else f"change of the {where}"
