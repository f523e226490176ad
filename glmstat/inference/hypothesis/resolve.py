"""Hypotheses in any form the caller writes, resolved to matrices or expressions, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, one_of
from glmstat.inference.estimable import null_space
from glmstat.inference.hypothesis.combination import Node, Operation, affine, evaluate, slots
from glmstat.inference.hypothesis.names import Names, names_of
from glmstat.inference.hypothesis.text import Equation, Hypothesis, combination, read
from glmstat.inference.restrict import Restriction
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Linear", "Nonlinear", "hypotheses", "resolve"]

_DEPENDENT = 1e-10  # share of a row, in standard errors, that is left of one that follows from others
_ESTIMABLE = 1e-8  # as in `estimable`
_CLOSE = 1e-7  # smallest singular value of unit rows above which none follows from the others
_SAME = 1e-9  # values that agree but for rounding


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear restrictions: matrix @ coef + shift = value.

    Parameters
    ----------
    text : the hypothesis, as tables print it.
    matrix : (m, p) of full row rank; 0 at aliased coefficients, which count as 0.
    shift, value : (m,); the estimates shown are matrix @ coef + shift.
    texts : one per row.
    notes : restrictions that were dropped, and why.
    """

    text: str
    matrix: Array
    shift: Array
    value: Array
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def restriction(self) -> Restriction:
        """The same as matrix @ coef = value."""
        return Restriction(self.matrix, self.value - self.shift, self.texts)


@dataclass(frozen=True, eq=False)
class Nonlinear:
    """Restrictions of which at least one is not linear: node(coef) = value.

    Parameters
    ----------
    text : the hypothesis, as tables print it.
    nodes : one expression per restriction.
    value : (m,).
    texts : one per restriction.
    """

    text: str
    nodes: tuple[Node, ...]
    value: Array
    texts: tuple[str, ...]


def hypotheses(fit: Fit, given: Any) -> tuple[list[Hypothesis], bool]:
    """Return the hypotheses that the caller wrote, and whether he asked for separate ones.

    Parameters
    ----------
    given : a text; a sequence of texts, mappings or rows: one hypothesis each; a mapping from coefficients
        to factors (their combination is 0), or from labels to texts; a matrix (m, p), or (matrix, value).

    Raises
    ------
    ArgumentError : nothing, another type, another shape, or a text that cannot be read.
    """
    names = names_of(fit)
    if isinstance(given, Mapping):
        if given and all(isinstance(text, str) for text in given.values()):
            return [
                Hypothesis(str(label), read(text, names).equations) for label, text in given.items()
            ], True
        return [_mapped(given, names)], False
    if isinstance(given, (str, np.ndarray)) or hasattr(given, "to_numpy"):
        return [_single(given, names)], False
    if not isinstance(given, Sequence):
        raise _unreadable(given)
    if _is_matrix_and_value(given):
        return [_matrix(given[0], given[1], names)], False
    if len(given) and all(isinstance(entry, (list, tuple)) for entry in given):
        return [_matrix(given, 0.0, names)], False
    if len(given) and all(isinstance(entry, (int, float)) for entry in given):
        return [_matrix([given], 0.0, names)], False
    if not len(given):
        raise ArgumentError('The list of hypotheses is empty: nothing to test. Write ["x = 0", "z = 0"].')
    return [_single(entry, names) for entry in given], True


def resolve(fit: Fit, hypothesis: Hypothesis) -> Linear | Nonlinear:
    """Return a hypothesis as a matrix if all its equations are linear, else as expressions.

    Raises
    ------
    ArgumentError : equations that cancel, contradict each other, or involve what cannot be estimated.
    """
    sides = [_shown(equation) for equation in hypothesis.equations]
    forms = [affine(node) for node, _ in sides]
    value = np.array([number for _, number in sides])
    if not np.isfinite(value).all():
        text = hypothesis.equations[int(np.argmin(np.isfinite(value)))].text
        raise ArgumentError(f"A side of '{text}' is not a finite number. Write one.")
    texts = tuple(equation.text for equation in hypothesis.equations)
    if any(form is None for form in forms):
        nodes = tuple(node for node, _ in sides)
        _refuse_aliased(fit, nodes, texts)
        return Nonlinear(hypothesis.text, nodes, value, texts)
    matrix, shift = np.zeros((len(forms), len(fit.columns))), np.zeros(len(forms))
    for row, form in enumerate(forms):
        assert form is not None
        shift[row] = form.constant
        for slot, weight in form.weights.items():
            matrix[row, slot] = weight
        if not matrix[row].any():
            raise ArgumentError(f"'{texts[row]}' restricts nothing: its coefficients cancel. Leave it out.")
    whole = Linear(hypothesis.text, matrix, shift, value, texts)
    of_term = np.array([equation.of_term for equation in hypothesis.equations])
    return _independent(fit, _estimable(fit, whole, of_term))


def _single(given: Any, names: Names) -> Hypothesis:
    """One hypothesis: a text, a mapping or rows of a matrix."""
    if isinstance(given, str):
        return read(given, names)
    if isinstance(given, Mapping):
        return _mapped(given, names)
    if isinstance(given, (np.ndarray, Sequence)) or hasattr(given, "to_numpy"):
        return _matrix(given, 0.0, names)
    raise _unreadable(given)


def _mapped(given: Mapping[Any, Any], names: Names) -> Hypothesis:
    """The combination of named coefficients that is 0."""
    weights = np.zeros(len(names.columns))
    for name, factor in given.items():
        found = names.known.get(str(name), ())
        if len(found) != 1:
            raise names.unknown(str(name))
        if isinstance(factor, str) or not np.isfinite(factor):
            raise ArgumentError(f"A factor must be a finite number: {name!r} has {factor!r}. Write one.")
        weights[found[0]] += float(factor)
    if not given:
        raise ArgumentError('The hypothesis is empty: {}. Write {"x": 1, "z": -1}.')
    equation = combination(weights, 0.0, names.columns)
    return Hypothesis(equation.text, (equation,))


def _matrix(given: Any, value: Any, names: Names) -> Hypothesis:
    """The rows of a matrix (m, p), or one row (p,)."""
    try:
        matrix = np.atleast_2d(np.asarray(given, dtype=np.float64))
        sides = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise _unreadable(given) from None
    if matrix.ndim != 2 or matrix.shape[1] != len(names.columns) or not len(matrix):
        raise ArgumentError(
            f"A hypothesis matrix needs {len(names.columns)} columns, one per coefficient "
            f"({one_of(names.columns[:12])}): got shape {np.shape(given)}. Write a text, or all columns."
        )
    if sides.shape not in ((), (1,), (len(matrix),)):
        raise ArgumentError(f"value needs {len(matrix)} numbers, one per row: got shape {sides.shape}.")
    if not (np.isfinite(matrix).all() and np.isfinite(sides).all()):
        raise ArgumentError("The hypothesis matrix or its value is not finite. Give numbers.")
    sides = np.broadcast_to(sides, (len(matrix),))
    equations = tuple(
        combination(row, side, names.columns) for row, side in zip(matrix, sides.tolist(), strict=True)
    )
    return Hypothesis(", ".join(equation.text for equation in equations), equations)


def _is_matrix_and_value(given: Sequence[Any]) -> bool:
    """Whether a pair is a matrix and what it equals."""
    return isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) == 2 and np.ndim(given[1]) < 2


def _unreadable(given: Any) -> ArgumentError:
    return ArgumentError(
        f"A hypothesis is a text, a list of texts, a mapping or a matrix: got {type(given).__name__}. "
        'Write "x = 0".'
    )


def _shown(equation: Equation) -> tuple[Node, float]:
    """What an equation estimates, and what it says that is."""
    left, right = equation.left, equation.right
    if not slots(right):
        return left, evaluate(right, np.zeros(0))[0]
    if not slots(left):
        return right, evaluate(left, np.zeros(0))[0]
    return Operation("-", left, right), 0.0


def _refuse_aliased(fit: Fit, nodes: tuple[Node, ...], texts: tuple[str, ...]) -> None:
    for node, text in zip(nodes, texts, strict=True):
        for slot in sorted(slots(node)):
            if np.isnan(fit.estimate.theta[slot]):
                raise _not_estimable(fit, text, slot)


def _not_estimable(fit: Fit, text: str, slot: int) -> ArgumentError:
    name = fit.columns[slot]
    return ArgumentError(
        f"'{text}' cannot be estimated: {name} is aliased ({fit.estimate.aliased[name]}). "
        "Test what the data determine."
    )


def _estimable(fit: Fit, linear: Linear, of_term: np.ndarray[Any, Any]) -> Linear:
    """The restrictions without those of a term's aliased coefficients; others must be estimable."""
    aliased = np.isnan(fit.estimate.theta)
    involved = (linear.matrix[:, aliased] != 0).any(axis=1)
    if not involved.any():
        return linear
    space = null_space(fit)
    matrix = linear.matrix
    size = np.abs(matrix) @ np.abs(space)
    lost = involved & (np.abs(matrix @ space) > _ESTIMABLE * size).any(axis=1)
    if lost.any() and (lost & ~of_term).any():
        row = int(np.flatnonzero(lost & ~of_term)[0])
        raise _not_estimable(fit, linear.texts[row], int(np.flatnonzero(aliased & (matrix[row] != 0))[0]))
    if lost.all():
        row = 0
        raise _not_estimable(fit, linear.texts[row], int(np.flatnonzero(aliased & (matrix[row] != 0))[0]))
    kept = np.where(aliased, 0.0, matrix)[~lost]
    names = one_of([text for text, gone in zip(linear.texts, lost, strict=True) if gone])
    note = (f"aliased, not tested: {names}",) if lost.any() else ()
    return _rows(linear, np.flatnonzero(~lost), kept, note)


def _rows(linear: Linear, rows: np.ndarray[Any, Any], matrix: Array, notes: tuple[str, ...]) -> Linear:
    return Linear(
        linear.text,
        matrix,
        linear.shift[rows],
        linear.value[rows],
        tuple(linear.texts[row] for row in rows),
        (*linear.notes, *notes),
    )


def _independent(fit: Fit, linear: Linear) -> Linear:
    """The restrictions without those that follow from earlier ones.

    Raises
    ------
    ArgumentError : one that contradicts earlier ones.
    """
    root = fit.estimate.information.inverse_root
    sizes = np.sqrt(np.einsum("ij,ij->i", root, root))
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0)
    lengths = np.linalg.norm(linear.matrix * sizes, axis=1)
    alone = np.linalg.svd(linear.matrix * sizes / lengths[:, None], compute_uv=False)
    if len(linear.texts) <= len(fit.columns) and alone[-1] > _CLOSE:
        return linear
    value = linear.value - linear.shift
    kept: list[int] = []
    dropped: list[str] = []
    for row, text in enumerate(linear.texts):
        scaled = linear.matrix[row] * sizes
        earlier = (linear.matrix[kept] * sizes).T
        if not kept:
            kept.append(row)
            continue
        length = np.linalg.norm(earlier, axis=0)
        shares = np.linalg.lstsq(earlier / length, scaled, rcond=None)[0] / length
        if np.linalg.norm(scaled - earlier @ shares) > _DEPENDENT * np.linalg.norm(scaled):
            kept.append(row)
            continue
        implied = float(shares @ value[kept])
        room = _SAME * (abs(value[row]) + np.abs(shares) @ np.abs(value[kept]) + np.linalg.norm(scaled))
        if abs(implied - value[row]) > room:
            others = one_of([linear.texts[place] for place in kept])
            raise ArgumentError(f"The hypothesis contradicts itself: '{text}' and {others}. Drop one.")
        dropped.append(text)
    if not dropped:
        return linear
    note = (f"follows from the others, not counted: {one_of(dropped)}",)
    return _rows(linear, np.array(kept), linear.matrix[kept], note)
