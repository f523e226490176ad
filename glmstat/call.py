"""The arguments of a model function: as given, and as far as they can be written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.control import Control
from glmstat.convention import Convention, as_convention
from glmstat.data.source import open_source
from glmstat.errors import ArgumentError, FormulaError
from glmstat.families import Family
from glmstat.formula.parse import parse
from glmstat.frame import ModelFrame, model_frame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.estimator import Estimator
from glmstat.statement import Statement
from glmstat.table import Library

if TYPE_CHECKING:
    from glmstat.data.passes import Passes
    from glmstat.device import Device
    from glmstat.formula.design import Design
    from glmstat.formula.terms import Formula

__all__ = [
    "KEEP",
    "ROLES",
    "Call",
    "Covariance",
    "NotKept",
    "Spec",
    "Values",
    "Variable",
    "as_asked",
    "asked_dispersion",
    "changes",
    "frame_for",
    "read_formula",
    "start_values",
]

ROLES = ("offset", "exposure", "weights", "freq_weights", "sampling_weights")


class _Keep:
    def __repr__(self) -> str:
        return "KEEP"


KEEP: Any = _Keep()  # an argument of refit and update that stays as it was


@dataclass(frozen=True)
class NotKept:
    """An argument that was an array: what is written down of it is that it was there."""


def changes(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not KEEP."""
    return {word: value for word, value in words.items() if value is not KEEP}


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """An array of the caller's in the place of a column's name, copied: one value per row of the data.

    Parameters
    ----------
    array : (n,) values of any kind; a series is put in the order of the data's index when it is used.
    """

    array: Any

    def __post_init__(self) -> None:
        copied = self.array.copy() if hasattr(self.array, "index") else np.array(self.array)
        object.__setattr__(self, "array", copied)

    @cached_property
    def digest(self) -> str:
        """A text that differs where values or labels do."""
        parts = (self.array, self.array.index) if hasattr(self.array, "index") else (self.array,)
        known = hashlib.sha256()
        for part in map(np.asarray, parts):
            plain = part.dtype.kind in "biuf"
            known.update(part.dtype.str.encode())
            known.update(np.ascontiguousarray(part).data if plain else repr(part.tolist()).encode())
        return known.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return "an array"


Variable = str | Values


@dataclass(frozen=True)
class Covariance:
    """A choice of covariance of the coefficients.

    What a kind has no use for must be left out. Variables are names of columns, expressions in columns, or
    arrays with a value per row.

    Parameters
    ----------
    kind : "classical" (dispersion times the inverse information), "opg"; "HC0" to "HC5", "HC4m"; clusters
        "CR0", "CR1", "CR1S", "CR2", "CR3"; "HAC", "NW", "DK"; "bootstrap", "jackknife", "survey".
    cluster : one or more variables: rows of a cluster may be dependent.
    small_sample : whose factor for small samples: "default", "sandwich", "stata", "statsmodels", "fixest";
        for HC0, HC1, CR1, CR1S and the kinds of time series. CR2 and CR3 take "sandwich": vcovCL's HC2 and
        HC3.
    information : which information is inverted: "expected", as R does, or "observed".
    lag : last lag with a weight, >= 0.
    order : variable that puts the rows in time.
    kernel : "bartlett", "parzen" or "quadratic_spectral".
    bandwidth : > 0, or the rule "newey-west" or "andrews".
    strata : variable of the survey's strata.
    fpc : variable: size of the stratum's population, or the sampled share of it.
    reps : number of resamples.
    seed : of the resamples, >= 0.

    Raises
    ------
    ArgumentError : cluster that is neither text nor arrays.

    >>> Covariance("CR2", cluster="firm").cluster
    ('firm',)
    """

    kind: str = "classical"
    cluster: Any = ()
    small_sample: str = "default"
    information: str = "expected"
    lag: int | None = None
    order: Any = ""
    kernel: str = ""
    bandwidth: str | float | None = None
    strata: Any = ""
    fpc: Any = ""
    reps: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cluster", _variables(self.cluster))
        for word in ("order", "strata", "fpc"):
            object.__setattr__(self, word, _variable(getattr(self, word)))

    @property
    def variables(self) -> dict[str, Any]:
        """The variables in use, by argument; clusters numbered."""
        ways = {f"cluster {place}": way for place, way in enumerate(self.cluster, 1)}
        others = {word: getattr(self, word) for word in ("order", "strata", "fpc")}
        return {**ways, **{word: value for word, value in others.items() if value != ""}}

    @cached_property
    def key(self) -> str:
        """A text that differs where the covariance does."""
        digests = {name: way.digest for name, way in self.variables.items() if isinstance(way, Values)}
        return f"vcov {json.dumps([self.json, digests], sort_keys=True)}"

    @property
    def json(self) -> dict[str, Any]:
        """What can be written down."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {word: _plain(value) for word, value in plain.items()}


def _variable(value: Any) -> Variable:
    if value is None:
        return ""
    return value if isinstance(value, (str, Values)) else Values(value)


def _variables(value: Any) -> tuple[Variable, ...]:
    if value is None:
        return ()
    if isinstance(value, (str, Values)):
        return (value,) if value != "" else ()
    if isinstance(value, (tuple, list)) and all(isinstance(way, (str, Values)) for way in value):
        return tuple(value)
    if isinstance(value, (tuple, list)) and any(hasattr(way, "__len__") for way in value):
        return tuple(_variable(way) for way in value)
    if not hasattr(value, "__len__"):
        raise ArgumentError(
            f"cluster must be names, expressions or arrays: got {type(value).__name__}. Write cluster='firm'."
        )
    return (Values(value),)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return {"array": len(value.array)} if isinstance(value, Values) else value


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of a model function as given.

    Parameters
    ----------
    model : name of the function.
    arguments : its arguments by name.
    """

    model: str
    arguments: Mapping[str, Any]

    def __getitem__(self, word: str) -> Any:
        return self.arguments.get(word)

    def changed(self, **words: Any) -> Call:
        """Return the call with other arguments."""
        return Call(self.model, {**self.arguments, **words})

    @property
    def json(self) -> dict[str, Any]:
        """What can be written down: words, lists of them, and numbers; arrays as {"array": length}."""
        return {word: _written(value) for word, value in self.arguments.items() if word != "data"}

    def without_data(self) -> Call:
        """Return the call without its data."""
        return Call(self.model, {word: value for word, value in self.arguments.items() if word != "data"})

    def without_arrays(self) -> Call:
        """Return the call with a mark in the place of every array."""
        roles = (*ROLES, "subset", "start")
        kept = {
            word: NotKept() if word in roles and _is_array(v) else v for word, v in self.arguments.items()
        }
        return Call(self.model, kept)


def _is_array(value: Any) -> bool:
    return not isinstance(value, (str, bool, int, float, type(None)))


def _written(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _written(entry) for key, entry in value.items()}
    if isinstance(value, Covariance):
        return value.json
    if isinstance(value, (Control, Convention)):
        return asdict(value)
    if isinstance(value, NotKept):
        return {"array": None}
    if isinstance(value, (list, tuple)) and value and all(isinstance(entry, str) for entry in value):
        return list(value)
    if hasattr(value, "__len__"):
        return {"array": len(value)}
    return str(value)


@dataclass(frozen=True, eq=False)
class Spec:
    """What was fitted: enough to predict, and to fit again on other data.

    Parameters
    ----------
    call : the arguments, without the data.
    design : formula and all that the data taught it.
    likelihood : family and link.
    control : settings of the solver.
    library : "pandas", "polars", … : what tables come back in.
    statement : what the coefficients say; None where they are those of a maximum of the likelihood.
    estimator : how they were estimated, and are in every refit; None is by maximum likelihood in them alone.
    """

    call: Call
    design: Design
    likelihood: GLM
    control: Control
    library: Library = "pandas"
    statement: Statement | None = None
    estimator: Estimator | None = None

    @property
    def family(self) -> Family:
        """The family as the call has it: a parameter that was estimated is open."""
        return as_asked(self.estimator, self.likelihood.family)


def as_asked(estimator: Estimator | None, family: Family) -> Family:
    """Return a family with the parameter open that an estimator estimates."""
    opened = getattr(estimator, "opened", None)
    return family if opened is None else opened(family)


def frame_for(
    call: Call, likelihood: GLM, beside: Mapping[str, Any] | None = None, passes: Passes | None = None
) -> ModelFrame:
    """Return the model frame that a call asks for.

    Parameters
    ----------
    beside : the variables of its covariance.
    passes : watches over the passes; None where nobody does.
    """
    _check_kinds(call)
    device = _device(call)
    source = open_source(call["data"])
    if passes is not None:
        source = passes.watch(source, call["control"], partial(_known_by, call, likelihood))
    formula, memory = read_formula(call, source.names), call["control"].memory
    frame = model_frame(
        source,
        formula,
        {word: call[word] for word in ROLES},
        likelihood,
        contrasts=call["contrasts"],
        context=call["context"],
        event=call["event"],
        na_action=call["na_action"],
        subset=call["subset"],
        allow_python=call["allow_python"],
        workers=call["control"].workers,
        memory=memory,
        beside={
            word: value.array if isinstance(value, Values) else value
            for word, value in (beside or {}).items()
        },
        convention=as_convention(call["compat"] or "glmstat"),
        others=_others(call, likelihood, _free(formula, source.names)),
    )
    return frame if device is None else replace(frame, device=device)


def _others(call: Call, likelihood: GLM, columns: Sequence[str]) -> dict[str, Formula]:
    """The formulas of the predictors besides the mean's; an intercept where none is given."""
    given = call["predictors"] or {}
    return {
        name: _read_other(call, name, given.get(name, "~ 1"), columns) for name in likelihood.predictors[1:]
    }


def _free(formula: Formula, columns: Sequence[str]) -> list[str]:
    """The columns that the response does not use: what '.' stands for in every formula."""
    taken = formula.response.names if formula.response else ()
    return [name for name in columns if name not in taken]


def _read_other(call: Call, name: str, text: str, columns: Sequence[str]) -> Formula:
    python, known = call["allow_python"], functions(call["context"])
    if "~" not in text:
        raise FormulaError(f"The formula of {name} has no '~': '{text}'. Write '~ {text.strip()}'.")
    try:
        formula = parse(text, columns, allow_python=python, functions=known)
    except FormulaError as error:
        raise FormulaError(f"Formula of {name}: {error}") from None
    if formula.response is not None:
        right = text.partition("~")[2].strip()
        raise FormulaError(
            f"The formula of {name} has a response: '{text}'. It shares that of the mean. Write '~ {right}'."
        )
    return formula


def _device(call: Call) -> Device | None:
    """Where the sums of a large frame are made; `rglm` trains there, and makes its sums here."""
    control = call["control"]
    if call.model != "glm" or control.device == "cpu":
        return None
    from glmstat.data.torch import open_device
    from glmstat.device import Device

    open_device(control.device)
    return Device(control.device, control.precision)


def _known_by(call: Call, likelihood: GLM) -> dict[str, str]:
    """By what a call is known: all that has a say in the numbers of its passes."""
    from glmstat import __version__
    from glmstat.data.digest import digest

    silent = ("data", "family", "link", "control", "compat", "vcov", "progress")
    words = {word: value for word, value in call.arguments.items() if word not in silent}
    control = {
        f"control.{field.name}": getattr(call["control"], field.name)
        for field in fields(Control)
        if field.name not in ("workers", "checkpoint", "progress")
    }
    covariance = call["vcov"].key if isinstance(call["vcov"], Covariance) else call["vcov"]
    family = f"{likelihood.family.name}, {likelihood.family.link.text} ({digest(likelihood)[:8]})"
    known = {**words, "family": family, "vcov": covariance, **control}
    convention = as_convention(call["compat"] or "glmstat")
    known["coding"] = f"{convention.reference} {convention.ordered} {convention.event}"
    return {"version": __version__, **{word: _told(word, value) for word, value in known.items()}}


def _told(word: str, value: Any) -> str:
    """An argument as a text that differs where it does."""
    from glmstat.data.digest import Undescribed, described

    try:
        return described(value)
    except Undescribed as error:
        raise ArgumentError(
            f"A checkpoint cannot tell whether {word} is the same when the call is repeated: it holds a "
            f"{error}. Give plain functions and values, or leave checkpoint out."
        ) from None


def read_formula(call: Call, columns: Sequence[str]) -> Formula:
    """Return the formula of a call for data with some columns; networks are terms of `rglm` alone."""
    return parse(
        call["formula"],
        columns,
        allow_python=call["allow_python"],
        functions=functions(call["context"]),
        networks=call.model == "rglm",
        absorbing=call.model == "glm",
    )


def _check_kinds(call: Call) -> None:
    context, control = call["context"], call["control"]
    if context is not None and not isinstance(context, Mapping):
        found = type(context).__name__
        raise ArgumentError(
            f"context must be a mapping from names to values: got {found}. Write context={{'c': 18}}."
        )
    if not isinstance(control, Control):
        raise ArgumentError(f"control must be a Control: got {type(control).__name__}. Write Control(...).")
    if control.checkpoint is not None and call.model != "glm":
        raise ArgumentError(
            f"checkpoint keeps the passes of glm(): {call.model}() trains networks beside them. Leave it out."
        )


def functions(context: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the functions in a context."""
    return tuple(sorted(name for name, value in (context or {}).items() if callable(value)))


def asked_dispersion(call: Call, likelihood: GLM) -> Any:
    """Return the estimator of the dispersion, or its value, that a call asks for itself or by its convention.

    None is 1 where the family says so and Pearson's elsewhere.
    """
    family, usual = likelihood.family, as_convention(call["compat"] or "glmstat").dispersion
    if call["dispersion"] is not None or usual == "pearson":
        return call["dispersion"]
    return usual if family.dispersion is None and family.has_likelihood else None


def start_values(
    start: Any, columns: tuple[str, ...], default: tuple[str, ...] | None = None
) -> Array | None:
    """Return the coefficients (p,) to start from: a sequence, or a mapping or series by name.

    Parameters
    ----------
    columns : names of the coefficients.
    default : their default names, where a convention gives them others.

    Raises
    ------
    ArgumentError : names or length that are not those of the coefficients.
    """
    if start is None:
        return None
    if isinstance(start, Mapping) or hasattr(start, "to_dict"):
        named = dict(start if isinstance(start, Mapping) else start.to_dict())
        if default is not None and set(named) == set(default):
            columns = default
        missing = [name for name in columns if name not in named]
        if missing or len(named) != len(columns):
            raise ArgumentError(
                f"start must name every coefficient once: {', '.join(columns)}. Got: {list(named)}."
            )
        start = [named[name] for name in columns]
    values = np.asarray(start, dtype=np.float64)
    if values.shape != (len(columns),) or not np.isfinite(values).all():
        raise ArgumentError(
            f"start needs {len(columns)} finite values, one per coefficient ({', '.join(columns)}): "
            f"got shape {values.shape}. Leave it out to let the solver choose."
        )
    return values
