"""Which coefficient has which prior: the keys of `prior=`, and the rule of "weak"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.errors import ArgumentError, near, one_of
from glmstat.formula.design import Design
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.priors import Prior, as_prior
from glmstat.solve.prior.weak import WEAK, Scales, scales_of

__all__ = ["Assigned", "assign"]

OTHERS = "*"


@dataclass(frozen=True)
class Assigned:
    """A prior of one coefficient, or of the predictor at the means of columns.

    Parameters
    ----------
    name : of the coefficient.
    prior : with its numbers.
    beside : the other columns of the combination, with their means; () is the coefficient alone.
    rule : how its numbers came about, where that was by a rule.
    """

    name: str
    prior: Prior
    beside: tuple[tuple[str, float], ...] = ()
    rule: str = ""

    def row(self, columns: tuple[str, ...]) -> Array:
        """Return the combination of the coefficients (p,)."""
        weights = {self.name: 1.0, **dict(self.beside)}
        return np.array([weights.get(name, 0.0) for name in columns])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        beside = [list(pair) for pair in self.beside]
        return {"name": self.name, "prior": self.prior.text, "beside": beside, "rule": self.rule}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Assigned:
        """Return what `to_json` wrote."""
        beside = tuple((name, value) for name, value in plain["beside"])
        return cls(plain["name"], as_prior(plain["prior"]), beside, plain["rule"])


def assign(given: Any, likelihood: GLM, frame: ModelFrame) -> tuple[Assigned, ...]:
    """Return the priors that `prior=` gives, in the order of the columns.

    Parameters
    ----------
    given : a mapping from coefficients ("x", "f[T.b]", "Intercept"), terms ("f", "x:z") or "*" (all others
        but the intercept) to priors, their texts, "weak", or None for no prior; a prior alone is that of "*",
        and "weak" alone of all.

    Raises
    ------
    ArgumentError : a key that is neither, a value that is no prior, or no prior at all.
    """
    design = frame.design
    intercept = None if design.intercept is None else design.columns[design.intercept]
    wanted = _by_column(_as_mapping(given, intercept), design, intercept)
    names = [name for name, value in wanted.items() if value is not None]
    if not names:
        raise ArgumentError(
            f"prior= gives no coefficient a prior: the columns are {_listed(frame.columns)}. Leave it out."
        )
    weak = any(value == WEAK for value in wanted.values())
    scales = scales_of(likelihood, frame) if weak else None
    return tuple(
        _assigned(name, wanted[name], [other for other in names if other != intercept], scales)
        for name in frame.columns
        if name in names
    )


def _as_mapping(given: Any, intercept: str | None) -> Mapping[str, Any]:
    if isinstance(given, str) and given.strip().lower() == WEAK:
        return {OTHERS: WEAK, **({} if intercept is None else {intercept: WEAK})}
    if isinstance(given, str | Prior):
        return {OTHERS: as_prior(given)}
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f'prior must be "weak", a prior, or a mapping from columns: got {type(given).__name__}. '
            'Write prior={"x": normal(0, 2.5)}.'
        )
    return given


def _by_column(given: Mapping[str, Any], design: Design, intercept: str | None) -> dict[str, Any]:
    """The prior of each column: its own before that of its term, and that before the others'.

    Columns are known by the names of the convention and by the default ones.
    """
    columns, pieces = design.columns, design.predictors[0].pieces
    terms = {str(piece.term): columns[piece.slots] for piece in pieces if str(piece.term) != "1"}
    usual = dict(zip(map(_tight, design.default_columns), columns, strict=True))
    spelled = usual | {_tight(name): name for name in (*terms, *columns)}
    found: dict[str, Any] = {}
    wide = [name for name in columns if name != intercept] if OTHERS in given else []
    found.update(dict.fromkeys(wide, _value(OTHERS, given.get(OTHERS))))
    known = {key: _meant(key, spelled, columns, tuple(terms)) for key in given if key != OTHERS}
    _need_distinct(known)
    for whole in (True, False):
        for key, name in known.items():
            if (name not in columns) == whole:
                value = _value(key, given[key])
                found.update(dict.fromkeys(terms[name] if whole else (name,), value))
    return found


def _meant(key: Any, spelled: Mapping[str, str], columns: tuple[str, ...], terms: tuple[str, ...]) -> str:
    """The column or term that a key names."""
    name = spelled.get(_tight(key)) if isinstance(key, str) else None
    if name is not None:
        return name
    known = (*columns, *terms)
    parts = sorted(_tight(str(key)).split(":"))
    turned = [one for one in known if ":" in one and sorted(_tight(one).split(":")) == parts]
    hint = f" Did you mean {turned[0]!r}?" if turned else near(str(key), known)
    raise ArgumentError(
        f"prior names {key!r}, which is no coefficient and no term: the columns are {_listed(columns)}.{hint}"
    )


def _need_distinct(known: Mapping[Any, str]) -> None:
    """Refuse two keys for one column or term."""
    first: dict[str, Any] = {}
    for key, name in known.items():
        if name in first:
            raise ArgumentError(
                f"prior names {name} twice: by {first[name]!r} and by {key!r}. Leave one of them out."
            )
        first[name] = key


def _value(key: Any, value: Any) -> Prior | str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.strip().lower() == WEAK:
        return WEAK
    try:
        return as_prior(value)
    except ArgumentError as error:
        raise ArgumentError(f"prior of {key!r}: {error}") from None


def _tight(name: str) -> str:
    return "".join(name.split())


def _listed(columns: tuple[str, ...]) -> str:
    return one_of(columns[:20]) + (f", … ({len(columns)})" if len(columns) > 20 else "")


def _assigned(name: str, value: Prior | str, others: list[str], scales: Scales | None) -> Assigned:
    """The prior of a coefficient; `others` are those with a prior but for the intercept."""
    if isinstance(value, Prior):
        return Assigned(name, value)
    assert scales is not None
    if name not in others:
        beside = tuple((other, scales.mean(other)) for other in others)
        return Assigned(name, scales.of_intercept(), beside, scales.rule_of_intercept())
    return Assigned(name, scales.of_column(name), (), scales.rule_of_column(name))
