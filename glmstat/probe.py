"""Values by which a user's own function, link or family is known again when a saved fit is loaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np

from glmstat.errors import FileError
from glmstat.families import Family
from glmstat.matrix import Array

__all__ = ["check_probes", "family_probe", "function_probes"]

_PLACES = np.array([0.0625, 0.25, 0.5, 0.6875, 0.875])  # inside (0, 1), and exact in binary
_LARGEST_PROBE = 64  # numbers that a function may return to be compared
_SAME = 1e-9  # libraries of mathematics differ by less


def check_probes(
    written: Mapping[str, Any], own: list[str], family: Family, context: Mapping[str, Any]
) -> None:
    """Refuse what bears the name of something of the user's but does not act like it.

    Parameters
    ----------
    written : the probes in the file.
    own : names of the user's link and family.
    family, context : what was given to `load`.

    Raises
    ------
    FileError : the first difference.
    """
    known = written.get("family")
    found = family_probe(family) if known else {}
    for word, value in (known or {}).items():
        if not _alike(value, found.get(word)):
            values = isinstance(value, list)
            told = "has other values" if values else f"is {found.get(word)}, was {value}"
            raise _other(own[-1], f"{word} {told}")
    found = function_probes(context)
    for name, value in written.get("functions", {}).items():
        if not _alike(value, found.get(name)):
            raise _other(name, "the function returns other numbers")


def _other(name: str, difference: str) -> FileError:
    return FileError(
        f"'{name}' is not what it was when the fit was saved: {difference}. "
        f"Give load(path, context={{'{name}': ...}}) that of the fit."
    )


def family_probe(family: Family) -> dict[str, Any]:
    """Return type, words and values at a few means, by which a family and its link are known again."""
    link, mu = family.link, _means(family)
    ones = np.ones(len(mu))
    eta = _tried(link.eta, mu)
    probe = {
        "type": type(family).__name__,
        "name": family.name,
        "type of the link": type(link).__name__,
        "link": link.text,
        "domain": family.domain.text,
        "known dispersion": family.dispersion,
        "variance": _tried(family.variance, mu),
        "deviance": _tried(lambda mu: family.unit_deviance(mu[::-1].copy(), mu), mu),
        "density": _tried(lambda mu: family.saturated(mu, ones, 1.0), mu),
        "eta of the link": eta,
    }
    for word in ("mean", "derivative") if eta else ():
        probe[f"{word} of the link"] = _tried(getattr(link, word), np.array(eta))
    return probe


def _means(family: Family) -> Array:
    """A few means that family and link allow."""
    low = max(family.domain.low, family.link.means[0])
    high = min(family.domain.high, family.link.means[1])
    if isfinite(low) and isfinite(high):
        return low + _PLACES * (high - low)
    if isfinite(low):
        return low + 4.0 * _PLACES
    return high - 4.0 * _PLACES if isfinite(high) else 4.0 * _PLACES - 2.0


def function_probes(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a context's functions at a few numbers."""
    return {name: _tried(value, 4.0 * _PLACES) for name, value in context.items() if callable(value)}


def _tried(function: Callable[[Array], Any], x: Array) -> list[float] | None:
    """What a function returns, twice the same, as numbers; None where it does not work like that."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            first, again = (np.asarray(function(x.copy()), dtype=np.float64).ravel() for _ in range(2))
        except Exception:  # the user's code: whatever it raises means that it cannot be compared
            return None
    repeats = first.size <= _LARGEST_PROBE and np.array_equal(first, again, equal_nan=True)
    return first.tolist() if repeats else None


def _alike(written: Any, found: Any) -> bool:
    if not (isinstance(written, list) and isinstance(found, list)):
        return written == found or (written is None and isinstance(found, list))
    return len(written) == len(found) and np.allclose(written, found, rtol=_SAME, atol=0.0, equal_nan=True)
