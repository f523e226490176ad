"""Plots of profiles: how fast the likelihood falls on both sides of an estimate."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.profile.ends import cut_of
from glmstat.matrix import Array
from glmstat.report.plot.panel import CURVE, DASHED, HEIGHT, PALE, SHADE, WIDTH, WORDS, figure_of, labelled
from glmstat.text.number import figure, percent

if TYPE_CHECKING:
    from glmstat.inference.profile.verb import Profile

__all__ = ["plot"]

COLUMNS = 3
_SMOOTH = 200  # values at which the curve through the points is drawn


def plot(profile: Profile, ax: Any = None) -> Any:
    """Return the axes of a plot: the statistic against the value, with cut, interval and Wald's parabola.

    Parameters
    ----------
    profile : of one or more combinations.
    ax : matplotlib axes, or a sequence with one for each combination; default a new figure.

    Returns
    -------
    One axes for one combination, else an array of them.

    Raises
    ------
    DependencyError : matplotlib is not installed.
    ArgumentError : another number of axes than combinations.
    """
    axes = _axes(profile, ax)
    for place, panel in enumerate(axes):
        _panel(panel, profile, place)
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def _axes(profile: Profile, ax: Any) -> list[Any]:
    wanted = len(profile)
    if ax is not None:
        given = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(given) != wanted:
            raise ArgumentError(
                f"ax must hold {wanted} axes, one for each combination: got {len(given)}. Leave ax= out."
            )
        return given
    columns = min(wanted, COLUMNS)
    rows = -(-wanted // columns)
    drawing, grid = figure_of(rows, columns, (WIDTH * columns, HEIGHT * rows + 0.5))
    drawing.suptitle(profile.fit.formula, fontsize="medium")
    for spare in grid.flat[wanted:]:
        spare.remove()
    return list(grid.flat[:wanted])


def _panel(ax: Any, profile: Profile, place: int) -> None:
    points, cut = profile.curves[place], cut_of(profile.fit, profile.level)
    values = np.array([point.value for point in points if isfinite(point.value)])
    roots = np.array([point.statistic for point in points if isfinite(point.value)])
    low, high = float(profile.ends.low[place]), float(profile.ends.high[place])
    labelled(ax, f"{profile.terms[place]} ({_scale(profile)})", _height(profile))
    if not len(values):
        ax.text(0.5, 0.5, "no profile", transform=ax.transAxes, ha="center", color=PALE)
        return
    left, right = float(values.min()), float(values.max())
    ax.set_xlim(left, right)
    ax.set_ylim(0.0, 1.45 * cut**2)
    if not (np.isnan(low) or np.isnan(high)):
        inside = [max(low, left), min(high, right)]
        ax.fill_between(inside, 0.0, cut**2, color=SHADE, alpha=0.5, lw=0)
    ax.axhline(cut**2, color=PALE, lw=1.0)
    ax.annotate(
        f"{percent(profile.level)} cut {cut**2:.2f}",
        (0.5, cut**2),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize="small",
        color=WORDS,
    )
    _wald(ax, profile, place, np.linspace(left, right, _SMOOTH))
    grid, smooth = _smooth(values, roots)
    ax.plot(grid, smooth, color=CURVE, lw=1.8, label=profile.statistic)
    for end, name in ((low, "left"), (high, "right")):
        _mark(ax, end, cut, name)
    estimate = float(profile.linear.estimates(profile.fit)[place])
    if isfinite(estimate):
        ax.plot([estimate], [0.0], "o", color=CURVE, ms=5, clip_on=False, zorder=5)
    if place == 0:
        ax.legend(frameon=False, fontsize="small", loc="upper center", ncols=2)


def _smooth(values: Array, roots: Array) -> tuple[Array, Array]:
    """The curve: signed roots are nearly straight, so a monotone cubic through them, squared."""
    order = np.argsort(values)
    values, roots = values[order], roots[order]
    keep = np.append(True, np.diff(values) > 1e-9 * (values[-1] - values[0]))
    values, roots = values[keep], roots[keep]
    if len(values) < 3:
        return values, np.square(roots)
    from scipy.interpolate import PchipInterpolator

    grid = np.union1d(np.linspace(values[0], values[-1], _SMOOTH), values)
    return grid, np.square(PchipInterpolator(values, roots)(grid))


def _wald(ax: Any, profile: Profile, place: int, grid: Array) -> None:
    """Wald's parabola, dashed: what the curve would be if the likelihood were quadratic."""
    fit = profile.fit
    combination = profile.linear.matrix[place]
    root = np.sqrt(fit.dispersion) * fit.estimate.information.inverse_root
    estimate = float(profile.linear.estimates(fit)[place])
    error = float(np.linalg.norm(combination[combination != 0] @ root[combination != 0]))
    if isfinite(estimate) and isfinite(error) and error > 0:
        parabola = np.square((grid - estimate) / error)
        ax.plot(grid, parabola, color=PALE, lw=1.2, ls=DASHED, label="Wald")


def _mark(ax: Any, end: float, cut: float, side: str) -> None:
    """An end of the interval: a line down from the cut, and its value inside; an arrow where infinite."""
    if np.isnan(end):
        return
    if np.isinf(end):
        at, text = (0.02, "← −inf") if side == "left" else (0.98, "inf →")
        ax.text(at, 0.12, text, transform=ax.transAxes, ha=side, fontsize="small", color=CURVE)
        return
    ax.plot([end, end], [0.0, cut**2], color=CURVE, lw=1.0)
    ax.annotate(
        figure(end).replace("-", "−"),
        (end, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(4 if side == "left" else -4, 0),
        textcoords="offset points",
        ha=side,
        fontsize="small",
        color=CURVE,
    )


def _scale(profile: Profile) -> str:
    link = profile.fit.spec.likelihood.family.link.text.replace("_", " ")
    return "in units of the response" if link == "identity" else f"{link} scale"


def _height(profile: Profile) -> str:
    phi = profile.fit.estimate.dispersion
    over = "" if phi.value == 1.0 and not phi.estimated else " / dispersion"
    if profile.statistic == "score":
        return f"score statistic{over}"
    return f"(deviance − minimum){over}" if over else "deviance − minimum"
