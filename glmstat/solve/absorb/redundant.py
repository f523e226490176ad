"""How many absorbed effects follow from the others: a fact of which levels meet, not of weights.

Three factors and more are counted on tables of rows, whole numbers: the same rows give the same rank under
any weights and any family.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.matrix import Array
from glmstat.solve.absorb.sums import Bordered, Cross, Problem, incidence
from glmstat.solve.absorb.system import DENSE, PRECISION, Redundant, System, conjugate_gradients

__all__ = ["find_redundant"]

Places = NDArray[np.intp]
RANK = 1e-10  # share of a level's rows that the others must leave of it: below, it is rounding
ROUNDS = 200  # in which levels of one combination leave
DRAWS = 8, 64  # random effects that look for dependencies beyond those of pairs, and that count them
APART = 1e-2  # a direction of draws, each of size 1, is none below
LEAST = 1e-6  # share of a level's rows that a diagonal is at least, where it only steers the iteration
NUMBERS = 20_000_000  # of random effects held at once
SHARED = 3_000  # sets of levels of all pairs up to which their dependencies are counted
NOTHING = np.zeros(0, dtype=np.intp)


def find_redundant(problem: Problem, information: Bordered) -> Redundant:
    """Return which effects follow from the others.

    Of two factors these are as many as sets of rows that no level joins. Of more, factors that merge levels
    of another leave first, and levels of one combination; of what is left the rank tells, the largest factor
    eliminated.

    Source: Abowd, Creecy & Kramarz (2002) for two factors.
    """
    sizes = [len(weights) for weights in information.weights]
    if len(sizes) == 1:
        return Redundant(0, True, NOTHING)
    if len(sizes) == 2:
        count, first, second = _sets(information.crosses[0])
        return Redundant(count, True, _firsts(second), (first, second) if count > 1 else None)
    many = sum(sizes[1:]) > DENSE
    if many and problem.share > 1:  # of a sample only pins matter, and an iteration needs none
        return Redundant(len(sizes) - 1, False, NOTHING)
    whole = _Incidence.of(incidence(problem))
    if not many:
        pins = _pins(whole)
        return Redundant(len(pins), True, pins)
    rank, exact = whole.rank()
    return Redundant(sum(sizes) - rank, exact, NOTHING)


def _pins(whole: _Incidence) -> Places:
    """Places among all factors but the first whose effects follow from the others."""
    left = whole.unmerged()
    starts = np.cumsum([0, *whole.sizes[1:]])
    place = [np.arange(start, end) for start, end in pairwise(starts)]
    merged = [own for f, own in enumerate(place, 1) if f not in left]
    others = [NOTHING, *(place[f - 1] for f in left[1:])]
    found = np.concatenate(others)[whole.chosen(left).dependent()]
    return np.sort(np.concatenate([*merged, found])).astype(np.intp)


def _sets(cross: Cross) -> tuple[int, Places, Places]:
    """Number of connected sets of levels, and the set of each level of both factors."""
    if isinstance(cross, np.ndarray) and (cross > 0).all(axis=1).any():  # a level that meets all others
        return 1, np.zeros(cross.shape[0], dtype=np.intp), np.zeros(cross.shape[1], dtype=np.intp)
    from scipy import sparse

    table: Any = sparse.csr_array(cross)
    table.eliminate_zeros()
    count, found = _components(sparse.block_array([[None, table], [table.T, None]], format="csr"))
    return count, found[: table.shape[0]], found[table.shape[0] :]


def _components(graph: Any) -> tuple[int, Places]:
    from scipy.sparse import csgraph

    count, found = csgraph.connected_components(graph, directed=False)
    return int(count), found.astype(np.intp)


def _firsts(sets: Places) -> Places:
    return np.unique(sets, return_index=True)[1].astype(np.intp)


def _dependent(gram: Array, size: Array) -> Places:
    """Places that a pivoted Cholesky factorisation finds to depend on the others, of columns of a size."""
    from scipy.linalg import lapack

    if not len(gram):
        return NOTHING
    known: Any = lapack  # its names are unknown to type checkers
    _, pivots, rank, _ = known.dpstrf(gram / size / size[:, None], tol=RANK)
    return np.sort(pivots[rank:] - 1).astype(np.intp)


# ---------------------------------------------------------------- which levels meet


@dataclass(frozen=True, eq=False)
class _Incidence:
    """In how many rows levels occur, and levels of two factors meet.

    Parameters
    ----------
    rows : (L,) by factor.
    tables : (L, M) sparse, of every pair of factors (f, g) with f < g.
    """

    rows: tuple[Array, ...]
    tables: dict[tuple[int, int], Any]

    @classmethod
    def of(cls, counted: Bordered) -> _Incidence:
        from scipy import sparse

        tables = {}
        for pair, cross in zip(_pairs(len(counted.weights)), counted.crosses, strict=True):
            tables[pair] = sparse.csr_array(cross)
            tables[pair].eliminate_zeros()
        return cls(counted.weights, tables)

    @property
    def sizes(self) -> list[int]:
        return [len(own) for own in self.rows]

    def between(self, f: int, g: int) -> Any:
        """The table of two factors in either order."""
        return self.tables[f, g] if f < g else self.tables[g, f].T.tocsr()

    def met(self, f: int, g: int) -> Places:
        """How many levels of g each level of f meets."""
        table = self.tables[min(f, g), max(f, g)]
        return np.diff(table.indptr) if f < g else np.bincount(table.indices, minlength=len(self.rows[f]))

    def chosen(self, factors: list[int]) -> _Incidence:
        """Some of the factors, in this order."""
        tables = {(i, j): self.between(factors[i], factors[j]) for i, j in _pairs(len(factors))}
        return _Incidence(tuple(self.rows[f] for f in factors), tables)

    def unmerged(self) -> list[int]:
        """The factors but those whose level is known from the level of another."""
        left = list(range(len(self.rows)))
        for g in reversed(range(len(self.rows))):
            if any(f != g and (self.met(f, g) == 1).all() for f in left):
                left.remove(g)
        return left

    def system(self) -> System:
        """The information of the effects if each row has weight 1."""
        nothing = tuple(np.zeros((0, size)) for size in self.sizes)
        crosses = tuple(self.tables[pair] for pair in _pairs(len(self.rows)))
        return System.of(Bordered(np.zeros((0, 0)), nothing, self.rows, crosses), Redundant(0, True, NOTHING))

    def dependent(self) -> Places:
        """Places among all factors but the first that follow from the others."""
        if len(self.rows) == 1:
            return NOTHING
        if len(self.rows) == 2:
            return _firsts(_sets(self.tables[0, 1])[2])
        system = self.system()
        return _dependent(system.schur, np.sqrt(system.rest))

    def rank(self) -> tuple[int, bool]:
        """The rank of the effects, and whether that is counted; else an upper bound."""
        lone, core = self.chosen(self.unmerged()).peeled()
        if not sum(core.sizes):
            return lone, True
        core = core.chosen(core.unmerged())
        core = core.chosen(sorted(range(len(core.rows)), key=lambda f: -core.sizes[f]))
        if len(core.rows) < 3 or sum(core.sizes[1:]) <= DENSE:
            return lone + sum(core.sizes) - len(core.dependent()), True
        count, exact = _redundant(core)
        return lone + sum(core.sizes) - count, exact

    def peeled(self) -> tuple[int, _Incidence]:
        """What is left where levels of a single combination leave with its rows, and how many did.

        Each adds 1 to the rank, and takes nothing from what the others have without its rows.
        """
        rows, tables = [own.copy() for own in self.rows], dict(self.tables)
        now, count = _Incidence(tuple(rows), tables), 0
        for _ in range(ROUNDS if len(rows) > 2 else 0):
            before = count
            for f in range(len(rows)):
                count += now._peel(f)
            if count == before:
                break
        left = [np.flatnonzero(own) for own in now.rows]
        kept = {(f, g): table[left[f]][:, left[g]] for (f, g), table in now.tables.items()}
        return count, _Incidence(tuple(own[at] for own, at in zip(now.rows, left, strict=True)), kept)

    def _peel(self, f: int) -> int:
        """Take off, in place, the rows of the levels of a factor that have one combination each."""
        from scipy import sparse

        others = [g for g in range(len(self.rows)) if g != f]
        places = np.flatnonzero(np.all([self.met(f, g) == 1 for g in others], axis=0))
        if not len(places):
            return 0
        count = self.rows[f][places]
        at = {g: self.between(f, g)[places].indices for g in others} | {f: places}
        for (g, h), table in self.tables.items():
            less = sparse.csr_array((count, (at[g], at[h])), shape=table.shape)
            self.tables[g, h] = table - less
            self.tables[g, h].eliminate_zeros()
        for g, own in enumerate(self.rows):
            own -= np.bincount(at[g], count, len(own))
        return len(places)


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(f, g) for f in range(count) for g in range(f + 1, count)]


# ---------------------------------------------------------------- many levels of three factors and more


@dataclass(frozen=True, eq=False)
class _Shared:
    """Effects that change no row because two factors share what merges the levels of both.

    Parameters
    ----------
    columns : (L, C), 1 in the levels of a set of the one factor, -1 in those of the other.
    count : rank of the columns; None where that is not counted.
    """

    columns: Any
    count: int | None

    @classmethod
    def of(cls, core: _Incidence) -> _Shared:
        from scipy import sparse

        pairs, factors = _pairs(len(core.rows)), len(core.rows)
        sets = {pair: _sets(core.tables[pair]) for pair in pairs}
        blocks: list[list[Any]] = [[None] * len(pairs) for _ in range(factors)]
        for place, (f, g) in enumerate(pairs):
            count, first, second = sets[f, g]
            for factor, own, sign in ((f, first, 1.0), (g, second, -1.0)):
                entry = np.full(len(own), sign), (np.arange(len(own)), own)
                blocks[factor][place] = sparse.csr_array(entry, shape=(len(own), count))
        columns: Any = sparse.block_array(blocks, format="csr")
        total = sum(count for count, _, _ in sets.values())
        if factors == 3:
            return cls(columns, total - _components(_graph(core))[0])
        if total > SHARED:
            return cls(columns, None)
        gram = (columns.T @ columns).toarray()
        return cls(columns, total - len(_dependent(gram, np.sqrt(gram.diagonal()))))


def _graph(core: _Incidence) -> Any:
    """All levels, joined where they meet."""
    from scipy import sparse

    factors = range(len(core.rows))
    return sparse.block_array(
        [[core.between(f, g) if f != g else None for g in factors] for f in factors], format="csr"
    )


def _redundant(core: _Incidence) -> tuple[int, bool]:
    """Number of redundant effects, and whether that is counted; else a lower bound.

    Those that pairs of factors share are known. Random effects less what solves for their image are
    combinations of all others, and as many are independent as there are.
    """
    shared = _Shared.of(core)
    system, draws = core.system(), np.random.default_rng(0)
    scale = system.rest
    columns = shared.columns[len(core.rows[0]) :]
    size = np.asarray((columns * columns).T @ scale)
    columns = columns[:, size > 0] * np.sqrt(1.0 / size[size > 0])

    def image(effects: Array) -> Array:
        parts = np.ascontiguousarray((columns.T @ (effects * scale).T).T)
        return system.image(effects) + np.ascontiguousarray((columns @ parts.T).T) * scale

    own = np.asarray((columns * columns).sum(axis=1)).ravel() * scale**2
    diagonal = np.maximum(system.diagonal + own, LEAST * scale)
    least, more = len(core.rows) - 1 if shared.count is None else shared.count, 0
    for number in DRAWS:
        if number * len(scale) > NUMBERS:
            break
        drawn = draws.normal(size=(number, len(scale))) / np.sqrt(scale)
        found, reached = conjugate_gradients(image, diagonal, image(drawn), PRECISION)
        if not reached:
            break
        left = (drawn - found) * np.sqrt(scale)
        more = int(np.count_nonzero(np.linalg.svd(left, compute_uv=False) > APART))
        if more <= number - 4:
            return least + more, shared.count is not None
    return least + more, False
