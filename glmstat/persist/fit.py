"""A fit as JSON and arrays: call, design with its networks, estimate, and what verbs kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from glmstat.absorbed import Absorbed
from glmstat.call import Call, Covariance, Spec, as_asked
from glmstat.errors import ArgumentError, DataError, FileError, Note
from glmstat.estimate import Convergence, Dispersion, Estimate, Null, Pass, Separated, Shape
from glmstat.estimators import read_estimator
from glmstat.fit import Fit
from glmstat.formula.design import Design, build_design
from glmstat.information import DenseInformation
from glmstat.layers import Towers
from glmstat.likelihood.base import GLM
from glmstat.likelihood.several import with_predictors
from glmstat.matrix import Array
from glmstat.persist.argument import (
    check_saveable,
    later_settings,
    read_arguments,
    read_family,
    write_arguments,
    write_contrasts,
    write_covariance,
    write_likelihood,
)
from glmstat.persist.file import Tensors
from glmstat.probe import check_probes, family_probe, function_probes
from glmstat.statement import Statement

__all__ = ["SCHEMA", "needed_schema", "read_fit", "write_fit"]

SCHEMA = 3  # raised when an older reader could not read the file
_PLAIN, _LEARNED = 1, 2  # a maximum likelihood fit, which the first readers can read; one with networks
_SCALARS = ("rows", "weight", "fingerprint", "loglik", "deviance", "pearson", "df_residual")


def needed_schema(fit: Fit) -> int:
    """Return the least schema whose readers can read the file of a fit."""
    spec, estimate = fit.spec, fit.estimate
    learned = spec.statement is not None or estimate.penalty is not None or spec.design.formula.networks
    if estimate.absorbed is not None or spec.estimator is not None:
        return SCHEMA
    return _LEARNED if learned or later_settings(spec.control) else _PLAIN


def write_fit(fit: Fit, named: tuple[str, ...], prefix: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a fit as JSON values and arrays by name.

    Parameters
    ----------
    named : names of what is the user's own, that `load` will be given again.
    prefix : of the names of the arrays.

    Raises
    ------
    FileError : something user-defined that is not named, or Python in the formula.
    """
    estimate, spec = fit.estimate, fit.spec
    check_saveable(fit, named)
    likelihood = write_likelihood(spec.likelihood.family, named)
    plain = {
        "model": spec.call.model,
        "arguments": write_arguments(fit),
        "contrasts": write_contrasts(spec.call),
        "design": _write_design(spec.design),
        "likelihood": likelihood,
        "probes": {
            "family": family_probe(spec.likelihood.family) if likelihood["own"] else {},
            "functions": function_probes(spec.design.context),
        },
        "library": spec.library,
        "covariance": write_covariance(fit),
        "notes": [[note.kind, note.text] for note in fit.notes],
        "estimate": {
            **{word: getattr(estimate, word) for word in _SCALARS},
            "null": asdict(estimate.null),
            "dispersion": asdict(estimate.dispersion),
            "aliased": dict(estimate.aliased),
            "convergence": asdict(estimate.convergence),
        },
    }
    if estimate.criterion is not None:
        plain["estimate"]["criterion"] = estimate.criterion
    if estimate.shape is not None:
        plain["estimate"]["shape"] = _write_shape(estimate.shape)
    if estimate.absorbed is not None:
        plain["absorbed"] = estimate.absorbed.facts
    if spec.statement is not None:
        plain["statement"] = spec.statement.to_json()
    if spec.estimator is not None:
        plain["estimator"] = {"kind": spec.estimator.kind, **spec.estimator.to_json()}
    return plain, {f"{prefix}{name}": values for name, values in _arrays(fit).items()}


def read_fit(written: Mapping[str, Any], tensors: Tensors, given: Mapping[str, Any], prefix: str = "") -> Fit:
    """Return the fit that `write_fit` wrote.

    Parameters
    ----------
    written : JSON values.
    tensors : arrays by name.
    given : the context of `load`.
    prefix : of the names of the arrays.

    Raises
    ------
    FileError : a name that `given` lacks, or that stands for something else than when the fit was saved.
    """
    own = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
    family, design = read_family(written["likelihood"], given), _read_design(written["design"], own, given)
    check_probes(written.get("probes", {}), written["likelihood"]["own"], family, design.context)
    arguments = read_arguments(written["arguments"], written["contrasts"])
    estimator, statement = read_estimator(written.get("estimator")), written.get("statement")
    asked = as_asked(estimator, family)
    arguments |= {"context": dict(design.context) or None, "family": asked, "link": family.link}
    spec = Spec(
        Call(written["model"], arguments),
        design,
        with_predictors(GLM(family), arguments.get("predictors")),
        arguments["control"],
        written["library"],
        None if statement is None else Statement.from_json(statement),
        estimator,
    )
    kept = {name.removeprefix("kept "): values for name, values in own.items() if name.startswith("kept ")}
    notes = tuple(Note(*note) for note in written["notes"])
    estimate = _read_estimate(written["estimate"], own, len(design.columns))
    if estimate.shape is not None:
        estimate = replace(estimate, likelihood=spec.likelihood)
    if "absorbed" in written:
        estimate = replace(
            estimate, absorbed=Absorbed.from_arrays(own, written["absorbed"], len(design.columns))
        )
    return Fit(spec, estimate, Covariance(**written["covariance"]), notes, None, kept)


# ---------------------------------------------------------------- design


def _write_design(design: Design) -> dict[str, Any]:
    """The design before training, and what the networks and the choice of columns made of it."""
    if not design.formula.networks:
        return design.to_json()
    return {
        **_untrained(design).to_json(),
        "towers": {name: towers.facts for name, towers in design.towers.items()},
        "coefficients": list(design.columns),
    }


def _untrained(design: Design) -> Design:
    (predictor,) = design.predictors
    return build_design(design.formula, design.schema, predictor.offsets, design.context, name=predictor.name)


def _read_design(written: Mapping[str, Any], tensors: Tensors, given: Mapping[str, Any]) -> Design:
    try:
        design = Design.from_json(written, context=given)
    except ArgumentError as error:
        raise FileError(f"The file cannot be read without its functions: {error}") from error
    if "coefficients" not in written:
        return design
    towers = {name: Towers.from_arrays(tensors, name, facts) for name, facts in written["towers"].items()}
    for name, known in towers.items():
        expected = len(design.networks[name].columns)
        if known.inputs != expected:
            raise ValueError(f"{known.inputs} inputs where {expected} were expected")
    design = design.with_towers(towers) if towers else design
    return _chosen(design, tuple(written["coefficients"]))


def _chosen(design: Design, names: tuple[str, ...]) -> Design:
    """The design of some of the columns."""
    if design.columns == names:
        return design
    from glmstat.neural.instruments import target_design

    places = {name: place for place, name in enumerate(design.columns)}
    found = target_design(design, np.array([places[name] for name in names], dtype=np.int64))
    if found.columns != names:
        raise ValueError("coefficients in another order")
    return found


# ---------------------------------------------------------------- arrays


def _arrays(fit: Fit) -> dict[str, Any]:
    estimate, information = fit.estimate, fit.estimate.information
    _complete(fit)
    towers = [item.to_arrays(name) for name, item in fit.spec.design.towers.items()]
    return {
        "theta": estimate.theta,
        "directions": np.array(estimate.directions).reshape(len(estimate.directions), len(estimate.theta)),
        "root": information.root,
        "transform": information.transform,
        "slots": information.slots.astype(np.int64),
        **({} if estimate.absorbed is None else estimate.absorbed.to_arrays()),
        **({} if estimate.penalty is None else {"penalty": _narrow(estimate.penalty)}),
        **({} if estimate.shape is None else _shape_arrays(estimate.shape)),
        **{name: array for arrays in towers for name, array in arrays.items()},
        **{f"kept {name}": values for name, values in fit.kept.items() if _goes_along(fit, name)},
    }


def _complete(fit: Fit) -> None:
    """Compute what verbs will need of the rows."""
    from glmstat.inference.covariance import covariance_root
    from glmstat.inference.estimable import null_space
    from glmstat.inference.predict import centre

    covariance_root(fit)
    if fit.frame is None or fit.frame.design.columns != fit.columns:
        return  # no rows, or columns that are not made of them
    # rows that were moved away: what they would tell is asked for when a verb needs it
    with nullcontext() if fit.frame.source.held else suppress(DataError):
        centre(fit)
        if fit.estimate.aliased:
            null_space(fit)


def _goes_along(fit: Fit, name: str) -> bool:
    """Whether something kept is written: of covariances that of the fit only."""
    return not name.startswith("vcov ") or name.startswith(fit.covariance.key)


def _narrow(penalty: Array) -> Array:
    """The diagonal (p,) where that is all of a matrix (p, p)."""
    diagonal = np.diag(penalty)
    return diagonal if np.array_equal(np.diag(diagonal), penalty) else penalty


# ---------------------------------------------------------------- estimate


def _read_estimate(written: Mapping[str, Any], tensors: Tensors, size: int) -> Estimate:
    theta, slots = tensors["theta"], tensors["slots"]
    directions, root, transform = tensors["directions"], tensors["root"], tensors["transform"]
    _expect(theta, (size,))
    _expect(directions, (len(directions), size))
    _expect(root, (len(root), len(root)))
    _expect(transform, (len(slots), len(root)))
    _expect(slots, (len(slots),), "i")
    if len(slots) and not (slots.min() >= 0 and slots.max() < size):
        raise ValueError("slots out of range")
    end = written["convergence"]
    convergence = Convergence(
        **{
            **end,
            "trace": tuple(Pass(**step) for step in end["trace"]),
            "notes": tuple(end["notes"]),
            "runaway": tuple(end.get("runaway", ())),
            "bound_rows": _separated(end["bound_rows"]),
            "separated_rows": _separated(end["separated_rows"]),
        }
    )
    return Estimate(
        theta=theta,
        directions=tuple(directions),
        information=DenseInformation(root, transform, slots.astype(np.intp), size),
        **{word: written[word] for word in _SCALARS},
        null=Null(**written["null"]),
        dispersion=Dispersion(**written["dispersion"]),
        aliased=written["aliased"],
        convergence=convergence,
        penalty=_penalty(tensors.get("penalty"), size),
        criterion=written.get("criterion"),
        shape=_read_shape(written.get("shape"), tensors),
    )


def _write_shape(shape: Shape) -> dict[str, Any]:
    words = ("name", "value", "std_error", "estimator")
    return {**{word: getattr(shape, word) for word in words}, "notes": list(shape.notes)}


def _shape_arrays(shape: Shape) -> dict[str, Array]:
    return {f"shape {name}": np.atleast_1d(values) for name, values in shape.numbers.items()}


def _read_shape(written: Mapping[str, Any] | None, tensors: Tensors) -> Shape | None:
    if written is None:
        return None
    numbers = {
        name.removeprefix("shape "): array for name, array in tensors.items() if name.startswith("shape ")
    }
    return Shape(**{**written, "notes": tuple(written["notes"]), "numbers": numbers})


def _penalty(narrow: Array | None, size: int) -> Array | None:
    if narrow is None:
        return None
    _expect(narrow, (size,) * narrow.ndim)
    return np.diag(narrow) if narrow.ndim == 1 else narrow


def _separated(written: Mapping[str, Any] | None) -> Separated | None:
    if written is None:
        return None
    return Separated(tuple(written["rows"]), written["count"], written.get("counted", 0.0))


def _expect(array: Array, shape: tuple[int, ...], kind: str = "f") -> None:
    if array.shape != shape or array.dtype.kind != kind or array.dtype.itemsize != 8:
        raise ValueError(f"array {array.shape} {array.dtype} where {shape} was expected")
