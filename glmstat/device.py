"""Sums of a block made on a device of torch: the sums of a pass, from the same formulas.

Columns are written on the host run by run and sent once; eta, the rows of the likelihood, the products and
the sums by level are made where they went, and only sums come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from glmstat.accumulate import without_empty
from glmstat.coded import Coded
from glmstat.compute import Facts, Totals
from glmstat.data.torch import load_torch, open_device
from glmstat.gram import CROSS_CELLS, LevelGram
from glmstat.likelihood.base import GLM, Information
from glmstat.matrix import Array, Block
from glmstat.parts import IntArray
from glmstat.pieces import Split

__all__ = ["Device", "Placed", "place"]

Tensor = Any
_RUN = 8192
_SINGLE_RUN = 4096  # rows whose products are added in single precision
_LARGEST, _LEAST = 1e15, 1e-15  # of a column in single precision: beyond, its squares leave the numbers
_APART = 1e-2  # of a column's length, squared, that the columns before it must leave of it


@dataclass(frozen=True)
class Device:
    """Where the sums of large data are made, and of which numbers; a name, so that it can be sent elsewhere.

    Parameters
    ----------
    name : "cuda", "cuda:1" and so on; "cpu:0" makes the same sums without a device.
    precision : "float32" sends columns of 7 digits and multiplies such; all sums are float64.
    """

    name: str
    precision: Literal["float64", "float32"] = "float64"

    def serves(self, likelihood: GLM) -> bool:
        """Whether it can evaluate a likelihood: functions of the user are written for numpy.

        >>> from glmstat.families import Poisson
        >>> Device("cpu:0").serves(GLM(Poisson()))
        True
        """
        return not likelihood.family.user_defined


@lru_cache(maxsize=8)
def _opened(name: str) -> Any:
    return open_device(name)


@dataclass(frozen=True, eq=False)
class Placed:
    """The rows of a block on a device.

    Parameters
    ----------
    split : the columns on the host.
    columns : those that are written (d, n), in double precision.
    single : the same in single precision where they were sent so, else None.
    y, weights, offset : (n,).
    codes, multipliers : level of each row and its multiplier or None, of each factor that stays codes.
    """

    split: Split
    columns: Tensor
    single: Tensor | None
    y: Tensor
    weights: Tensor
    offset: Tensor
    codes: tuple[Tensor, ...]
    multipliers: tuple[Tensor | None, ...]

    def send(self, values: Any) -> Tensor:
        """Return a tensor of some numbers beside the rows."""
        return _send(values, self.columns.device)

    def eta(self, gamma: Array) -> Tensor:
        """Return the predictors (n, 1)."""
        total = self.send(gamma[self.split.places]) @ self.columns + self.offset
        for one, codes, multiplier in zip(self.split.coded, self.codes, self.multipliers, strict=True):
            added = self.send(one.coding.levelled(gamma[one.places]))[codes]
            total += added if multiplier is None else added * multiplier
        return total[:, None]

    def score(self, gradient: Tensor) -> Array:
        """Return Z'gradient (q,)."""
        split = self.split
        out = np.zeros(split.width)
        out[split.places] = _host(self.columns @ gradient)
        for place, one in enumerate(split.coded):
            out[one.places] = one.coding.collected(_host(self._by_level(place, self._times(place, gradient))))
        return out

    def gram(self, weight: Tensor) -> Array | LevelGram:
        """Return Z'WZ: of all columns where none is coded, else as sums by level."""
        plain = self._single_gram(weight)
        if plain is None:
            plain = _symmetric((self.columns * weight) @ self.columns.T)
        split = self.split
        if not split.coded:
            return plain
        values = [self._times(place, weight) for place in range(len(split.coded))]
        kept = Split(split.width, split.places, (), tuple(map(_without_rows, split.coded)))
        return LevelGram(
            plain,
            tuple(_host(self._by_level(k, (self.columns * value).T)) for k, value in enumerate(values)),
            tuple(_host(self._by_level(k, self._times(k, value))) for k, value in enumerate(values)),
            tuple(
                self._crossed(k, other, self._times(other, values[k]))
                for k in range(len(values))
                for other in range(k + 1, len(values))
            ),
            kept,
        )

    def totals(self, likelihood: GLM, gamma: Array, need: Information) -> Totals:
        """Return objective, score and the Grams asked for."""
        rows = likelihood.rows(self.y, self.eta(gamma), self.weights, information=need)
        rows = without_empty(rows, self.weights)
        wanted = () if need == "none" else (rows.observed,) if need == "observed" else (rows.expected,)
        if need == "both" and not likelihood.canonical:
            wanted = (rows.expected, rows.observed)
        return Totals(
            float(rows.objective.sum()),
            float(rows.objective.abs().sum()),
            self.score(rows.gradient[:, 0]),
            tuple(self.gram(weight[:, 0, 0]) for weight in wanted),
        )

    def start(self, likelihood: GLM, with_start: Array) -> Totals:
        """Return Z'Wz and Z'WZ of the working response at predictors (n, 1), less the offset."""
        eta = self.send(with_start)
        rows = likelihood.rows(self.y, eta, self.weights, information="expected")
        weight = rows.expected[:, 0, 0]
        moment = weight * (eta[:, 0] - self.offset) + rows.gradient[:, 0]
        usable = moment.isfinite() & weight.isfinite() & (self.weights > 0)
        weight, moment = weight.where(usable, 0.0), moment.where(usable, 0.0)
        return Totals(0.0, 0.0, self.score(moment), (self.gram(weight),))

    def facts(self, likelihood: GLM, gamma: Array, null: float | None) -> Facts:
        """Return deviance and Pearson chi-squared at gamma, and the deviance of eta = null + offset."""
        eta, at_null = self.eta(gamma), 0.0
        if null is not None:
            at_null = self._total(likelihood.deviance, (self.offset + null)[:, None])
        return Facts(self._total(likelihood.deviance, eta), self._total(likelihood.pearson, eta), at_null)

    def _total(self, function: Callable[..., Any], eta: Tensor) -> float:
        """The sum of a function of y, eta and weights over the rows that count."""
        used = self.weights > 0
        total = float(function(self.y, eta, self.weights).where(used, 0.0).sum())
        if np.isfinite(total):
            return total
        # numpy's formulas know 0 / 0 at the end of a domain
        y, eta, weights = (_host(values[used]) for values in (self.y, eta, self.weights))
        with np.errstate(all="ignore"):
            return float(function(y, eta, weights).sum())

    def _single_gram(self, weight: Tensor) -> Array | None:
        """The product in single precision; None where double precision is called for."""
        if self.single is None or self.split.coded:
            return None
        largest = weight.abs().max()
        shares = (weight / largest).to(self.single.dtype)
        gram = _symmetric(_by_runs(self.single * shares, self.single) * largest)
        return gram if _apart(gram) else None

    def _times(self, place: int, values: Tensor) -> Tensor:
        multiplier = self.multipliers[place]
        return values if multiplier is None else values * multiplier

    def _by_level(self, place: int, values: Tensor) -> Tensor:
        return _sums(self.codes[place], values, self.split.coded[place].coding.levels)

    def _crossed(self, place: int, other: int, values: Tensor) -> Any:
        first, second = self.split.coded[place], self.split.coded[other]
        if first.codes is second.codes:
            return _host(self._by_level(place, values))
        shape = first.coding.levels, second.coding.levels
        joint = self.codes[place] * shape[1] + self.codes[other]
        if shape[0] * shape[1] <= CROSS_CELLS:
            return _host(_sums(joint, values, shape[0] * shape[1])).reshape(shape)
        from scipy.sparse import coo_array

        cells, codes = load_torch().unique(joint, return_inverse=True)
        rows, columns = np.divmod(_host(cells), shape[1])
        return coo_array((_host(_sums(codes, values, len(cells))), (rows, columns)), shape).tocsr()


def place(device: Device, split: Split, block: Block, weights: Array, *, exact: bool = False) -> Placed:
    """Return the rows of a block on a device.

    Parameters
    ----------
    weights : of its rows (n,).
    exact : whether the columns keep all their digits whatever the precision of the device.
    """
    where, torch = _opened(device.name), load_torch()
    single = None
    if device.precision == "float32" and not exact:
        single = _written(split, len(block.y), where, torch.float32)
        sizes = single.abs().amax(1) if split.plain else single.new_ones(1)
        if not bool(((sizes < _LARGEST) & (sizes > _LEAST)).all()):
            single = None
    double = _written(split, len(block.y), where, torch.float64) if single is None else single.double()
    known: dict[int, Tensor] = {}
    return Placed(
        split,
        double,
        single,
        _send(block.y, where),
        _send(weights, where),
        _send(block.offset[:, 0], where),
        tuple(_once(one.codes, where, known) for one in split.coded),
        tuple(None if one.multiplier is None else _send(one.multiplier, where) for one in split.coded),
    )


def _written(split: Split, rows: int, where: Any, dtype: Any) -> Tensor:
    """The columns that are written, on a device."""
    torch = load_torch()
    held = torch.empty((split.plain, rows), dtype=dtype, pin_memory=where.type == "cuda")
    out = held.numpy()
    for part, pieces in split.runs(rows, _RUN):
        for columns, values in pieces:
            with np.errstate(over="ignore", under="ignore"):
                np.copyto(out[columns, part], values, casting="same_kind")
    return held.to(where, non_blocking=True)


def _send(values: Any, where: Any) -> Tensor:
    return load_torch().tensor(np.ascontiguousarray(values), device=where)


def _once(codes: IntArray, where: Any, known: dict[int, Tensor]) -> Tensor:
    """Codes on a device, sent once where parts share them."""
    if id(codes) not in known:
        known[id(codes)] = _send(codes.astype(np.int64, copy=False), where)
    return known[id(codes)]


def _host(values: Tensor) -> Any:
    return values.cpu().numpy()


def _symmetric(product: Tensor) -> Array:
    return _host(0.5 * (product + product.T))


def _sums(codes: Tensor, values: Tensor, levels: int) -> Tensor:
    """Sums of values (n,) or (n, d) by level, in a fixed order, which `index_add_` does not keep."""
    out = values.new_zeros((levels, *values.shape[1:]))
    return out.index_put_((codes,), values, accumulate=True)


def _by_runs(one: Tensor, other: Tensor) -> Tensor:
    """The product of some rows (d, n) with others transposed, runs of it added in double precision."""
    torch, width, rows = load_torch(), *one.shape
    whole = rows // _SINGLE_RUN * _SINGLE_RUN
    left, right = (side[:, :whole].reshape(width, -1, _SINGLE_RUN).permute(1, 0, 2) for side in (one, other))
    total = torch.bmm(left, right.mT).sum(0, dtype=torch.float64)
    return total + (one[:, whole:] @ other[:, whole:].T).to(torch.float64)


def _without_rows(one: Coded) -> Coded:
    return Coded(one.places, one.codes[:0], one.coding)


def _apart(gram: Array) -> bool:
    """Whether no column is so close to those before it that single precision loses its digits."""
    size = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    if not np.isfinite(gram).all():
        return False
    seen = np.flatnonzero(size)
    try:
        root = np.linalg.cholesky(gram[np.ix_(seen, seen)] / np.outer(size[seen], size[seen]))
    except np.linalg.LinAlgError:
        return False
    return float(root.diagonal().min(initial=1.0)) ** 2 >= _APART
