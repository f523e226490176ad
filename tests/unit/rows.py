"""A frame made of arrays, for tests of the solver alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from glmstat.data.reduce import run_blocks
from glmstat.families import as_family
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block, Dense


@dataclass
class Rows:
    """What the solver needs of a model frame: X with an intercept first unless told otherwise."""

    X: np.ndarray
    y: np.ndarray
    offset: np.ndarray | None = None
    weights: np.ndarray | None = None
    frequency: np.ndarray | None = None
    intercept: int | None = 0
    block_rows: int = 65536
    small: bool = True
    workers: int = 1
    fingerprint: str = ""
    blocks: dict = field(default_factory=dict)

    def __post_init__(self):
        self.X, self.y = np.asarray(self.X, float), np.asarray(self.y, float)
        names = (f"x{j}" if j != self.intercept else "Intercept" for j in range(self.X.shape[1]))
        self.columns = tuple(names)
        self.has_offset = self.offset is not None
        self.coded, self.stored = np.zeros(0, dtype=np.intp), self.X.shape[1]

    def changed(self, change):
        return _Changed(self, change)

    @property
    def rows(self):
        return len(self.y)

    def block(self, number):
        rows = slice(number * self.block_rows, (number + 1) * self.block_rows)
        y = self.y[rows]
        offset = np.zeros(len(y)) if self.offset is None else np.asarray(self.offset, float)[rows]
        weights = np.ones(len(y)) if self.weights is None else np.asarray(self.weights, float)[rows]
        frequency = None if self.frequency is None else np.asarray(self.frequency, float)[rows]
        X = Dense(np.ascontiguousarray(self.X[rows].T))
        return Block(number, (X,), y, offset[:, None], weights, frequency, start=rows.start)

    @property
    def source_rows(self):
        return len(self.y)

    def sample(self, runs):
        whole = Rows(self.X, self.y, self.offset, self.weights, self.frequency, self.intercept, len(self.y))
        return tuple(_piece(whole.block(0), run, number) for number, run in enumerate(runs))

    def reduce(self, kernel):
        count = -(-self.rows // self.block_rows)
        return run_blocks(lambda number: kernel(self.block(number)), count, self.workers)


def _piece(block, run, number):
    frequency = None if block.frequency is None else block.frequency[run]
    columns = Dense(np.ascontiguousarray(block.X[0].values[:, run]))
    return Block(
        number, (columns,), block.y[run], block.offset[run], block.weights[run], frequency, start=run.start
    )


@dataclass
class _Changed:
    """The same rows with other numbers in them."""

    frame: Rows
    change: Callable[[Block], Block]
    small: bool = False

    def reduce(self, kernel):
        return self.frame.reduce(lambda block: kernel(self.change(block)))


def likelihood(family, link=None):
    return GLM(as_family(family, link))
