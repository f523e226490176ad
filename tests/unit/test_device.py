"""Sums made on a device of torch, here tensors of the processor: those of numpy, less what float32 loses."""

from __future__ import annotations

import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, device, gram
from glmstat.call import Call, frame_for
from glmstat.device import Device
from glmstat.errors import ArgumentError, ResponseWarning, SeparationWarning
from glmstat.families import as_family
from glmstat.likelihood.base import GLM
from glmstat.links import Custom
from glmstat.solve.scaling import open_workspace
from tests.unit.pairs import pairs, rows

torch = pytest.importorskip("torch")

N = 50_000
NUMERIC = "y ~ x0 + x1 + x2 + x3 + x4 + offset(log(t))"
FORMULAS = (
    NUMERIC,
    "y ~ x0 + g + h",
    "y ~ x0 + x1*g + h",
    "y ~ x0 + g + g:x1 + g:x2",
    "y ~ g - 1",
    "y ~ C(small)*x0 + year",
)
HERE = Control(memory=0)
DOUBLE = Control(memory=0, device="cpu:0")
SINGLE = Control(memory=0, device="cpu:0", precision="float32")


def made():
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(N, 5)), rng.uniform(0.2, 1, N)
    y = rng.poisson(t * np.exp(-1 + x @ np.linspace(-0.2, 0.3, 5)))
    data = pd.DataFrame({f"x{j}": x[:, j] for j in range(5)} | {"y": y.astype(float), "t": t})
    data["g"], data["h"] = (rng.integers(0, k, N).astype(str) for k in (40, 30))
    data["small"] = rng.integers(0, 4, N).astype("int8")
    data["year"] = 2000.0 + rng.integers(-5, 6, N)
    data["w"] = rng.integers(0, 3, N).astype(float)
    return data


DATA = made()


def apart(fit, other):
    """Largest difference in coefficients, in standard errors, and in standard errors, relative."""
    finite = np.isfinite(other.coef.to_numpy())
    assert (np.isfinite(fit.coef.to_numpy()) == finite).all()
    error = other.stderror().to_numpy()[finite]
    moved = (fit.coef.to_numpy()[finite] - other.coef.to_numpy()[finite]) / error
    return np.abs(moved).max(), np.abs(fit.stderror().to_numpy()[finite] / error - 1).max()


@cache
def fitted(formula, control):
    return glmstat.glm(formula, DATA, "poisson", control=control)


def facts(fit):
    return np.array([fit.deviance, fit.null_deviance, fit.loglik])


def pearson(fit, other):
    """What is lost of Pearson's chi-squared; unlike the deviance it is not flat at the maximum."""
    return abs(fit.estimate.pearson / other.estimate.pearson - 1)


def workspaces(formula, family="poisson", **words):
    """The rows of a fit seen by numpy, and on a device in both precisions."""
    likelihood = GLM(as_family(family))
    call = glmstat.glm(formula, DATA, family, **words).spec.call
    frames = [frame_for(call.changed(data=DATA, control=one), likelihood) for one in (HERE, DOUBLE, SINGLE)]
    return [open_workspace(frame, likelihood) for frame in frames]


@pytest.mark.parametrize("formula", FORMULAS)
def test_sums_are_those_of_numpy(formula):
    here, double, single = workspaces(formula, weights="w")
    gamma = np.random.default_rng(2).normal(size=here.size) * 0.1
    for need in ("none", "expected", "observed", "both"):
        wanted, found, rough = (one.pass_(gamma, need) for one in (here, double, single))
        assert found.objective == pytest.approx(wanted.objective, rel=1e-13)
        assert found.magnitude == pytest.approx(wanted.magnitude, rel=1e-13)
        assert rough.objective == pytest.approx(wanted.objective, rel=1e-8)
        size = np.abs(wanted.score).max()
        np.testing.assert_allclose(found.score, wanted.score, rtol=1e-11, atol=1e-13 * size)
        np.testing.assert_allclose(rough.score, wanted.score, rtol=1e-6, atol=1e-6 * size)
        for name in ("expected", "observed"):
            matrix, own, near = (getattr(sums, name) for sums in (wanted, found, rough))
            assert (matrix is None) == (own is None)
            if matrix is None:
                continue
            scale = np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))
            np.testing.assert_allclose(own / scale, matrix / scale, atol=1e-13)
            np.testing.assert_allclose(near / scale, matrix / scale, atol=1e-6)
    first, other = here.start_pass(), double.start_pass()
    np.testing.assert_allclose(other.expected, first.expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(other.score, first.score, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(double.facts(gamma, -0.5), here.facts(gamma, -0.5), rtol=1e-13)


def test_wide_tables_of_two_factors_stay_sparse(monkeypatch):
    for module in (gram, device):
        monkeypatch.setattr(module, "CROSS_CELLS", 100)
    here, double, _ = workspaces("y ~ x0 + g + h")
    gamma = np.zeros(here.size)
    wanted, found = (one.pass_(gamma, "expected").expected for one in (here, double))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("solver", ["newton", "ladder"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_fits_agree(formula, solver):
    control = {"memory": 0, "solver": solver}
    here = fitted(formula, Control(**control))
    there = fitted(formula, Control(**control, device="cpu:0"))
    assert max(*apart(there, here), pearson(there, here)) < 1e-11
    np.testing.assert_allclose(facts(there), facts(here), rtol=1e-12)
    assert [one.kind for one in there.estimate.convergence.trace] == [
        one.kind for one in here.estimate.convergence.trace
    ]


@pytest.mark.parametrize("solver", ["newton", "ladder"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_single_precision_loses_no_more_than_is_said(formula, solver):
    here = fitted(formula, Control(memory=0, solver=solver))
    there = fitted(formula, Control(memory=0, solver=solver, device="cpu:0", precision="float32"))
    assert there.status == "converged"
    assert there.estimate.convergence.iterations <= here.estimate.convergence.iterations + 3
    assert max(*apart(there, here), pearson(there, here)) < 1e-6
    np.testing.assert_allclose(facts(there), facts(here), rtol=1e-9)


@pytest.mark.parametrize("pair", list(pairs()), ids="-".join)
def test_every_family_and_link(pair):
    data = pd.DataFrame(rows(*pair, 2000))
    fits = []
    for control in (HERE, DOUBLE, SINGLE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResponseWarning)
            fits.append(
                glmstat.glm(
                    "y ~ x0 + x1 + x2 + offset(o)",
                    data,
                    pair[0],
                    link=pair[1],
                    weights="w",
                    control=control,
                )
            )
    assert max(*apart(fits[1], fits[0]), pearson(fits[1], fits[0])) < 1e-11
    np.testing.assert_allclose(facts(fits[1]), facts(fits[0]), rtol=1e-12)
    assert max(*apart(fits[2], fits[0]), pearson(fits[2], fits[0])) < 5e-6  # x1 is far from 0 for its spread
    np.testing.assert_allclose(facts(fits[2]), facts(fits[0]), rtol=1e-9)


HARD = {
    "scales": ("y ~ huge + tiny + x2", {"huge": lambda d: d.x0 * 1e40, "tiny": lambda d: d.x1 * 1e-50}),
    "near": ("y ~ x0 + near", {"near": lambda d: d.x0 + 0.01 * d.x1}),
    "aliased": ("y ~ x0 + x1 + both + x2", {"both": lambda d: d.x0 - 2 * d.x1}),
    "rare": ("y ~ x0 + rare", {"rare": lambda d: (np.arange(N) > N - 200) * 1.0}),
    "separated": ("y ~ x0 + none", {"none": lambda d: np.where(d.y == 0, d.x4 > 1.5, 0.0)}),
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("solver", ["newton", "ladder"])
def test_hard_designs(case, solver):
    formula, columns = HARD[case]
    data = DATA.assign(**columns)
    fits = []
    for control in (HERE, DOUBLE, SINGLE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits.append(
                glmstat.glm(
                    formula,
                    data,
                    "poisson",
                    control=Control(
                        memory=0, solver=solver, device=control.device, precision=control.precision
                    ),
                )
            )
    here, double, single = fits
    assert double.status == single.status == here.status
    assert set(double.estimate.aliased) == set(single.estimate.aliased) == set(here.estimate.aliased)
    assert max(apart(double, here)) < 1e-9
    assert max(apart(single, here)) < (1e-5 if case == "near" else 1e-6)  # variances grow 10,000 times


def test_rows_at_the_end_of_a_domain_count_as_on_the_processor():
    data = pd.DataFrame({"y": np.repeat([1.0, 0.0, 1.0], 1000), "x": np.tile([60.0, -60.0, 800.0], 1000)})
    data["y"] = (data["x"] > 0) * 1.0
    likelihood = GLM(as_family("binomial"))
    with pytest.warns(SeparationWarning):
        call = glmstat.glm("y ~ x", data, "binomial").spec.call
    found = []
    for control in (HERE, DOUBLE):
        frame = frame_for(call.changed(data=data, control=control), likelihood)
        found.append(open_workspace(frame, likelihood).facts(np.array([0.0, 1.0]), None))
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


@pytest.mark.parametrize("place, apart", [(0.985, True), (0.995, False), (1.0, False)])
def test_columns_that_single_precision_tells_apart(place, apart):
    """Of a second column 1 - r^2 is left, of which a hundredth is asked."""
    gram = np.array([[4.0, 2.0 * place**0.5], [2.0 * place**0.5, 1.0]])
    assert device._apart(gram) is apart


def test_parquet_and_dask_on_a_device(tmp_path):
    pytest.importorskip("pyarrow")
    formula = "y ~ x0 + x1*g + offset(log(t))"
    memory = glmstat.glm(formula, DATA, "poisson", control=DOUBLE)
    DATA.to_parquet(tmp_path / "rows.parquet", row_group_size=7000)
    assert glmstat.glm(formula, str(tmp_path / "rows.parquet"), "poisson", control=DOUBLE) == memory
    dask = pytest.importorskip("dask.dataframe")
    parts = dask.from_pandas(DATA, npartitions=3)
    there = glmstat.glm(formula, parts, "poisson", control=DOUBLE)
    assert max(apart(there, memory)) < 1e-11


def test_a_device_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    for memory in (0, 16e6):
        with pytest.raises(ArgumentError, match=r"torch finds no device 'cuda' here.*Use Control\(device="):
            glmstat.glm("y ~ x0", DATA.head(100), "poisson", control=Control(memory=memory, device="cuda"))


@pytest.mark.parametrize("word", ["half", "float16", None])
def test_unknown_precision(word):
    with pytest.raises(ArgumentError, match="Unknown precision"):
        Control(precision=word)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("gpu", "'cuda' is a GPU of NVIDIA"),
        ("cpu:1", "Did you mean 'cpu'"),
        *((name, "Known: cpu, cuda, xpu") for name in ("cuda:x", "mps", "cpu:0:1")),
    ],
)
def test_unknown_device(name, remedy):
    with pytest.raises(ArgumentError, match=f"Unknown device: '{name}'.*{remedy}"):
        Control(device=name)


def refused(*_, **__):
    raise AssertionError("sent to a device")


def test_what_stays_here(monkeypatch):
    """Small data, the user's own functions, and the networks' last layer."""
    monkeypatch.setattr(device, "place", refused)
    small = glmstat.glm("y ~ x0", DATA.head(500), "poisson", control=Control(device="cpu:0"))
    assert small == glmstat.glm("y ~ x0", DATA.head(500), "poisson")
    with pytest.raises(AssertionError, match="sent to a device"):
        glmstat.glm("y ~ x0", DATA.head(500), "poisson", control=DOUBLE)
    own = Custom("own", np.log, np.exp, np.exp, np.exp, (0.0, np.inf))
    assert glmstat.glm("y ~ x0", DATA.head(500), "poisson", link=own, control=DOUBLE).status == "converged"
    arguments = {**small.spec.call.arguments, "data": DATA, "control": DOUBLE}
    assert frame_for(Call("glm", arguments), small.spec.likelihood).device == Device("cpu:0")
    assert frame_for(Call("rglm", arguments), small.spec.likelihood).device is None


def test_a_device_is_a_name_that_can_be_sent():
    there = Device("cuda:1", "float32")
    assert pickle.loads(pickle.dumps(there)) == there


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no device here")
@pytest.mark.parametrize("formula", FORMULAS)
def test_the_device_itself(formula):
    here = fitted(formula, HERE)
    for precision, near in (("float64", 1e-10), ("float32", 1e-6)):
        control = Control(memory=0, device="cuda", precision=precision)
        there = glmstat.glm(formula, DATA, "poisson", control=control)
        assert max(apart(there, here)) < near
        assert there == glmstat.glm(formula, DATA, "poisson", control=control)  # the same bits again
