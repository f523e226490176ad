"""Exception and warning classes, notes, and the phrases every message shares."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

__all__ = [
    "ArgumentError",
    "BoundaryWarning",
    "ColumnError",
    "ComparisonError",
    "ConvergenceWarning",
    "CovarianceWarning",
    "DataError",
    "DependencyError",
    "DomainError",
    "ExtrapolationWarning",
    "FewClustersWarning",
    "FileError",
    "FitInterrupted",
    "FormulaError",
    "GlmstatError",
    "GlmstatWarning",
    "NetworkWarning",
    "Note",
    "OverlapWarning",
    "PerfectFitWarning",
    "ResampleWarning",
    "ResponseWarning",
    "SeparationWarning",
]

T = TypeVar("T")


class GlmstatError(Exception):
    """Base of every error that glmstat raises on purpose."""


class FormulaError(GlmstatError, ValueError):
    """The formula text cannot be read, or asks for something not allowed."""


class DataError(GlmstatError, ValueError):
    """The data cannot be used: missing, infinite, length, index, level."""


class DomainError(GlmstatError, ValueError):
    """A response or a mean lies outside what the family allows."""


class ArgumentError(GlmstatError, ValueError):
    """An argument has a value that does not exist or cannot be combined."""


class ComparisonError(GlmstatError, ValueError):
    """Fits, or a fit and a test, that cannot be compared."""


class FileError(GlmstatError, ValueError):
    """A saved file is damaged, foreign, or newer than this version reads."""


class ColumnError(GlmstatError, LookupError):
    """A name that the data do not have."""


class DependencyError(GlmstatError, ImportError):
    """An optional package is not installed."""


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped a fit.

    Parameters
    ----------
    message : how far it came, and how to go on.
    coef : the best coefficients so far by name, fit for `start=`; None where there are none yet.
    """

    def __init__(self, message: str, coef: Mapping[str, float] | None = None) -> None:
        super().__init__(message)
        self.coef = coef


class GlmstatWarning(UserWarning):
    """Base of the warnings: the printed answer may mislead."""


class ConvergenceWarning(GlmstatWarning):
    """The estimate is not proved to be the maximum."""


class SeparationWarning(GlmstatWarning):
    """Some coefficients are infinite, or that is undecided."""


class BoundaryWarning(GlmstatWarning):
    """A mean lies on the edge of what the link allows."""


class CovarianceWarning(GlmstatWarning):
    """The covariance that the call asks for is not defined for these data."""


class OverlapWarning(GlmstatWarning):
    """A target hardly varies once its controls are given."""


class PerfectFitWarning(GlmstatWarning):
    """The residuals are rounding error."""


class ExtrapolationWarning(GlmstatWarning):
    """A value lies outside the range seen in the fit."""


class FewClustersWarning(GlmstatWarning):
    """Fewer clusters than the asymptotics need."""


class ResampleWarning(GlmstatWarning):
    """Many resamples have no finite estimate."""


class NetworkWarning(GlmstatWarning):
    """What a network adds to an answer may mislead."""


class ResponseWarning(GlmstatWarning):
    """A response that the family accepts but does not expect (non-integer counts)."""


@dataclass(frozen=True)
class Note:
    """A fact about a fit that its reader should know; never a Python warning."""

    kind: str
    text: str


def outside() -> int:
    """Return the `stacklevel` of `warnings.warn` that points at the call into the package."""
    depth = 1
    while sys._getframe(depth).f_globals.get("__name__", "").split(".")[0] == "glmstat":
        depth += 1
    return depth


def one_of_a_kind(action: Callable[[], T]) -> T:
    """Return what an action returns; of the warnings that it gives, the first of each class comes through."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = action()
    first = {one.category: one.message for one in reversed(seen)}
    for kind, message in reversed(first.items()):
        warnings.warn(message, kind, stacklevel=outside())
    return result


def row_list(rows: Iterable[int], total: int | None = None, *, limit: int = 5) -> str:
    """'row 17 (1 row)' or 'rows 3, 8, 21 (3 rows)'; rows count from 0 in the data as given."""
    listed = list(rows)
    shown, total = [int(row) for row in listed[:limit]], len(listed) if total is None else total
    dots = ", …" if total > len(shown) else ""
    word = "row" if total == 1 else "rows"
    return f"{word} {', '.join(map(str, shown))}{dots} ({total:,} {word})"


def near(name: str, known: Iterable[str]) -> str:
    """' Did you mean 'zz'?' for the nearest known name, or nothing."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{match[0]}'?" if match else ""


def one_of(words: Sequence[str]) -> str:
    """Known words for a message: 'a, b, c'."""
    return ", ".join(str(word) for word in words)
