"""Several sums over the rows of a large frame in one reading of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from glmstat.data.reduce import Addable
from glmstat.matrix import Block
from glmstat.workspace import Workspace

__all__ = ["Ask", "together"]

S = TypeVar("S", bound=Addable)
Ask = Callable[[Workspace], Any]


@dataclass(frozen=True)
class _One:
    """One block, standing for a frame while something is asked of it."""

    block: Block
    rows: int
    small: bool = False

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        return kernel(self.block)


class _Nothing:
    """The frame of a workspace that has not been given its rows yet."""

    small = False

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class _Answers:
    parts: tuple[Any, ...]

    def __add__(self, other: _Answers) -> _Answers:
        return _Answers(tuple(a + b for a, b in zip(self.parts, other.parts, strict=True)))


def together(workspace: Workspace, *asks: Ask) -> tuple[Any, ...]:
    """Return what every ask sums over the rows, in the order of the asks, by one pass over them.

    Parameters
    ----------
    asks : functions of a workspace of some of the rows, whose answers can be added. The penalty is no sum
        over rows: their workspace has none.
    """
    # the frame stays here: a kernel that is sent to other machines takes no data along
    bare = replace(workspace, frame=_Nothing(), penalty=None)

    def kernel(block: Block) -> _Answers:
        one = replace(bare, frame=_One(block, len(block.y)))
        return _Answers(tuple(ask(one) for ask in asks))

    return workspace.frame.reduce(kernel).parts
