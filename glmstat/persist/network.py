"""A fit with networks as JSON and arrays: its table, its output layer, and how the networks came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmstat.call import Covariance
from glmstat.inference.covariance import covariance_root
from glmstat.network_fit import NetworkFit, OutOfFold, Record
from glmstat.neural.held_out import keep_calibration
from glmstat.persist.file import Tensors
from glmstat.persist.fit import read_fit, write_fit

__all__ = ["read_network", "write_network"]

_TABLE, _HEAD = "table ", "head "
_RANGES, _HISTORY, _OUT_OF_FOLD = "range ", "history ", "out of fold "


def write_network(fit: NetworkFit, named: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a fit with networks as JSON values and arrays by name.

    Parameters
    ----------
    named : names of what is the user's own, that `load` will be given again.

    Raises
    ------
    FileError : something user-defined that is not named, or Python in the formula.
    """
    keep_calibration(fit)
    _keep_classical(fit)
    table, tensors = write_fit(fit, named, _TABLE)
    head, layer = write_fit(fit.head, named, _HEAD)
    record = fit.record
    arrays = {
        **{f"{_RANGES}{name}": ends for name, ends in record.ranges.items()},
        **{f"{_HISTORY}{name}": values for name, values in record.history.items()},
        **{f"{_OUT_OF_FOLD}{name}": values for name, values in _held(record.out_of_fold).items()},
    }
    plain = {
        "prior": dict(record.prior),
        "dispersion": record.dispersion,
        "unit": record.unit,
        "seed_sd": record.seed_sd,
        "facts": dict(record.facts),
    }
    known = {f"{_TABLE}kept {name}": values for name, values in fit.kept.items()}  # rows bring back no other
    return {**table, "head": head, "record": plain}, {**tensors, **known, **layer, **arrays}


def _keep_classical(fit: NetworkFit) -> None:
    """Make the classical covariance where it holds: the estimate alone does not give that of a median."""
    statement = fit.spec.statement
    if statement is not None and "classical" in statement.covariances:
        covariance_root(fit, Covariance())


def read_network(written: Mapping[str, Any], tensors: Tensors, given: Mapping[str, Any]) -> NetworkFit:
    """Return the fit that `write_network` wrote; arguments as `read_fit`."""
    table = read_fit(written, tensors, given, _TABLE)
    head = read_fit(written["head"], tensors, given, _HEAD)
    held = _by_name(tensors, _OUT_OF_FOLD)
    record = Record(
        **written["record"],
        ranges=_by_name(tensors, _RANGES),
        history=_by_name(tensors, _HISTORY),
        out_of_fold=OutOfFold(**held) if held else None,
    )
    return NetworkFit(
        table.spec,
        table.estimate,
        table.covariance,
        table.notes,
        None,
        table.kept,
        head=head,
        record=record,
    )


def _held(found: OutOfFold | None) -> dict[str, Any]:
    if found is None:
        return {}
    arrays = {"network": found.network, "linear": found.linear, "fold": found.fold}
    return arrays if found.cluster is None else {**arrays, "cluster": found.cluster}


def _by_name(tensors: Tensors, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
