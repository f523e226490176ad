"""What a table of coefficients says, where it is not a plain maximum likelihood fit of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Statement"]


@dataclass(frozen=True)
class Statement:
    """A statement that a fit makes about its coefficients, and what must not be made of it.

    Parameters
    ----------
    name : what the choice is called: "debiased".
    title : the statement in a few words, for the head of tables.
    lines : what a reader must know, printed under every table.
    covariances : kinds of covariance that hold, the default first; () where none does.
    tests : whether p-values and tests hold.
    std_error : what standard errors are called in print.
    label : what the covariance is called, where it is none of the kinds.
    refused : why tests by likelihood, refits of terms and criteria do not hold, and what to use instead.
    argument : what the choice is written as: 'method="firth"'; default 'inference="name"'.
    interval : what intervals of coefficients are called.
    holds : which of what rests on a likelihood holds all the same: "ratio" (likelihood ratios and profiles),
        "profile" (profiles alone), "score", "loglik", "criteria", "goodness", "misfit", "bootstrap", "check".
    ratio : what likelihood ratios and profiles are, printed under tables of them.

    >>> Statement("naive", "features as if given", tests=False).tests
    False
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    covariances: tuple[str, ...] = ()
    tests: bool = True
    std_error: str = "std_error"
    label: str = ""
    refused: str = ""
    argument: str = ""
    holds: tuple[str, ...] = ()
    interval: str = "Wald"
    ratio: str = ""

    @property
    def choice(self) -> str:
        """What the choice is written as."""
        return self.argument or f'inference="{self.name}"'

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Statement:
        """Return the statement that `to_json` wrote."""
        lists = {name: tuple(plain.get(name, ())) for name in ("lines", "covariances", "holds")}
        return cls(**{**plain, **lists})
