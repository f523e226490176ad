"""Results of networks that print as a table and can be drawn."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from glmstat.inference.shown import Shown
from glmstat.text.listing import Listing

__all__ = ["Drawn"]


class Drawn(Shown):
    """What prints as its `listing()` and is drawn by the module of `glmstat.report.plot` called `drawing`."""

    drawing: ClassVar[str]

    def listing(self) -> Listing:
        """Return the printed table."""
        raise NotImplementedError

    def plot(self, ax: Any = None) -> Any:
        """Return the matplotlib axes of a plot.

        Parameters
        ----------
        ax : axes to draw in; default a new figure.

        Raises
        ------
        DependencyError : matplotlib is not installed.
        """
        return import_module(f"glmstat.report.plot.{self.drawing}").plot(self, ax)

    def _shown(self) -> Listing:
        return self.listing()
