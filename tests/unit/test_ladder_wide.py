"""The ascent by subsamples against plain Newton where factors of many levels stay codes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, glm
from glmstat.copies import Copies
from glmstat.data.results import dumped, loaded
from glmstat.solve.rungs import moves, take_rungs
from glmstat.solve.scaling import open_workspace
from glmstat.workspace import Workspace
from tests.unit.framed import framed
from tests.unit.rows import likelihood

N = 60_000
REACHED = "reached the maximum"
FORMULA = "y ~ x + z + C(g) + C(h)"


def table(family="poisson", shift=0.0, seed=1, rows=N):
    """Two factors of 20 and 120 levels, two columns of numbers, weights and an exposure."""
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 20, rows), rng.integers(0, 120, rows)
    x, z, t = rng.normal(size=rows), rng.uniform(-1, 1, rows), rng.uniform(0.5, 2.0, rows)
    eta = shift + 0.2 * x - 0.3 * z + rng.normal(0, 0.3, 20)[g] + rng.normal(0, 0.3, 120)[h]
    mean = t * np.exp(eta)
    y = {
        "binomial": lambda: (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(float),
        "gamma": lambda: mean * rng.gamma(2.0, 0.5, rows),
        "negative_binomial(2)": lambda: rng.poisson(mean * rng.gamma(2.0, 0.5, rows)),
        "gaussian": lambda: mean + rng.normal(size=rows),
    }.get(family, lambda: rng.poisson(mean))()
    weights, counted = rng.integers(1, 4, rows) / 2, rng.integers(0, 3, rows)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g, "h": h, "t": t, "w": weights, "k": counted})


def both(data, family="poisson", formula=FORMULA, **words):
    """The fits by plain Newton and by the ladder, of rows that each pass reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(
            glm(formula, data, family, control=Control(solver=solver, memory=0), **words)
            for solver in ("newton", "auto")
        )


def same(newton, ladder, errors=1e-6):
    """Check that two fits are the same."""
    assert ladder.status == newton.status
    assert ladder.estimate.convergence.separation == newton.estimate.convergence.separation
    assert list(ladder.estimate.aliased) == list(newton.estimate.aliased)
    np.testing.assert_array_equal(ladder.estimate.infinite, newton.estimate.infinite)
    wanted = np.asarray(newton.stderror())
    free = np.isfinite(wanted)
    apart = np.abs(np.asarray(ladder.coef)[free] - np.asarray(newton.coef)[free]) / wanted[free]
    assert apart.max() < 1e-10
    np.testing.assert_allclose(np.asarray(ladder.stderror())[free], wanted[free], rtol=errors)
    for fact in ("deviance", "loglik", "null_deviance"):
        assert getattr(ladder, fact) == pytest.approx(getattr(newton, fact), rel=1e-11, nan_ok=True)


def kinds(fit):
    return [step.kind for step in fit.estimate.convergence.trace]


@pytest.mark.parametrize(
    ("family", "link", "formula", "words"),
    [
        ("poisson", None, FORMULA, {}),
        ("poisson", None, f"{FORMULA} + offset(log(t))", {}),
        ("poisson", None, FORMULA, {"weights": "w"}),
        ("poisson", None, FORMULA, {"freq_weights": "k"}),
        ("poisson", None, "y ~ 0 + C(h) + x", {}),
        ("poisson", None, "y ~ z + C(g) + C(h) + C(h):x", {"subset": "x > -1"}),
        ("poisson", None, "y ~ z + C(g, sum) + C(h, sum)", {}),
        ("binomial", None, FORMULA, {}),
        ("binomial", "cloglog", FORMULA, {"weights": "w"}),
        ("negative_binomial(2)", None, FORMULA, {}),
        ("quasipoisson", None, FORMULA, {}),
    ],
)
def test_factors_that_stay_codes_are_climbed(family, link, formula, words):
    newton, ladder = both(table(family, shift=1.0), family, formula, link=link, **words)
    end = ladder.estimate.convergence
    assert end.ladder == REACHED
    same(newton, ladder)
    found = kinds(ladder)
    assert "sample" in found and found.count("information") == 2 and found[-1] == "information"
    assert not {"certificate", "extremes"} & set(found)
    own = [step for step in end.trace if step.kind != "sample"]
    assert [step.kind for step in own[:2]] == ["score", "information"]
    assert all(step.rows > 6_000 for step in own)


@pytest.mark.parametrize("order", ["g", "h", "x", "y"])
def test_sorted_rows_are_climbed(order):
    data = table(shift=1.0).sort_values(order, kind="stable", ignore_index=True)
    newton, ladder = both(data)
    assert ladder.estimate.convergence.ladder == REACHED
    same(newton, ladder)


def test_a_constant_information_needs_no_subsample():
    newton, ladder = both(table("gamma"), "gamma", link="log", weights="w")
    assert ladder.estimate.convergence.ladder == REACHED
    same(newton, ladder)
    assert kinds(ladder)[0] == "start" and set(kinds(ladder)[1:]) == {"score"}


def with_rare_levels(family, events):
    """Thirty more levels of few rows each, which a subsample has in part or not at all."""
    data, rng = table(family, shift=1.0 if family == "poisson" else 0.0), np.random.default_rng(5)
    rows = rng.choice(N, 180, replace=False)
    data.loc[rows, "h"] = 200 + np.arange(180) % 30
    if not events:
        data.loc[data["h"] == 207, "y"] = 0
    return data


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_levels_that_the_subsample_lacks_are_climbed_and_certified(family):
    data = with_rare_levels(family, events=True)
    pure = data.groupby("h")["y"].transform("mean")
    data = data[(pure > 0) & (pure < 1)] if family == "binomial" else data[pure > 0]
    newton, ladder = both(data.reset_index(drop=True), family)
    assert ladder.estimate.convergence.ladder == REACHED
    assert ladder.estimate.convergence.separation == "finite"
    same(newton, ladder)
    assert kinds(ladder)[-1] == "certificate" and "sample" in kinds(ladder)


def test_a_level_without_events_is_separated_as_by_plain_newton():
    newton, ladder = both(with_rare_levels("poisson", events=False))
    assert ladder.status == newton.status == "separated"
    same(newton, ladder)
    assert ladder.coef["C(h)[T.207]"] == -np.inf


def test_rare_events_end_where_plain_newton_does():
    data = table("binomial", shift=-4.0)
    newton, ladder = both(data, "binomial")
    same(newton, ladder)
    assert ladder.estimate.convergence.ladder


def test_collinear_factors_lose_the_same_columns():
    data = table(rows=20_000)
    data["g"] = data["h"] // 6
    newton, ladder = both(data, formula="y ~ x + C(h) + C(g)")
    assert len(ladder.estimate.aliased) == 19
    same(newton, ladder)


def test_a_tight_tolerance_gives_nine_digits_of_the_errors():
    data = table(shift=1.0)
    fits = [
        glm(FORMULA, data, "poisson", control=Control(solver=solver, memory=0, tolerance=1e-12))
        for solver in ("newton", "ladder")
    ]
    assert fits[1].estimate.convergence.ladder == REACHED
    same(*fits, errors=1e-9)


@pytest.mark.parametrize("workers", [2, 8])
def test_bits_do_not_depend_on_the_workers(workers):
    data = table(shift=1.0, rows=200_000)
    one, many = (glm(FORMULA, data, "poisson", control=Control(workers=w, memory=0)) for w in (1, workers))
    assert one.estimate.convergence.ladder == REACHED
    np.testing.assert_array_equal(one.coef, many.coef)
    np.testing.assert_array_equal(one.stderror(), many.stderror())


@pytest.mark.parametrize("formula", [FORMULA, "y ~ 0 + C(h) + z", "y ~ x * C(h) + C(g):C(h)"])
def test_a_copy_of_rows_keeps_factors_as_codes(formula):
    data = table(rows=9_000)
    frame = framed(formula, data, memory=0, subset="z < 0.5")
    (block,) = frame.sample([slice(40, 900), slice(5_000, 5_003), slice(8_990, 9_000)])
    rows = np.concatenate([np.arange(40, 900), np.arange(5_000, 5_003), np.arange(8_990, 9_000)])
    rows = rows[data["z"].to_numpy()[rows] < 0.5]
    np.testing.assert_array_equal(block.source_rows(slice(None)), rows)
    np.testing.assert_array_equal(block.y, data["y"].to_numpy()[rows])
    whole = np.vstack([one.X[0].to_array() for one in frame.blocks()])
    entered = np.concatenate([one.source_rows(slice(None)) for one in frame.blocks()])
    np.testing.assert_array_equal(block.X[0].to_array(), whole[np.searchsorted(entered, rows)])
    split = block.X[0].split()
    assert frame.stored == split.plain + len(split.coded) < len(frame.columns) / 4
    again = loaded(dumped(Copies((block,))) or b"").blocks[0]
    np.testing.assert_array_equal(again.X[0].to_array(), block.X[0].to_array())


def test_a_step_moves_coded_rows_as_it_moves_dense_ones():
    data, model = table(), likelihood("poisson")
    frame = framed(FORMULA, data, memory=0)
    (rung,) = take_rungs(frame)
    sample = Workspace(**{**fields(open_workspace(frame, model, None, rung)), "frame": rung})
    delta = np.random.default_rng(3).normal(size=sample.size)
    (block,) = rung.blocks
    change = block.X[0].to_array() @ (sample.transform @ delta)
    found = moves(sample, delta)
    assert found.weight == pytest.approx(block.total.sum())
    assert found.squares == pytest.approx(np.sum(change**2))
    assert found.fourths == pytest.approx(np.sum(change**4))
    assert found.largest == pytest.approx(np.abs(change).max())


def fields(workspace):
    return {name: getattr(workspace, name) for name in workspace.__dataclass_fields__ if name[0] != "_"}


def test_rows_that_are_copied_have_their_columns_written_out():
    data = table(rows=6_000, shift=1.0)
    newton, ladder = (glm(FORMULA, data, "poisson", control=Control(solver=s)) for s in ("newton", "ladder"))
    assert len(framed(FORMULA, data).coded) == 0
    assert ladder.estimate.convergence.ladder
    same(newton, ladder)
