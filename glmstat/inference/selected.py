"""What tables say of a fit whose terms were selected from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["selection_note"]


def selection_note(fit: Fit) -> tuple[str, ...]:
    """Return the lines that every table with p-values or intervals of a fit prints after selection.

    Returns
    -------
    Nothing where the terms of the fit were not selected by `Fit.step`.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "z": [1, 0, 1, 0, 1, 1]}
    >>> fit = glmstat.glm("y ~ x + z", data, "poisson")
    >>> selection_note(fit)
    ()
    >>> selection_note(fit.step().fit)
    ('terms were selected by AIC: p-values and intervals ignore that',)
    """
    return tuple(note.text for note in fit.notes if note.kind == "selection")
