"""Results that print as one of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from glmstat.text.listing import Listing

__all__ = ["Shown"]


class Shown:
    """What prints as the table of its `_shown()`: text, ASCII, HTML and JSON values are the table's.

    Arrays in the fields of a dataclass that is one are read-only.
    """

    def __post_init__(self) -> None:
        for value in list(self.__dict__.values()):
            for array in value.values() if isinstance(value, dict) else (value,):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False

    def _shown(self) -> Listing:
        raise NotImplementedError

    def __str__(self) -> str:
        return str(self._shown())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()

    def ascii(self) -> str:
        """Return the printed table in ASCII."""
        return self._shown().ascii()

    def to_dict(self) -> dict[str, Any]:
        """Return what is printed as JSON values: NaN as None, infinities as "inf", "-inf"."""
        return self._shown().to_dict()
