"""What the data taught a formula: the kind, levels and states of its parts; plain JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from glmstat.data.source import Kind, Level
from glmstat.formula.contrast import Contrast
from glmstat.formula.missing import MissingReport
from glmstat.formula.response import ResponseCoding
from glmstat.formula.value import JSON

__all__ = ["BASIS", "FACTOR", "NUMBER", "Encoding", "Schema"]

NUMBER, BASIS, FACTOR = "number", "basis", "factor"


@dataclass(frozen=True)
class Encoding:
    """How one part of a term becomes columns.

    Parameters
    ----------
    kind : "number" (one column), "basis" (several), or "factor".
    labels : of the columns of a basis.
    levels : of a factor, those that the rows of the fit take, in order.
    ordered : whether the levels' order carries meaning.
    contrast : how the factor is coded; None is treatment contrasts with the first level as reference.

    >>> Encoding.from_json(Encoding("factor", levels=("a", "b")).to_json()).levels
    ('a', 'b')
    """

    kind: Literal["number", "basis", "factor"]
    labels: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    ordered: bool = False
    contrast: Contrast | None = None

    def width(self, *, full: bool) -> int:
        """Return the number of columns; a factor has one more when coded in `full`."""
        if self.kind != FACTOR:
            return len(self.labels) if self.kind == BASIS else 1
        if full:
            return len(self.levels)
        matrix = None if self.contrast is None else self.contrast.matrix
        return len(self.levels) - 1 if matrix is None else len(matrix[0])

    @property
    def reference(self) -> Level:
        """The level that the others are compared with under treatment contrasts."""
        base = None if self.contrast is None else self.contrast.base
        return self.levels[0] if base is None else base

    @property
    def is_treatment(self) -> bool:
        """Whether the contrasts compare each level with the reference."""
        if self.contrast is None or self.contrast.kind == "treatment":
            return self.kind == FACTOR
        return self.contrast.kind == "R" and not self.ordered

    def to_json(self) -> JSON:
        """Return plain JSON."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "levels": list(self.levels),
            "ordered": self.ordered,
            "contrast": None if self.contrast is None else self.contrast.to_json(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Encoding:
        """Return the encoding that `to_json` wrote."""
        contrast = plain["contrast"]
        return cls(
            plain["kind"],
            tuple(plain["labels"]),
            tuple(plain["levels"]),
            plain["ordered"],
            None if contrast is None else Contrast.from_json(contrast),
        )


@dataclass(frozen=True, eq=False)
class Schema:
    """All that the data taught a formula.

    Parameters
    ----------
    kinds : kind of each column that the right side and the offsets read.
    parts : encoding of each part of a term, by its text.
    calls : state of each stateful call, by its text: ``"scale(log(t))"`` → ``{"center": …, "scale": …}``.
    response : how the left side became numbers; None without one.
    missing : rows lost by variable.
    absorbed : levels of each part of an absorbed effect, by its text.
    """

    kinds: Mapping[str, Kind]
    parts: Mapping[str, Encoding]
    calls: Mapping[str, JSON] = field(default_factory=dict)
    response: ResponseCoding | None = None
    missing: MissingReport = field(default_factory=lambda: MissingReport(0))
    absorbed: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)

    @property
    def levels(self) -> dict[str, tuple[Level, ...]]:
        """Levels of each factor, by the text of the part, reference first."""
        return {text: part.levels for text, part in self.parts.items() if part.kind == FACTOR}

    def to_json(self) -> JSON:
        """Return plain JSON."""
        return {
            "kinds": dict(self.kinds),
            "parts": {text: part.to_json() for text, part in self.parts.items()},
            "calls": dict(self.calls),
            "response": None if self.response is None else self.response.to_json(),
            "missing": {
                "rows": self.missing.rows,
                "dropped": self.missing.dropped,
                "by": dict(self.missing.by),
            },
            **(
                {"absorbed": {text: list(levels) for text, levels in self.absorbed.items()}}
                if self.absorbed
                else {}
            ),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Schema:
        """Return the schema that `to_json` wrote."""
        response = plain["response"]
        return cls(
            kinds=plain["kinds"],
            parts={text: Encoding.from_json(part) for text, part in plain["parts"].items()},
            calls=plain["calls"],
            response=None if response is None else ResponseCoding.from_json(response),
            missing=MissingReport(**plain["missing"]),
            absorbed={text: tuple(levels) for text, levels in plain.get("absorbed", {}).items()},
        )
