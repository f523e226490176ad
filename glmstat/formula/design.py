"""Formula and schema become a recipe: rows in, matrices and offset out, the same for fit and predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from glmstat.coded import MANY_LEVELS
from glmstat.data.source import Frame, Level
from glmstat.errors import FileError, FormulaError
from glmstat.formula.behind import AbsorbedFactor
from glmstat.formula.check import raise_first
from glmstat.formula.context import Scope
from glmstat.formula.expression import Environment, Expression, evaluate
from glmstat.formula.naming import Group, column_names
from glmstat.formula.newdata import NewRows, open_rows
from glmstat.formula.offset import OffsetPart, sum_offsets
from glmstat.formula.piece import Piece, build_pieces, columns_of, network_pieces, recode
from glmstat.formula.saved import read_context, read_formula, read_offset, write_context, write_formula
from glmstat.formula.schema import BASIS, FACTOR, Schema
from glmstat.formula.terms import Formula, Network
from glmstat.formula.value import JSON, Array, Basis, Value, as_number
from glmstat.layers import Towers
from glmstat.matrix import Columns, DesignMatrix, IntArray, zeros

__all__ = ["Design", "Predictor", "build_design", "parts_of"]


@dataclass(frozen=True, eq=False)
class Predictor:
    """One linear predictor.

    Parameters
    ----------
    name : that of the likelihood: "mean".
    pieces : its terms.
    offsets : what is added to it.
    slots : places of its columns among all coefficients (p_k,).
    sign : with which its columns enter.
    """

    name: str
    pieces: tuple[Piece, ...]
    offsets: tuple[OffsetPart, ...]
    slots: IntArray
    sign: float = 1.0


@dataclass(frozen=True, eq=False)
class Design:
    """A recipe: rows in, numbers out.

    Parameters
    ----------
    formula : as parsed.
    schema : what the data taught it.
    predictors : one for a GLM.
    context : numbers, arrays and functions that the formula names beside columns.
    towers : hidden layers of the networks that are trained, by name; the columns of another network are
        its inputs.
    naming : whose names the columns have, a word of `Convention.names`; formulas with networks keep the
        default.
    others : formulas of the predictors besides the first, by name.
    """

    formula: Formula
    schema: Schema
    predictors: tuple[Predictor, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    towers: Mapping[str, Towers] = field(default_factory=dict)
    naming: str = "glmstat"
    others: Mapping[str, Formula] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        groups = [
            Group(one.pieces, self.others[one.name].text, f"{one.name}:")
            if one.name in self.others
            else Group(one.pieces, self.formula.text)
            for one in self.predictors
        ]
        return column_names(groups, self.schema.parts, self.naming)

    @property
    def default_columns(self) -> tuple[str, ...]:
        """Names of the coefficients that no convention changes."""
        return tuple(
            name for predictor in self.predictors for piece in predictor.pieces for name in piece.columns
        )

    @property
    def intercept(self) -> int | None:
        """Slot of the intercept, or None."""
        pieces = self.predictors[0].pieces
        return next((piece.slots.start for piece in pieces if not piece.term.parts), None)

    @property
    def offsets(self) -> tuple[OffsetPart, ...]:
        """All that is added to the predictors."""
        return tuple(part for predictor in self.predictors for part in predictor.offsets)

    @property
    def has_offset(self) -> bool:
        """Whether anything is added to a predictor."""
        return any(predictor.offsets for predictor in self.predictors)

    @property
    def text(self) -> str:
        """All formulas in one line: "y ~ x, theta ~ z"."""
        others = (f"{name} {' '.join(one.text.split())}" for name, one in self.others.items())
        return ", ".join((" ".join(self.formula.text.split()), *others))

    @property
    def added(self) -> tuple[tuple[OffsetPart, ...], ...]:
        """What is added to each predictor."""
        return tuple(predictor.offsets for predictor in self.predictors)

    @property
    def parts(self) -> dict[str, Expression]:
        """The parts of all terms by text."""
        return parts_of(self.formula, self.others)

    def alone(self, place: int) -> Design:
        """Return the design of one of the predictors; its slots stay those among all coefficients."""
        if len(self.predictors) == 1:
            return self
        chosen = self.predictors[place]
        formula = self.others.get(chosen.name, self.formula)
        return replace(self, formula=formula, predictors=(chosen,), others={})

    @cached_property
    def absorbed(self) -> tuple[AbsorbedFactor, ...]:
        """The absorbed effects, in the order written."""
        levels = self.schema.absorbed
        return tuple(
            AbsorbedFactor(term, tuple(levels[part.text] for part in term.parts))
            for term in self.formula.absorbed
        )

    @property
    def levels(self) -> dict[str, Expression]:
        """The parts of the absorbed effects by text."""
        return self.formula.levels

    @property
    def modelled(self) -> str | None:
        """What the mean is, in words, where that is not plain: "P(y == 'yes')"."""
        return None if self.schema.response is None else self.schema.response.modelled

    @property
    def references(self) -> dict[str, Level]:
        """Level that the others are compared with, of each factor with treatment contrasts, by its text."""
        groups = [
            group for predictor in self.predictors for piece in predictor.pieces for group in piece.groups
        ]
        parts = self.schema.parts
        reduced = {
            text: parts[text]
            for group in groups
            for text, coding in group
            if coding is not None and coding.shape[1] < len(coding)
        }
        return {text: part.reference for text, part in reduced.items() if part.is_treatment}

    @property
    def networks(self) -> dict[str, Piece]:
        """The pieces of the networks, by name."""
        pieces = (piece for predictor in self.predictors for piece in predictor.pieces)
        return {piece.term.name: piece for piece in pieces if isinstance(piece.term, Network)}

    @property
    def untrained(self) -> Design:
        """The design before training: the columns of its networks are their inputs."""
        (predictor,) = self.predictors
        return build_design(self.formula, self.schema, predictor.offsets, self.context, name=predictor.name)

    def with_towers(self, towers: Mapping[str, Towers]) -> Design:
        """Return the design whose networks are trained: their columns are the units of the last layer."""
        (predictor,) = self.predictors
        return build_design(
            self.formula,
            self.schema,
            predictor.offsets,
            self.context,
            name=predictor.name,
            towers={**self.towers, **towers},
        )

    def environment(self, frame: Frame) -> Environment:
        """Return where expressions find their values in some rows."""
        return Scope(frame, self.context, self.schema.calls)

    def values(self, environment: Environment) -> dict[str, Value]:
        """Return the value of each part by its text; of a factor its codes, -2 where a level is new."""
        found = {text: evaluate(part, environment) for text, part in self.parts.items()}
        return self.coded(found)

    def coded(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return values of parts with factors as codes of the levels that the fit knows."""
        parts, found = self.schema.parts, {}
        for text, value in values.items():
            encoding = parts[text]
            if encoding.kind == FACTOR:
                found[text] = recode(value, encoding.levels, text)
            else:
                found[text] = value if isinstance(value, Basis) else as_number(value, text, "A term")
        return found

    def assemble(self, values: Mapping[str, Value], rows: int) -> tuple[Columns, ...]:
        """Return the matrices (n, p_k) of K predictors from the coded values of the parts."""
        parts = self.schema.parts
        return tuple(columns_of(predictor.pieces, values, parts, rows) for predictor in self.predictors)

    def matrices(self, frame: Frame) -> tuple[tuple[DesignMatrix, ...], Array]:
        """Return the matrices (n, p_k) of K predictors and the offset (n, K).

        Parameters
        ----------
        frame : rows without missing values in the columns that the design needs.
        """
        environment = self.environment(frame)
        return self.assemble(self.values(environment), frame.rows), self.offset(environment)

    @cached_property
    def outline(self) -> tuple[Columns, ...]:
        """The matrices of K predictors of no row: how their columns are kept."""
        nothing = {
            text: np.zeros(0, dtype=np.int32)
            if encoding.kind == FACTOR
            else Basis(np.zeros((len(encoding.labels), 0)), encoding.labels)
            if encoding.kind == BASIS
            else np.zeros(0)
            for text, encoding in self.schema.parts.items()
        }
        return self.assemble(nothing, 0)

    @cached_property
    def written(self) -> int:
        """Number of columns that kernels write out: all but those that stay codes of levels."""
        width = len(self.columns)
        return width if width <= MANY_LEVELS else sum(matrix.split().plain for matrix in self.outline)

    def offset(self, environment: Environment) -> Array:
        """Return what is added to the predictors (n, K).

        Raises
        ------
        DataError : an offset that is not finite, or an exposure that is not positive.
        """
        if not self.has_offset:
            return zeros(environment.frame.rows, len(self.predictors))
        total = np.empty((environment.frame.rows, len(self.predictors)), order="F")
        for column, predictor in enumerate(self.predictors):
            total[:, column], offences = sum_offsets(predictor.offsets, environment)
            raise_first(offences)
        return total

    def new_rows(
        self, newdata: Any, *, offset: Any = None, exposure: Any = None, new_levels: str = "raise"
    ) -> NewRows:
        """Return other data as rows of this design, for prediction.

        Parameters
        ----------
        newdata : a table with the columns of the right side and of the offsets; the response may be absent.
        offset, exposure : in place of those of the fit; needed where these were arrays.
        new_levels : "raise" refuses levels that the fit has not seen, "na" leaves their rows out,
            "reference" takes the reference level in their place.

        Returns
        -------
        NewRows; rows with missing values are marked, not lost.

        Raises
        ------
        ColumnError : a column that newdata lack.
        DataError : a new level, a value that the formula makes NaN or infinite, an array needed again.
        """
        return open_rows(self, newdata, {"offset": offset, "exposure": exposure}, new_levels)

    def to_json(self) -> JSON:
        """Return plain JSON, without data; functions of the context by name only."""
        return {
            "formula": write_formula(self.formula),
            "schema": self.schema.to_json(),
            "predictors": [
                {
                    "name": predictor.name,
                    "sign": predictor.sign,
                    "offsets": [part.to_json() for part in predictor.offsets],
                    **_written_formula(self.others.get(predictor.name)),
                }
                for predictor in self.predictors
            ],
            "columns": list(self.columns),
            **({} if self.naming == "glmstat" else {"naming": self.naming}),
            "context": write_context(self.context),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> Design:
        """Return the design that `to_json` wrote.

        Parameters
        ----------
        plain : JSON.
        context : the functions that the formula calls, and whatever else is to replace what was written.

        Raises
        ------
        ArgumentError : a function of the context is not given again.
        FormulaError : code that only `allow_python=True` may run: it is never read from a file.
        FileError : the columns are not those that were written.
        """
        entries = read_context(plain["context"], context or {})
        functions = tuple(sorted(name for name, entry in entries.items() if callable(entry)))
        formula = read_formula(plain["formula"], functions)
        schema = Schema.from_json(plain["schema"])
        first, *more = plain["predictors"]
        offsets = [tuple(read_offset(part, functions) for part in one["offsets"]) for one in (first, *more)]
        others = {
            one["name"]: (read_formula(one["formula"], functions), added)
            for one, added in zip(more, offsets[1:], strict=True)
        }
        naming = plain.get("naming", "glmstat")
        design = build_design(
            formula, schema, offsets[0], entries, name=first["name"], naming=naming, others=others
        )
        if list(design.columns) != plain["columns"]:
            raise FileError(
                f"Columns of the design are not those written: {', '.join(design.columns)}. Fit again."
            )
        return design


def build_design(
    formula: Formula,
    schema: Schema,
    offsets: tuple[OffsetPart, ...],
    context: Mapping[str, Any],
    *,
    name: str = "mean",
    towers: Mapping[str, Towers] | None = None,
    naming: str = "glmstat",
    others: Mapping[str, tuple[Formula, tuple[OffsetPart, ...]]] | None = None,
) -> Design:
    """Return the design: with one predictor, and one more for each other formula.

    Parameters
    ----------
    formula, schema : what was asked, and what the data taught.
    offsets : all that is added to the predictor.
    context : what the formula names beside columns.
    name : of the predictor.
    towers : hidden layers of the trained networks, by name.
    naming : whose names the columns have.
    others : formula and offsets of each further predictor, by name: its columns are called "name:column".

    Raises
    ------
    FormulaError : two coefficients of one name.
    """
    towers = towers or {}
    absorbing = bool(formula.absorbed)
    pieces = build_pieces((*formula.linear, *formula.skips), schema.parts, absorbing=absorbing)
    place = pieces[-1].slots.stop if pieces else 0
    if formula.networks:
        pieces = (*pieces, *network_pieces(formula.networks, schema.parts, place, towers))
    predictors = [Predictor(name, pieces, offsets, _slots(pieces, 0))]
    place = len(predictors[0].slots)
    for other, (written, added) in (others or {}).items():
        own = _prefixed(other, build_pieces(written.linear, schema.parts))
        predictors.append(Predictor(other, own, added, _slots(own, place)))
        place += len(predictors[-1].slots)
    _refuse_same_names([piece for predictor in predictors for piece in predictor.pieces])
    formulas = {other: written for other, (written, _) in (others or {}).items()}
    naming = "glmstat" if formula.networks else naming
    return Design(formula, schema, tuple(predictors), context, towers, naming, formulas)


def parts_of(formula: Formula, others: Mapping[str, Formula]) -> dict[str, Expression]:
    """Return the parts of the terms of all predictors, by text."""
    if not others:
        return formula.parts
    return {text: part for one in (formula, *others.values()) for text, part in one.parts.items()}


def _slots(pieces: tuple[Piece, ...], place: int) -> IntArray:
    slots = np.arange(place, place + (pieces[-1].slots.stop if pieces else 0))
    slots.flags.writeable = False
    return slots


def _prefixed(name: str, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces with the name of their predictor before that of each column."""
    return tuple(
        replace(piece, columns=tuple(f"{name}:{column}" for column in piece.columns)) for piece in pieces
    )


def _written_formula(formula: Formula | None) -> JSON:
    return {} if formula is None else {"formula": write_formula(formula)}


def _refuse_same_names(pieces: Iterable[Piece]) -> None:
    """Refuse coefficients that a reader could not tell apart."""
    terms: dict[str, str] = {}
    for piece in pieces:
        term = str(piece.term) if piece.term.parts else "the intercept"
        for name in piece.columns:
            if name in terms:
                whose = f"that of {terms[name]} and that of {term}"
                raise FormulaError(
                    f"Two coefficients would be called '{name}': {whose}. Rename the column or the level."
                )
            terms[name] = term
