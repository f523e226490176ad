"""What made a fit with networks, as plain JSON."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.neural.problem import Training

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.network_fit import NetworkFit

__all__ = ["manifest", "versions"]


def manifest(fit: NetworkFit) -> dict[str, Any]:
    """Return what made a fit as plain JSON; the words are those of `NetworkFit.manifest`."""
    call, record, head, statement = fit.spec.call, fit.record, fit.head, fit.spec.statement
    family = fit.spec.likelihood.family
    arguments = {
        **call.json,
        "family": family.text,
        "link": family.link.text,
        "context": sorted(call["context"] or {}),
        "training": asdict(call["training"] or Training()),
    }
    facts = {
        **{name: value for name, value in record.facts.items() if name != "versions"},
        **{word: getattr(fit, word) for word in ("nobs", "deviance", "null_deviance")},
    }
    return _plain(
        {
            "model": call.model,
            "arguments": dict(sorted(arguments.items())),
            "versions": record.facts.get("versions") or versions(),
            "inference": None if statement is None else statement.to_json(),
            "networks": {
                name: {
                    "inputs": towers.inputs,
                    "features": towers.width,
                    "parameters": towers.parameters,
                    "prior": record.prior[name],
                }
                for name, towers in head.spec.design.towers.items()
            },
            "training": {
                "dispersion": record.dispersion,
                "unit": record.unit,
                "seed_sd": record.seed_sd,
                "steps": int(np.max(record.history["step"], initial=0)),
            },
            "facts": {
                **facts,
                "rows": fit.nobs,
                "deviance": fit.deviance,
                "null_deviance": fit.null_deviance,
            },
            "fingerprint": head.estimate.fingerprint,
            "weights": _digest(head),
        }
    )


def versions() -> dict[str, str | None]:
    """Return the versions of the program and of what it calculates with; None for what is not imported."""
    from glmstat import __version__

    others = {name: getattr(sys.modules.get(name), "__version__", None) for name in ("numpy", "torch")}
    return {"glmstat": __version__, **{name: None if at is None else str(at) for name, at in others.items()}}


def _digest(head: Fit) -> str:
    """The sha256 of all weights: hidden layers by name, then the output layer."""
    known = hashlib.sha256()
    for name, towers in sorted(head.spec.design.towers.items()):
        for label, values in towers.to_arrays(name).items():
            known.update(label.encode())
            known.update(np.ascontiguousarray(values).data)
    known.update(np.ascontiguousarray(head.estimate.theta).data)
    return known.hexdigest()


def _plain(value: Any) -> Any:
    """The value as JSON has it: NaN as None, infinities as words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None if value != value else "inf" if value > 0 else "-inf"
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
