"""A fit in one file: arrays as safetensors, everything else as JSON in its header. No rows, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glmstat.data.target import check_target, refuse_read
from glmstat.errors import GlmstatError
from glmstat.fit import Fit, sources
from glmstat.network_fit import NetworkFit
from glmstat.persist.file import damaged, read, write
from glmstat.persist.fit import SCHEMA, needed_schema, read_fit, write_fit

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["SCHEMA", "load", "save"]

# what reading a body that does not hold together may raise
_WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError)


def save(fit: Fit, path: str | PathLike[str], context: tuple[str, ...] = ()) -> None:
    """Write a fit to one file, in one step; the words are those of `Fit.save`.

    Raises
    ------
    FileError : no place for a file, or one of the data; something user-defined that `context` does not
        name, or Python in the formula.
    """
    target = check_target(path)
    refuse_read(target, *sources(fit))
    if isinstance(fit, NetworkFit):
        from glmstat.persist.network import write_network

        spec, tensors = write_network(fit, context)
    else:
        spec, tensors = write_fit(fit, context)
    write(target, needed_schema(fit), spec, tensors)


def load(path: str | PathLike[str], *, context: Mapping[str, Any] | None = None) -> Fit:
    """Return the fit that `Fit.save` wrote: it predicts the same bits and prints the same summary.

    Nothing in the file is executed: the formula is read again by the safe evaluator. The networks of a fit
    of `rglm` predict without torch.

    Parameters
    ----------
    path : of the file.
    context : what the file names but does not hold: user-defined families, links and functions, by name.

    Raises
    ------
    FileError : a file that is damaged, foreign, or written by a newer version; a name not in `context`, or
        one that stands for something else than when the fit was saved.
    """
    written, tensors = read(path, SCHEMA)
    given = dict(context or {})
    try:
        if "head" in written:
            from glmstat.persist.network import read_network

            return read_network(written, tensors, given)
        return read_fit(written, tensors, given)
    except GlmstatError:
        raise
    except _WRONG as error:
        raise damaged(path) from error
