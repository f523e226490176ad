"""How training went: loss by step, for every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from glmstat.array import Array
from glmstat.neural.drawn import Drawn
from glmstat.table import Native, frame
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit

__all__ = ["COLUMNS", "LearningCurve", "learning_curve"]

COLUMNS = ("step", "train", "held_out", "learning_rate", "weight_size")


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve(Drawn):
    """The history of training of one or more networks; `plot()` draws deviance by step, held-out rows dashed.

    Parameters
    ----------
    histories : name of a network → step, train, held_out (deviance per unit weight, NaN where no row is
        held out), learning_rate and weight_size, arrays of the same length.
    native : library of the frame.

    >>> known = {"step": [1, 2], "train": [1.5, 1.2], "held_out": [1.6, 1.4]}
    >>> known |= {"learning_rate": [0.02, 0.01], "weight_size": [3.1, 3.0]}
    >>> print(LearningCurve({"net1": known}, Native()))
    Learning curve · 1 network
    <BLANKLINE>
          steps  train  held_out  weight_size
    net1      2   1.20      1.40         3.00
    <BLANKLINE>
    train, held_out: deviance per unit weight at the last step
    """

    drawing: ClassVar = "learning"
    histories: Mapping[str, Mapping[str, Any]]
    native: Native

    def __post_init__(self) -> None:
        arrays = {
            name: {column: np.array(history[column], dtype=np.float64) for column in COLUMNS}
            for name, history in self.histories.items()
        }
        object.__setattr__(self, "histories", arrays)

    def __len__(self) -> int:
        return len(self.histories)

    def to_frame(self) -> Any:
        """Return network, step, train, held_out, learning_rate and weight_size in the caller's library."""
        lengths = {name: len(history["step"]) for name, history in self.histories.items()}
        columns: dict[str, Any] = {"network": [name for name, rows in lengths.items() for _ in range(rows)]}
        for column in COLUMNS:
            columns[column] = np.concatenate([history[column] for history in self.histories.values()])
        columns["step"] = columns["step"].astype(np.int64)
        return frame(columns, replace(self.native, index=None))

    def listing(self) -> Listing:
        """Return the last step of every network as a printed table."""
        last = {column: [_last(history[column]) for history in self.histories.values()] for column in COLUMNS}
        columns = {"steps": [int(step) for step in last["step"]], "train": last["train"]}
        if not np.isnan(last["held_out"]).all():
            columns["held_out"] = last["held_out"]
        columns["weight_size"] = last["weight_size"]
        shown = "train, held_out" if "held_out" in columns else "train"
        notes = (f"{shown}: deviance per unit weight at the last step",)
        title = (f"Learning curve · {count(len(self), 'network')}",)
        return Listing(title, tuple(self.histories), columns, notes, self.native, "network")


def learning_curve(fit: NetworkFit) -> LearningCurve:
    """Return the history of the networks of a fit; the words are those of `NetworkFit.learning_curve`."""
    history = {name: np.asarray(values, dtype=np.float64) for name, values in fit.record.history.items()}
    steps = len(history["step"])
    tables = {name: values.reshape(steps, -1) for name, values in history.items()}
    nets = max(values.shape[1] for values in tables.values())
    return LearningCurve(
        {
            f"net{net + 1}": {
                name: values[:, min(net, values.shape[1] - 1)] for name, values in tables.items()
            }
            for net in range(nets)
        },
        fit.native,
    )


def _last(values: Array) -> float:
    return float(values[-1]) if len(values) else float("nan")
