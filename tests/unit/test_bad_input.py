"""Wrong input is refused: the class of the error and the words that name the place and the remedy."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Covariance, Fit, datasets, families, glm, links, load
from glmstat.errors import (
    ArgumentError,
    ColumnError,
    ComparisonError,
    DataError,
    DomainError,
    FileError,
    FormulaError,
    GlmstatError,
)
from glmstat.report.cli import main

N = 30
ROW = np.arange(N)
DATA = pd.DataFrame(
    {
        "y": (ROW * 7) % 5 + (ROW % 3 == 0),
        "x": np.sin(ROW),
        "zz": np.cos(ROW),
        "t": 1.0 + ROW % 4,
        "f": np.where(ROW % 2 == 0, "a", "b"),
        "s": ROW % 6,
        "g": 1.0 + (ROW * 11) % 7,
    }
)
ALSO = {"day": pd.date_range("2024-01-01", periods=N), "z": 1j * ROW, "mixed": [1, "a", None] * (N // 3)}


def poisson(formula: str = "y ~ x", data: Any = DATA, **words: Any) -> Fit:
    return glm(formula, data, "poisson", **words)


def changed(row: int | list[int] = 17, **values: Any) -> pd.DataFrame:
    """The data with one value of a column changed."""
    data = DATA.astype({"y": float, "s": float})
    for name, value in values.items():
        data.loc[row, name] = value
    return data


def fit(formula: str = "y ~ x + f + offset(log(t))", **words: Any) -> Fit:
    return poisson(formula, **words)


class Mine(families.Poisson):
    """A family that a file cannot hold."""


def saved(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """A saved fit with its bytes changed."""
    path = folder / "fit.safetensors"
    fit().save(path)
    path.write_bytes(change(path.read_bytes()))
    return path


def flipped(content: bytes) -> bytes:
    place = len(content) - 20
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def loaded(folder: Path) -> Fit:
    path = folder / "fit.safetensors"
    fit().save(path)
    return load(path)


Entry = tuple[Callable[[], Any], type[GlmstatError], tuple[str, ...]]

FORMULAS: dict[str, Entry] = {
    "misspelt function": (
        lambda: poisson("y ~ x + offse(t)"),
        FormulaError,
        ("`offse()`", "not a formula function", "position 8", "Did you mean offset()?"),
    ),
    "unknown function": (lambda: poisson("y ~ quux(x)"), FormulaError, ("quux()", "not a formula function")),
    "attribute": (
        lambda: poisson("y ~ x.__class__"),
        FormulaError,
        ("Attribute access is not allowed", "x.__class__", "Compute the column first"),
    ),
    "method": (lambda: poisson("y ~ x.mean()"), FormulaError, ("not", "x.mean")),
    "subscript": (lambda: poisson("y ~ I(x[0])"), FormulaError, ("x[0]", "not allowed")),
    "import": (lambda: poisson("y ~ __import__('os').getpid()"), FormulaError, ("__import__",)),
    "dunder name": (lambda: poisson("y ~ I(__builtins__)"), FormulaError, ("__builtins__",)),
    "lambda": (lambda: poisson("y ~ I((lambda v: v)(x))"), FormulaError, ("lambda",)),
    "comprehension": (lambda: poisson("y ~ I([v for v in x])"), FormulaError, ("not allowed",)),
    "f-string": (lambda: poisson("y ~ I(f'{x}')"), FormulaError, ("not allowed",)),
    "walrus": (lambda: poisson("y ~ I((v := x))"), FormulaError, ()),
    "braces": (lambda: poisson("y ~ {x + 1}"), FormulaError, ("allow_python=True",)),
    "open": (lambda: poisson("y ~ I(open('/etc/passwd'))"), FormulaError, ("open",)),
    "code in the offset": (
        lambda: poisson(offset="__import__('os').getpid()"),
        FormulaError,
        ("__import__",),
    ),
    "code in the subset": (lambda: poisson(subset="x.__class__ == 1"), FormulaError, ("Attribute access",)),
    "code in the weights": (lambda: poisson(weights="eval('1')"), FormulaError, ("eval",)),
    "offset in an interaction": (
        lambda: poisson("y ~ x * offset(t)"),
        FormulaError,
        ("offset() cannot take part in an interaction", "+ offset(t)"),
    ),
    "offset taken away": (lambda: poisson("y ~ x - offset(t)"), FormulaError, ("offset",)),
    "offset of nothing": (lambda: poisson("y ~ x + offset()"), FormulaError, ("offset()",)),
    "no tilde": (lambda: poisson("y"), FormulaError, ("~",)),
    "two tildes": (lambda: poisson("y ~ x ~ t"), FormulaError, ("~",)),
    "empty": (lambda: poisson(""), FormulaError, ()),
    "nothing on the right": (lambda: poisson("y ~ "), FormulaError, ("right",)),
    "nothing on the left": (lambda: poisson("~ x"), FormulaError, ("left",)),
    "bracket left open": (lambda: poisson("y ~ (x + t"), FormulaError, ("(",)),
    "two operators": (lambda: poisson("y ~ x + * t"), FormulaError, ("position",)),
    "not a text": (lambda: glm(3, DATA), FormulaError, ("formula", "text")),
    "smooth": (lambda: poisson("y ~ s(x)"), FormulaError, ("s(",)),
    "random effect": (lambda: poisson("y ~ x + (1 | f)"), FormulaError, ("|",)),
    "bar": (lambda: poisson("y ~ x |"), FormulaError, ("|",)),
    "survival": (lambda: poisson("Surv(t, y) ~ x"), FormulaError, ("Surv",)),
    "network": (lambda: poisson("y ~ nn(x)"), FormulaError, ("nn",)),
    "long": (lambda: poisson("y ~ x" + " + x" * 20_000), FormulaError, ("20,000",)),
    "deep": (lambda: poisson("y ~ " + "(" * 60 + "x" + ")" * 60), FormulaError, ("50",)),
    "explosion": (
        lambda: poisson("y ~ (" + " + ".join(f"v{k}" for k in range(26)) + ")^13"),
        FormulaError,
        ("2,000",),
    ),
    "cbind on the right": (lambda: poisson("y ~ cbind(x, t)"), FormulaError, ("cbind",)),
    "cbind of one": (
        lambda: glm("cbind(s) ~ x", DATA, "binomial"),
        FormulaError,
        ("cbind()", "successes and failures"),
    ),
    "cbind of three": (
        lambda: glm("cbind(s, y, t) ~ x", DATA, "binomial"),
        FormulaError,
        ("cbind()", "successes and failures"),
    ),
    "cbind of a count family": (lambda: poisson("cbind(s, y) ~ x"), FormulaError, ("cbind()", "poisson")),
    "unknown keyword": (lambda: poisson("y ~ poly(x, degre=2)"), FormulaError, ("poly", "degre")),
    "keyword twice": (lambda: poisson("y ~ poly(x, degree=2, degree=3)"), FormulaError, ()),
    "polynomial of degree 0": (lambda: poisson("y ~ poly(x, 0)"), FormulaError, ("degree",)),
    "polynomial of too high a degree": (lambda: poisson("y ~ poly(t, 9)"), DataError, ("poly", "t")),
    "level that is not there": (lambda: poisson("y ~ relevel(f, 'q')"), DataError, ("q", "a, b")),
    "sum of a text": (lambda: poisson("y ~ log(f)"), DataError, ("f",)),
}

NAMES: dict[str, Entry] = {
    "column": (
        lambda: poisson("y ~ x + z"),
        ColumnError,
        ("No column 'z' in data", "columns are y, x, zz, t", "Did you mean 'zz'?"),
    ),
    "response": (lambda: poisson("yy ~ x"), ColumnError, ("No column 'yy'",)),
    "weights": (lambda: poisson(weights="nope"), ColumnError, ("'nope'",)),
    "offset": (lambda: poisson(offset="log(nope)"), ColumnError, ("'nope'",)),
    "exposure": (lambda: poisson(exposure="tt"), ColumnError, ("'tt'", "Did you mean 't'?")),
    "subset": (lambda: poisson(subset="nope > 1"), ColumnError, ("'nope'",)),
    "name of the caller": (lambda: poisson("y ~ x + ROW"), ColumnError, ("'ROW'",)),
}

VALUES: dict[str, Entry] = {
    "infinite value": (lambda: poisson(data=changed(x=np.inf)), DataError, ("x", "inf", "row 17")),
    "infinite response": (lambda: glm("y ~ x", changed(y=np.inf)), DataError, ("y", "inf", "row 17")),
    "log of 0": (
        lambda: poisson("y ~ log(zz)", changed([4, 9], zz=0.0).assign(zz=lambda d: d["zz"].abs())),
        DataError,
        ("log(zz)", "rows 4, 9 (2 rows)"),
    ),
    "root of a negative": (
        lambda: poisson("y ~ sqrt(t)", changed(t=-1.0)),
        DataError,
        ("sqrt(t)", "row 17 (1 row)"),
    ),
    "power without end": (lambda: poisson("y ~ I(x * 9**9**9)"), DataError, ("9",)),
    "offset of 0": (
        lambda: poisson("y ~ x + offset(log(t))", changed(t=0.0)),
        DataError,
        ("log(t)", "row 17"),
    ),
    "exposure of 0": (
        lambda: poisson(data=changed([3, 8, 21], t=0.0), exposure="t"),
        DataError,
        ("exposure must be > 0: t is 0 in rows 3, 8, 21 (3 rows)", 'Use subset="t > 0"'),
    ),
    "negative exposure": (
        lambda: poisson(data=changed(t=-1.0), exposure="t"),
        DataError,
        ("exposure must be > 0", "row 17"),
    ),
    "negative count": (
        lambda: poisson(data=changed(y=-2.0)),
        DomainError,
        ("Poisson response must be >= 0: y is -2 in row 17 (1 row)", 'family="gaussian"'),
    ),
    "binomial 8": (
        lambda: glm("s ~ x", DATA, "binomial"),
        DomainError,
        ("Binomial response", "s is", "rows"),
    ),
    "gamma 0": (lambda: glm("g ~ x", changed(g=0.0), "gamma"), DomainError, ("> 0", "g is 0 in row 17")),
    "inverse gaussian below 0": (
        lambda: glm("g ~ x", changed(g=-1.0), "inverse_gaussian"),
        DomainError,
        ("> 0", "row 17"),
    ),
    "negative failures": (
        lambda: glm("cbind(s, 4 - s) ~ x", DATA, "binomial"),
        DomainError,
        ("must be >= 0", "4 - s", "rows"),
    ),
    "no coefficients inside the domain": (
        lambda: poisson("y ~ 1", link="identity", offset=np.where(ROW < 15, -1e300, 1e300)),
        DomainError,
        (),
    ),
    "no rows": (lambda: poisson(data=DATA[:0]), DataError, ("rows",)),
    "no rows in the subset": (lambda: poisson(subset="t > 100"), DataError, ("subset",)),
    "every row missing": (lambda: poisson(data=DATA.assign(x=np.nan)), DataError, ("x", "missing")),
    "missing where refused": (
        lambda: poisson(data=changed(x=np.nan), na_action="raise"),
        DataError,
        ("x", "row 17"),
    ),
    "columns of one name": (lambda: poisson(data=pd.concat([DATA, DATA[["x"]]], axis=1)), DataError, ("x",)),
    "columns of unlike length": (
        lambda: poisson(data={"y": [1, 2, 3], "x": [1.0, 2.0]}),
        DataError,
        ("3", "2"),
    ),
    "not a table": (lambda: poisson(data=[1, 2, 3]), DataError, ("data", "list")),
    "no data": (lambda: poisson(data=None), DataError, ("data",)),
    "mixed column": (lambda: poisson("y ~ mixed", DATA.assign(**ALSO)), DataError, ("mixed",)),
    "complex column": (lambda: poisson("y ~ z", DATA.assign(**ALSO)), DataError, ("z", "complex")),
    "date": (lambda: poisson("y ~ day", DATA.assign(**ALSO)), DataError, ("day", "number")),
    "matrix in a column": (lambda: poisson(data={"y": [1, 2, 3], "x": np.ones((3, 2))}), DataError, ("x",)),
    "offset of another length": (lambda: poisson(offset=np.ones(N - 1)), DataError, ("offset", "29", "30")),
    "weights of another length": (lambda: poisson(weights=[1.0, 2.0]), DataError, ("weights", "2", "30")),
    "offset of another index": (
        lambda: poisson(offset=pd.Series(np.ones(N), index=ROW + 100)),
        DataError,
        ("offset", "index"),
    ),
    "offset of a doubled index": (
        lambda: poisson(offset=pd.Series(np.ones(N), index=ROW // 2)),
        DataError,
        ("offset", "index"),
    ),
    "weight as a number": (lambda: poisson(weights=2.0), DataError, ("weights",)),
    "negative weight": (
        lambda: poisson(weights=np.where(ROW == 17, -1.0, 1.0)),
        DataError,
        ("weights must be >= 0", "row 17"),
    ),
    "infinite weight": (
        lambda: poisson(weights=np.where(ROW == 17, np.inf, 1.0)),
        DataError,
        ("weights", "row 17"),
    ),
    "weights all 0": (lambda: poisson(weights=np.zeros(N)), DataError, ("weights", "0")),
    "fractional frequency": (
        lambda: poisson(freq_weights=np.full(N, 1.5)),
        DataError,
        ("freq_weights", "whole", "row"),
    ),
    "negative frequency": (
        lambda: poisson(freq_weights=np.where(ROW == 17, -1, 1)),
        DataError,
        ("freq_weights", "row 17"),
    ),
    "negative sampling weight": (
        lambda: poisson(sampling_weights=np.where(ROW == 17, -1.0, 1.0)),
        DataError,
        ("sampling_weights", "row 17"),
    ),
    "text as weights": (lambda: poisson(weights="f"), DataError, ("f",)),
    "subset of numbers": (lambda: poisson(subset="t"), DataError, ("subset must be true or false", "t")),
    "text response": (lambda: poisson("f ~ x"), DataError, ("f",)),
    "response of one level": (
        lambda: glm("r ~ x", DATA.assign(r="yes"), "binomial"),
        DataError,
        ("r", "yes"),
    ),
}

WORDS: dict[str, Entry] = {
    "family": (lambda: glm("y ~ x", DATA, "poison"), ArgumentError, ("'poison'", "Did you mean 'poisson'?")),
    "family of another type": (lambda: glm("y ~ x", DATA, 3), ArgumentError, ("family",)),
    "negative theta": (lambda: glm("y ~ x", DATA, "negative_binomial(-1)"), ArgumentError, ("theta", "> 0")),
    "tweedie power between 0 and 1": (lambda: glm("y ~ x", DATA, "tweedie(0.5)"), ArgumentError, ("p",)),
    "number of a family without one": (
        lambda: glm("y ~ x", DATA, "poisson(2)"),
        ArgumentError,
        ("poisson", "no number"),
    ),
    "quasi variance": (lambda: glm("y ~ x", DATA, "quasi(cosh)"), ArgumentError, ("cosh",)),
    "link": (lambda: poisson(link="lgo"), ArgumentError, ("'lgo'", "Did you mean 'log'?")),
    "link of another family": (
        lambda: poisson(link="logit"),
        ArgumentError,
        ("logit", "poisson", "log, identity, sqrt"),
    ),
    "power without a number": (
        lambda: glm("g ~ x", DATA, "gamma", link="power"),
        ArgumentError,
        ("power(1/3)",),
    ),
    "power of a word": (lambda: glm("g ~ x", DATA, "gamma", link="power(third)"), ArgumentError, ("third",)),
    "exposure without a log link": (
        lambda: poisson(link="identity", exposure="t"),
        ArgumentError,
        ("exposure needs a log link: link is identity", "offset="),
    ),
    "na_action": (lambda: poisson(na_action="omit"), ArgumentError, ("na_action", "omit", "drop")),
    "vcov": (lambda: poisson(vcov="HC9"), ArgumentError, ("vcov", "HC9", "HC0")),
    "vcov of another type": (lambda: poisson(vcov=3), ArgumentError, ("vcov",)),
    "information": (
        lambda: poisson(vcov=Covariance("HC0", information="fisher")),
        ArgumentError,
        ("fisher", "expected", "observed"),
    ),
    "compat": (lambda: poisson(compat="spss"), ArgumentError, ("compat", "spss")),
    "dispersion word": (lambda: poisson(dispersion="deviances"), ArgumentError, ("dispersion", "deviances")),
    "dispersion below 0": (lambda: poisson(dispersion=-1.0), ArgumentError, ("dispersion", "-1")),
    "dispersion by ml without a likelihood": (
        lambda: glm("y ~ x", DATA, "quasipoisson", dispersion="ml"),
        ArgumentError,
        ("ml",),
    ),
    "event of numbers": (lambda: poisson(event="yes"), ArgumentError, ("event",)),
    "event that is no level": (
        lambda: glm("f ~ x", DATA, "binomial", event="c"),
        DataError,
        ("event", "'c'", "a", "b"),
    ),
    "event of three": (
        lambda: glm("r ~ x", DATA.assign(r=[*"abc"] * 10), "binomial"),
        ArgumentError,
        ("3 levels", "event="),
    ),
    "start too short": (lambda: poisson(start=[1.0]), ArgumentError, ("start", "2")),
    "start not finite": (lambda: poisson(start=[np.nan, 1.0]), ArgumentError, ("start", "finite")),
    "start of other names": (
        lambda: poisson(start={"Intercept": 0.0, "z": 1.0}),
        ArgumentError,
        ("start", "x"),
    ),
    "contrast word": (
        lambda: poisson("y ~ f", contrasts={"f": "summ"}),
        FormulaError,
        ("'summ'", "contrasts['f']", "Did you mean 'sum'?"),
    ),
    "contrast of no column": (lambda: poisson("y ~ f", contrasts={"q": "sum"}), ArgumentError, ("q",)),
    "contrast matrix": (
        lambda: poisson("y ~ f", contrasts={"f": np.eye(3)}),
        DataError,
        ("3 rows", "f has 2 levels"),
    ),
    "contrasts that are no mapping": (lambda: poisson("y ~ f", contrasts=3), ArgumentError, ("contrasts",)),
    "context that is no mapping": (lambda: poisson(context=[1, 2]), ArgumentError, ("context",)),
    "control": (lambda: poisson(control={"tolerance": 1e-8}), ArgumentError, ("control", "Control(")),
    "tolerance": (lambda: Control(tolerance=0.0), ArgumentError, ("tolerance", "1e-8")),
    "iterations": (lambda: Control(max_iterations=0), ArgumentError, ("max_iterations",)),
    "workers": (lambda: Control(workers=0), ArgumentError, ("workers",)),
    "data set": (lambda: datasets.load("tripps"), ArgumentError, ("'tripps'", "Did you mean 'trips'?")),
}

NEW = DATA.head(5)

PREDICTIONS: dict[str, Entry] = {
    "offset column": (
        lambda: fit().predict(NEW.drop(columns="t")),
        ColumnError,
        ("predict needs column 't' for offset(log(t)): not in newdata",),
    ),
    "offset= column": (
        lambda: fit("y ~ x", offset="log(t)").predict(NEW.drop(columns="t")),
        ColumnError,
        ("'t'", "not in newdata"),
    ),
    "exposure column": (
        lambda: fit("y ~ x", exposure="t").predict(NEW.drop(columns="t")),
        ColumnError,
        ("'t'", "not in newdata"),
    ),
    "column": (
        lambda: fit().predict(NEW.drop(columns="x")),
        ColumnError,
        ("predict needs column 'x'", "not in newdata"),
    ),
    "offset array": (
        lambda: fit("y ~ x", offset=np.ones(N)).predict(NEW),
        DataError,
        ("predict needs offset= again", "5 values"),
    ),
    "exposure array": (
        lambda: fit("y ~ x", exposure=np.ones(N)).predict(NEW),
        DataError,
        ("predict needs exposure= again", "5 values"),
    ),
    "offset array of another length": (
        lambda: fit("y ~ x", offset=np.ones(N)).predict(NEW, offset=[1.0, 2.0]),
        DataError,
        ("offset", "2", "5"),
    ),
    "exposure of 0": (
        lambda: fit("y ~ x", exposure="t").predict(NEW.assign(t=0.0)),
        DataError,
        ("exposure must be > 0", "t"),
    ),
    "unseen level": (
        lambda: fit().predict(NEW.assign(f=["a", "c", "b", "c", "c"])),
        DataError,
        ("Column 'f' has level 'c', not seen in the fit: 3 rows", "Known levels: a, b", 'new_levels="na"'),
    ),
    "new_levels": (
        lambda: fit().predict(NEW, new_levels="average"),
        ArgumentError,
        ("new_levels", "average", "reference"),
    ),
    "text for a number": (lambda: fit().predict(NEW.assign(x="a")), DataError, ("x",)),
    "number for a factor": (lambda: fit().predict(NEW.assign(f=1.0)), DataError, ("f",)),
    "infinite value": (lambda: fit().predict(NEW.assign(x=np.inf)), DataError, ("x",)),
    "type": (lambda: fit().predict(type="probs"), ArgumentError, ("type", "probs", "response")),
    "interval": (lambda: fit().predict(interval="prediction"), ArgumentError, ("interval", "confidence")),
    "level": (lambda: fit().predict(interval="confidence", level=95), ArgumentError, ("level", "95")),
    "terms with errors": (lambda: fit().predict(type="terms", se_fit=True), ArgumentError, ("se_fit",)),
    "not a table": (lambda: fit().predict([1.0, 2.0]), DataError, ("newdata", "list")),
    "not estimable": (
        lambda: poisson("y ~ x + x2", DATA.assign(x2=2 * DATA["x"])).predict(NEW.assign(x2=1.0)),
        DataError,
        ("not estimable", "rows 0, 1, 2"),
    ),
    "residual type": (lambda: fit().residuals("quantiles"), ArgumentError, ("quantiles", "deviance")),
    "interval level": (lambda: fit().confint(1.0), ArgumentError, ("level",)),
    "covariance": (lambda: fit().vcov("HC9"), ArgumentError, ("vcov", "HC9")),
    "likelihood with sampling weights": (
        lambda: fit(sampling_weights="g").aic,
        ComparisonError,
        ("not defined with sampling weights",),
    ),
    "likelihood with a given dispersion": (
        lambda: fit(dispersion=2.0).loglik,
        ComparisonError,
        ("loglik", "dispersion"),
    ),
    "update to a column that is not there": (lambda: fit().update(". ~ . + q"), ColumnError, ("'q'",)),
    "rows of other data": (lambda: fit().with_data(DATA.assign(y=1.0)), DataError, ("data", "differ")),
}

FILES: dict[str, tuple[Callable[[Path], Any], type[GlmstatError], tuple[str, ...]]] = {
    "flipped bit": (lambda folder: load(saved(folder, flipped)), FileError, ("damaged",)),
    "cut off": (lambda folder: load(saved(folder, lambda b: b[:-9])), FileError, ("damaged",)),
    "cut to nothing": (lambda folder: load(saved(folder, lambda b: b"")), FileError, ()),
    "foreign": (lambda folder: load(saved(folder, lambda b: b"PK\x03\x04 not a fit")), FileError, ()),
    "longer": (lambda folder: load(saved(folder, lambda b: b + b"\0")), FileError, ("damaged",)),
    "user-defined family": (
        lambda folder: glm("y ~ x", DATA, Mine()).save(folder / "a"),
        FileError,
        ("Mine", "context="),
    ),
    "function of the context": (
        lambda folder: poisson("y ~ twice(x)", context={"twice": lambda v: 2 * v}).save(folder / "a"),
        FileError,
        ("twice", "context"),
    ),
    "residuals without rows": (lambda folder: loaded(folder).residuals(), DataError, ("data=",)),
    "sandwich without rows": (lambda folder: loaded(folder).stderror("HC0"), DataError, ("data=",)),
    "refit without rows": (lambda folder: loaded(folder).refit(), DataError, ("data=",)),
    "fitted without rows": (lambda folder: loaded(folder).fitted, DataError, ("data",)),
    "residuals of other rows": (
        lambda folder: loaded(folder).residuals(data=DATA.assign(y=1.0)),
        DataError,
        ("data",),
    ),
}

CALLS = {
    f"{table} · {name}": entry
    for table, entries in (
        ("formula", FORMULAS),
        ("name", NAMES),
        ("value", VALUES),
        ("word", WORDS),
        ("fit", PREDICTIONS),
    )
    for name, entry in entries.items()
}
BUILTIN = {ColumnError: LookupError}


def check(call: Callable[[], Any], error: type[GlmstatError], words: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GlmstatError) as caught:
            call()
    message = str(caught.value)
    assert type(caught.value) is error, message
    assert isinstance(caught.value, BUILTIN.get(error, ValueError))
    missing = [word for word in words if word not in message]
    assert not missing, message
    assert message.endswith((".", "?")) and message.isprintable(), message
    assert not any(word in message.lower() for word in ("invalid", "please", "traceback")), message


def test_the_table_is_long_enough():
    assert len(CALLS) + len(FILES) + len(COMMANDS) >= 150


@pytest.mark.parametrize(("call", "error", "words"), CALLS.values(), ids=CALLS)
def test_refused(call, error, words):
    check(call, error, words)


@pytest.mark.parametrize(("call", "error", "words"), FILES.values(), ids=FILES)
def test_file_refused(call, error, words, tmp_path):
    check(lambda: call(tmp_path), error, words)


def test_a_path_that_is_not_there_is_python_s_own_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    with pytest.raises(FileError, match="No such folder"):
        fit().save(tmp_path / "a" / "b")


def test_newer_file_is_refused(tmp_path):
    path = saved(tmp_path, lambda content: content)
    newer = (
        path.read_bytes()
        .replace(b'"schema": 1', b'"schema": 9')
        .replace(b'\\"schema\\": 1', b'\\"schema\\": 9')
    )
    path.write_bytes(newer)
    with pytest.raises(FileError):
        load(path)


def test_every_byte_counts(tmp_path):
    """A change of any one byte is refused, or leaves the fit as it was."""
    path = tmp_path / "fit.safetensors"
    original = fit()
    original.save(path)
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            found = load(path)
        except FileError:
            continue
        assert found == original


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "fit.safetensors"
    fit().save(path)
    before = path.read_bytes()
    with pytest.raises(FileError):
        glm("y ~ x", DATA, Mine()).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


COMMANDS: dict[str, tuple[list[str], str]] = {
    "file": (["y ~ x", "--data", "nothing.csv"], "nothing.csv"),
    "kind of file": (["y ~ x", "--data", "table.xls"], "table.xls"),
    "data set": (["y ~ x", "--data", "tripps"], "Did you mean 'trips'?"),
    "formula": (["y ~ x.__class__", "--data", "trips"], "Attribute access"),
    "column": (["y ~ z", "--data", "trips"], "No column 'z'"),
    "family": (["y ~ x", "--data", "trips", "--family", "poison"], "poison"),
    "link": (["y ~ x", "--data", "trips", "--link", "lgo"], "lgo"),
    "weights": (["y ~ x", "--data", "trips", "--weights", "nope"], "nope"),
    "domain": (["x ~ y", "--data", "trips", "--family", "poisson"], "must be >= 0"),
    "vcov": (["y ~ x", "--data", "trips", "--vcov", "HC9"], "HC9"),
    "dispersion": (["y ~ x", "--data", "trips", "--dispersion", "big"], "big"),
    "level": (["y ~ x", "--data", "trips", "--level", "95"], "level"),
    "folder of the saved fit": (
        ["y ~ x", "--data", "trips", "--save", "no/such/folder/fit"],
        "no/such/folder",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), COMMANDS.values(), ids=COMMANDS)
def test_command_says_one_line_and_exits(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *arguments]) != 0
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert "Traceback" not in shown.err + shown.out


@pytest.mark.parametrize(
    "arguments",
    [[], ["fit"], ["fit", "y ~ x"], ["fit", "y ~ x", "--data", "trips", "--nope"], ["guess"]],
    ids=str,
)
def test_command_that_cannot_be_read(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code != 0
    assert "glmstat" in capsys.readouterr().err


def test_unknown_arguments_are_python_s_own_error():
    with pytest.raises(TypeError, match="penalty"):
        glm("y ~ x", DATA, penalty=1.0)


def test_no_formula_hangs_or_runs_code(tmp_path):
    marker = tmp_path / "ran"
    texts = [
        f"open({str(marker)!r}, 'w')",
        f"__import__('pathlib').Path({str(marker)!r}).touch()",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        f"x.to_csv({str(marker)!r})",
        f"eval(\"open({str(marker)!r}, 'w')\")",
        "exec('1')",
        "f'{open}'",
        "getattr(x, 'values')",
        "np.load('x')",
        "np.fromfile('x')",
        "globals()",
        "x @ x",
        "x if x else x",
        "{1: 2}",
        "*x",
        "print(x)",
        "type(x)",
        "9**9**9**9",
        "'a' * 999999999",
        "[0] * 999999999",
        "1 << 99999999",
        "(x, x) * 99999999",
        "~" * 40 + "x",
        "-" * 3000 + "x",
        "(" * 3000,
        "x" * 30_000,
        "`x",
        "x\0",
        "x;y",
        "#",
        "\\",
    ]
    places = ["y ~ {}", "y ~ I({})", "y ~ x + offset({})", "I({}) ~ x", "y ~ C({})"]
    for text, place in itertools.product(texts, places):
        try:
            glm(place.format(text), DATA)
        except (FormulaError, DataError, ColumnError, DomainError):
            continue
        pytest.fail(f"not refused: {place.format(text)!r}")
    assert not marker.exists()


def test_errors_are_the_public_ones():
    for name in ("FormulaError", "DataError", "DomainError", "ArgumentError", "ComparisonError", "FileError"):
        assert issubclass(getattr(glmstat, name), (GlmstatError, ValueError))
    assert issubclass(glmstat.ColumnError, LookupError)
    assert issubclass(glmstat.DependencyError, ImportError)
    assert links.as_link("log").name == "log"
