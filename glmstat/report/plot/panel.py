"""What all plots share: figures, panels with labels, colours."""

from __future__ import annotations

from typing import Any

from glmstat.errors import DependencyError

__all__ = ["CURVE", "DASHED", "HEIGHT", "PALE", "SHADE", "WIDTH", "WORDS", "figure_of", "labelled", "panel"]

CURVE, SHADE, PALE, WORDS = "#1f4e79", "#c9daec", "#8a8a8a", "#555555"
DASHED = (0, (4, 3))
WIDTH, HEIGHT = 3.9, 3.1  # inches of one panel


def figure_of(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """Return a new figure and its axes (rows, columns).

    Parameters
    ----------
    size : width and height in inches.

    Raises
    ------
    DependencyError : matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise DependencyError("Plots need matplotlib: pip install 'glmstat[plot]'.") from error
    return pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def panel(ax: Any, across: str, up: str) -> Any:
    """Return labelled axes: those given, or of a new figure of one panel; errors as `figure_of`."""
    ax = figure_of(1, 1, (1.4 * WIDTH, 1.2 * HEIGHT))[1][0, 0] if ax is None else ax
    return labelled(ax, across, up)


def labelled(ax: Any, across: str, up: str) -> Any:
    """Return axes with two labels and two spines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    return ax
