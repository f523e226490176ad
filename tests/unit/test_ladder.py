"""The ascent by subsamples against plain Newton, on rows in every order that could mislead it."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from glmstat import Control, datasets, glm
from glmstat.errors import ArgumentError, GlmstatWarning
from glmstat.solve.estimate import fit_estimate
from glmstat.solve.rungs import spread_runs, take_rungs
from glmstat.solve.scaling import open_workspace
from glmstat.solve.together import together
from tests.unit.framed import framed
from tests.unit.rows import Rows, likelihood

N = 40_960
BETA = np.array([-0.5, 0.3, -0.3, 0.2, 0.1, 0.4])
REACHED = "reached the maximum"
FLAT = "the response is constant in the subsample"
COLLINEAR = "the columns of the subsample are close to collinear"
FELL = "a step lowered the likelihood"
SLOW = "the steps by another information than that of all rows shorten too slowly"
SEPARATED = "the subsample may be separated"


def design(rng, rows=N):
    return np.column_stack([np.ones(rows), rng.normal(size=(rows, 5))])


def binary(rng, eta):
    return (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)


def ordered(key):
    """Rows of a logistic model sorted by a function of X and y."""
    rng = np.random.default_rng(1)
    X = design(rng)
    y = binary(rng, X @ BETA)
    order = np.argsort(key(X, y), kind="stable")
    return {"X": X[order], "y": y[order]}


def drifting():
    rng = np.random.default_rng(2)
    X = design(rng)
    return {"X": X, "y": binary(rng, X @ BETA + np.linspace(-0.5, 0.5, N) * X.sum(axis=1))}


def rare(last):
    rng = np.random.default_rng(3)
    X = design(rng)
    y = binary(rng, X @ BETA - 6.5)
    order = np.argsort(y, kind="stable") if last else np.arange(N)
    return {"X": X[order], "y": y[order]}


def with_level(place):
    rng = np.random.default_rng(4)
    X = np.column_stack([design(rng), np.arange(N) // 300 == place])
    return {"X": X, "y": binary(rng, X @ [*BETA, 1.0])}


def cycling():
    rng = np.random.default_rng(5)
    level = (np.arange(N) // 256) % 8
    X = np.column_stack([design(rng), *(level == k for k in range(1, 8))])
    return {"X": X, "y": binary(rng, X[:, :6] @ BETA + 0.1 * level)}


def weightless():
    rng = np.random.default_rng(6)
    X = design(rng)
    return {"X": X, "y": binary(rng, X @ BETA), "weights": rng.random(N) < 0.1}


def one_run():
    rng = np.random.default_rng(7)
    X, offset = design(rng), np.full(N, -8.0)
    offset[N // 3 : N // 3 + 2048] = 0.0
    return {"X": X, "y": rng.poisson(np.exp(X @ BETA + offset)), "offset": offset}


def leverage():
    rng = np.random.default_rng(8)
    X = design(rng)
    X[rng.choice(N, 200, replace=False), 1:] *= 30
    return {"X": X, "y": binary(rng, np.clip(X @ BETA / 10, -4, 4))}


def separated_subsample():
    rng = np.random.default_rng(9)
    X = design(rng)[:, :2]
    y = X[:, 1] > 0
    y[-75:] = ~y[-75:]
    return {"X": X, "y": y}


def collinear(noise):
    rng = np.random.default_rng(10)
    X = design(rng)
    y = binary(rng, X @ BETA)
    return {"X": np.column_stack([X, X[:, 1] + X[:, 2] + noise * rng.normal(size=N)]), "y": y}


def badly_scaled():
    rng = np.random.default_rng(11)
    X = design(rng)
    y = binary(rng, X @ BETA)
    return {"X": X * [1, 1e-100, 1e100, 1e-2, 1, 1] + [0, 0, 0, 1e6, 0, 0], "y": y}


HOSTILE = {
    "any order": (ordered(lambda X, y: np.zeros(N)), REACHED),
    "sorted by x": (ordered(lambda X, y: X[:, 1]), REACHED),
    "sorted by eta": (ordered(lambda X, y: X @ BETA), REACHED),
    "drift": (drifting(), REACHED),
    "sorted by y": (ordered(lambda X, y: y), REACHED),
    "rare ones": (rare(last=False), SLOW),
    "rare ones at the end": (rare(last=True), FLAT),
    "level of 300 rows": (with_level(7), COLLINEAR),
    "level of 300 rows, seen in part": (with_level(5), SLOW),
    "factor cycling with the runs": (cycling(), None),
    "90 % zero weights": (weightless(), REACHED),
    "one run with the information": (one_run(), FELL),
    "200 rows of leverage": (leverage(), SLOW),
    "separated subsample": (separated_subsample(), SEPARATED),
    "collinear": (collinear(0.0), COLLINEAR),
    "nearly collinear": (collinear(1e-7), COLLINEAR),
    "badly scaled": (badly_scaled(), REACHED),
}


def standard_errors(estimate):
    return np.linalg.norm(estimate.information.inverse_root, axis=1)


def both(family, data, link=None, dispersion=None, **words):
    """The fit by plain Newton and the one by the ladder, on a frame whose rows are read anew each time."""
    model = likelihood(family, link)
    frame = Rows(**data, small=False, block_rows=8192)
    return tuple(
        fit_estimate(frame, model, control=Control(solver=solver, **words), dispersion=dispersion)
        for solver in ("newton", "ladder")
    )


def difference(newton, ladder):
    """The largest difference of the coefficients in standard errors."""
    with np.errstate(invalid="ignore"):
        return np.nanmax(np.abs(newton.coef - ladder.coef) / standard_errors(newton))


def kinds(estimate):
    return [step.kind for step in estimate.convergence.trace]


@pytest.mark.parametrize("order", HOSTILE)
def test_order_of_the_rows_does_not_matter(order):
    data, ending = HOSTILE[order]
    newton, ladder = both("poisson" if "run with" in order else "binomial", data)
    assert ladder.convergence.status == newton.convergence.status == "converged"
    assert ladder.convergence.separation == "finite"
    assert ladder.aliased == newton.aliased
    assert ending in (None, ladder.convergence.ladder)
    assert difference(newton, ladder) < 1e-9
    np.testing.assert_allclose(standard_errors(ladder), standard_errors(newton), rtol=1e-6)
    for fact in ("deviance", "loglik"):
        assert getattr(ladder, fact) == pytest.approx(getattr(newton, fact), rel=1e-12)
    assert ladder.null.deviance == pytest.approx(newton.null.deviance, rel=1e-10)
    if ending == REACHED:
        assert kinds(ladder).count("information") == 1
        assert not {"certificate", "extremes"} & set(kinds(ladder))


MODELS = [
    ("gaussian", "identity"),
    ("gamma", "log"),
    ("poisson", "log"),
    ("binomial", "logit"),
    ("binomial", "cloglog"),
    ("binomial", "probit"),
    ("negative_binomial(2)", "log"),
    ("inverse_gaussian", "log"),
    ("tweedie(1.5)", "log"),
    ("quasipoisson", "log"),
    ("gamma", "inverse"),
]


def sound(family, link, rows=20_000, offset=True):
    """Rows of a model whose maximum is easy, with weights and an offset."""
    rng = np.random.default_rng(12)
    X = np.column_stack([np.ones(rows), rng.uniform(-1, 1, size=(rows, 3))])
    given = 0.3 * rng.random(rows)
    eta = X @ [1.0, 0.2, -0.3, 0.1] + given
    mean = {"identity": eta, "inverse": 1 / eta}.get(link, np.exp(eta))
    y = {
        "gaussian": lambda: eta + rng.normal(size=rows),
        "gamma": lambda: mean * rng.gamma(2.0, 0.5, size=rows),
        "binomial": lambda: (rng.random(rows) < 0.4).astype(float),
        "inverse_gaussian": lambda: mean * rng.wald(1.0, 3.0, size=rows),
        "negative_binomial(2)": lambda: rng.poisson(mean * rng.gamma(2.0, 0.5, size=rows)),
        "tweedie(1.5)": lambda: np.where(rng.random(rows) < 0.2, 0.0, mean * rng.gamma(2.0, 0.6, size=rows)),
    }.get(family, lambda: rng.poisson(mean))()
    return {"X": X, "y": y, "weights": rng.integers(1, 4, rows) / 2, "offset": given if offset else None}


@pytest.mark.parametrize("tolerance", [1e-8, 1e-12])
@pytest.mark.parametrize(("family", "link"), MODELS)
def test_every_model_ends_where_newton_does(family, link, tolerance):
    newton, ladder = both(family, sound(family, link), link, tolerance=tolerance)
    assert ladder.convergence.status == newton.convergence.status == "converged"
    wanted = "the predictors have an edge, which every step must look for" if link == "inverse" else REACHED
    assert ladder.convergence.ladder == wanted
    assert difference(newton, ladder) < (1e-9 if tolerance > 1e-10 else 1e-11)
    digits = 1e-6 if tolerance > 1e-10 else 1e-8
    np.testing.assert_allclose(standard_errors(ladder), standard_errors(newton), rtol=digits)
    assert ladder.dispersion.value == pytest.approx(newton.dispersion.value, rel=digits)
    for fact in ("rows", "weight", "df_residual"):
        assert getattr(ladder, fact) == getattr(newton, fact)
    assert ladder.deviance == pytest.approx(newton.deviance, rel=1e-11)
    assert ladder.loglik == pytest.approx(newton.loglik, rel=1e-11, nan_ok=True)
    assert ladder.null.deviance == pytest.approx(newton.null.deviance, rel=1e-9)


def test_a_constant_information_is_summed_once():
    for family, link, passes in (("gaussian", "identity", 1), ("gamma", "log", None)):
        found = kinds(both(family, sound(family, link), link)[1])
        assert found.count("information") == 1
        assert passes is None or len([kind for kind in found if kind != "sample"]) == passes


def test_without_a_subsample_the_sums_of_the_start_give_the_constant_information():
    rng = np.random.default_rng(13)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 79))])
    for family in ("gaussian", "gamma"):
        y = np.exp(0.1 * X[:, 1]) * rng.gamma(50.0, 0.02, size=300)
        link = "identity" if family == "gaussian" else "log"
        newton, ladder = both(family, {"X": X, "y": y, "offset": 0.1 * X[:, 2]}, link)
        assert kinds(ladder)[0] == "start" and "information" not in kinds(ladder)[1:]
        assert difference(newton, ladder) < 1e-9
        assert ladder.null.deviance == pytest.approx(newton.null.deviance, rel=1e-10)
        np.testing.assert_allclose(standard_errors(ladder), standard_errors(newton), rtol=1e-8)


def test_a_penalty_is_multiplied_down_for_the_subsample():
    data, model = sound("poisson", "log"), likelihood("poisson")
    penalty = np.diag([0.0, 50.0, 500.0, 5.0])
    frame = Rows(**data, small=False, block_rows=8192)
    newton, ladder = (
        fit_estimate(frame, model, control=Control(solver=solver), penalty=penalty)
        for solver in ("newton", "ladder")
    )
    assert ladder.convergence.ladder == REACHED
    assert difference(newton, ladder) < 1e-9
    assert ladder.deviance == pytest.approx(newton.deviance, rel=1e-11)
    np.testing.assert_allclose(ladder.edf, newton.edf, rtol=1e-6)


def test_bits_do_not_depend_on_the_workers():
    data, model = sound("poisson", "log"), likelihood("poisson")
    found = [
        fit_estimate(
            Rows(**data, small=False, block_rows=1024, workers=workers),
            model,
            control=Control(solver="ladder"),
        )
        for workers in (1, 2, 8)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other.coef, found[0].coef)
        np.testing.assert_array_equal(other.information.root, found[0].information.root)
        assert (other.deviance, other.null.deviance) == (found[0].deviance, found[0].null.deviance)


def test_two_million_numbers_are_climbed_and_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(19)
    X = rng.normal(size=(130_000, 16))
    exposure = rng.uniform(0.5, 2.0, size=130_000)
    y = rng.poisson(exposure * np.exp(0.1 * X[:, :4].sum(axis=1)))
    data = {**{f"x{k}": column for k, column in enumerate(X.T)}, "t": exposure, "y": y}
    formula = "y ~ " + " + ".join(f"x{k}" for k in range(16)) + " + offset(log(t))"
    fits = [glm(formula, data, "poisson", control=Control(workers=workers)) for workers in (1, 2, 8)]
    assert fits[0].estimate.convergence.ladder == REACHED
    for other in fits[1:]:
        np.testing.assert_array_equal(other.coef, fits[0].coef)
        np.testing.assert_array_equal(other.stderror(), fits[0].stderror())
    Z, beta = np.column_stack([np.ones(130_000), X]), np.asarray(fits[0].coef)
    mu = exposure * np.exp(Z @ beta)
    information = (Z * mu[:, None]).T @ Z
    correction = np.linalg.solve(information, Z.T @ (y - mu))
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    assert np.abs(correction / errors).max() < 1e-9
    np.testing.assert_allclose(fits[0].stderror(), errors, rtol=1e-6)


def test_small_data_climb_too_where_they_are_told_to():
    rng = np.random.default_rng(14)
    x, level = rng.normal(size=600), rng.choice(["a", "b", "c"], size=600)
    data = {"x": x, "f": level, "t": 1 + rng.random(600), "y": rng.poisson(np.exp(0.3 * x + (level == "b")))}
    plain = glm("y ~ x + f + offset(log(t))", data, "poisson")
    forced = glm("y ~ x + f + offset(log(t))", data, "poisson", control=Control(solver="ladder"))
    assert plain.estimate.convergence.ladder == ""
    assert forced.estimate.convergence.ladder == REACHED
    np.testing.assert_allclose(forced.coef, plain.coef, rtol=1e-10)
    np.testing.assert_allclose(forced.stderror(), plain.stderror(), rtol=1e-6)


def test_passes_over_all_rows(monkeypatch):
    passes = []
    reduce = Rows.reduce
    monkeypatch.setattr(Rows, "reduce", lambda frame, kernel: (passes.append(1), reduce(frame, kernel))[1])
    counted = {}
    for order in ("any order", "level of 300 rows"):
        for solver in ("newton", "ladder"):
            passes.clear()
            frame = Rows(**HOSTILE[order][0], small=False, block_rows=8192)
            fit_estimate(frame, likelihood("binomial"), control=Control(solver=solver))
            counted[order, solver] = len(passes)
    assert (
        counted["any order", "ladder"] == 5
    )  # four scores and the information; nothing before or after them
    assert counted["level of 300 rows", "ladder"] < counted["level of 300 rows", "newton"]


def test_separated_data_are_found_out_as_without_the_ladder():
    rng = np.random.default_rng(15)
    X = design(rng, 8000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", GlmstatWarning)
        newton, ladder = both("binomial", {"X": X, "y": X[:, 1] > 0})
    assert ladder.convergence.ladder == SEPARATED
    assert ladder.convergence.status == newton.convergence.status == "separated"
    np.testing.assert_array_equal(ladder.infinite, newton.infinite)


def test_every_pass_is_told():
    _, ladder = both("poisson", sound("poisson", "log"))
    trace = ladder.convergence.trace
    assert [step.kind for step in trace][-1] == "information"
    assert {step.rows for step in trace if step.kind == "sample"} == {250, 2000}
    assert {step.rows for step in trace if step.kind != "sample"} == {20_000}
    scores = [step for step in trace if step.kind == "score"]
    assert all(b.decrement < 0.3 * a.decrement for a, b in pairwise(scores))
    assert all(a.deviance >= b.deviance - 1e-9 for a, b in pairwise(scores))
    assert scores[-1].deviance == pytest.approx(ladder.deviance, rel=1e-6)
    assert trace[0].deviance == pytest.approx(ladder.deviance, rel=0.5)
    assert ladder.convergence.iterations == len(scores) + 1


def test_few_iterations_are_plain_newtons_own():
    _, ladder = both("poisson", sound("poisson", "log"), max_iterations=2)
    assert ladder.convergence.ladder == "max_iterations is below 12"
    assert not {"sample", "score"} & set(kinds(ladder))


def test_runs_are_spread_and_never_overlap():
    for total, wanted in ((1_000_000, 65_000), (5000, 500), (100, 50), (7, 7), (3, 1)):
        runs = spread_runs(total, wanted)
        assert runs == spread_runs(total, wanted)
        assert all(0 <= run.start < run.stop <= total for run in runs)
        assert all(a.stop <= b.start for a, b in pairwise(runs))
        assert sum(run.stop - run.start for run in runs) <= wanted
    starts = np.array([run.start for run in spread_runs(1_000_000, 65_000)])
    assert np.array_equal(starts * len(starts) // 1_000_000, np.arange(len(starts)))
    assert len(np.unique(starts % 2048)) > 25


def test_the_first_rung_is_part_of_the_last():
    rng = np.random.default_rng(16)
    frame = Rows(design(rng, 200_000), rng.random(200_000), small=False)
    first, last = take_rungs(frame)
    assert 7 <= last.rows / first.rows <= 11 and last.rows == 20_000 - 20_000 % 1250
    some, all_of_them = (
        {row for block in rung.blocks for row in block.source_rows(slice(None))} for rung in (first, last)
    )
    assert len(some) == first.rows and len(all_of_them) == last.rows and some < all_of_them


def test_a_frame_gives_the_rows_that_enter():
    rng = np.random.default_rng(17)
    data = {"y": rng.poisson(2.0, 500), "x": rng.normal(size=500), "f": rng.choice(["a", "b"], 500)}
    data["x"][::3] = np.nan
    frame = framed("y ~ x + f", data)
    blocks = frame.sample([slice(10, 40), slice(300, 310)])
    rows = np.concatenate([block.rows for block in blocks])
    assert rows.tolist() == [row for row in (*range(10, 40), *range(300, 310)) if row % 3]
    X = np.vstack([block.X[0].to_array() for block in blocks])
    np.testing.assert_array_equal(X[:, 1], data["x"][rows])
    np.testing.assert_array_equal(X[:, 2], data["f"][rows] == "b")
    np.testing.assert_array_equal(np.concatenate([block.y for block in blocks]), data["y"][rows])
    assert frame.source_rows == 500


def test_several_sums_are_one_pass():
    rng = np.random.default_rng(18)
    frame, model = Rows(design(rng, 3000), rng.poisson(1.0, 3000), block_rows=512), likelihood("poisson")
    workspace, gamma = open_workspace(frame, model), np.full(6, 0.1)
    sums, counts = together(workspace, lambda one: one.pass_(gamma, "both"), lambda one: one.counts())
    alone = workspace.pass_(gamma, "both")
    assert counts == workspace.counts()
    np.testing.assert_array_equal(sums.score, alone.score)
    np.testing.assert_array_equal(sums.expected, alone.expected)
    assert sums.objective == alone.objective


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"solver": "laddr"}, "Unknown solver: 'laddr'. Known: auto, newton, ladder. Did you mean 'ladder'?"),
        ({"memory": -1}, "memory must be a number of bytes, >= 0: -1. The default is 16e6."),
        ({"memory": float("nan")}, "memory must be a number of bytes, >= 0: nan. The default is 16e6."),
        ({"memory": "2GB"}, "memory must be a number of bytes, >= 0: '2GB'. The default is 16e6."),
        ({"memory": True}, "memory must be a number of bytes, >= 0: True. The default is 16e6."),
        *(
            ({"tolerance": word}, f"tolerance must lie in (0, 0.01]: {word!r}. The default is 1e-8.")
            for word in ("a", None, True)
        ),
        *(
            (
                {"max_iterations": word},
                f"max_iterations must be a whole number >= 1: {word!r}. The default is 100.",
            )
            for word in ("a", None, 1.5, float("nan"), True, 0)
        ),
        *(
            (
                {"workers": word},
                f"workers must be a whole number from 1 to 1,024: {word!r}. Leave it out to use every core.",
            )
            for word in ("2", 1.5, float("nan"), True, 10**9, 0)
        ),
        ({"checkpoint": 3}, "checkpoint must be the path of a file: 3. Leave it out to keep none."),
        ({"checkpoint": ""}, "checkpoint must be the path of a file: ''. Leave it out to keep none."),
        ({"progress": 1}, "progress must be True, False or None: 1. None shows a bar if it takes long."),
    ],
)
def test_settings_that_say_nothing_are_refused(words, said):
    with pytest.raises(ArgumentError) as caught:
        Control(**words)
    assert str(caught.value) == said


def test_columns_far_from_zero_climb_the_ladder():
    """Centres of the columns must be the same on every rung."""
    data = datasets.generate("policies", 300_000)
    ladder = Control(solver="ladder", memory=0)
    fit = glm("claims ~ age + I(age**2) + offset(log(exposure))", data, "poisson", control=ladder)
    assert fit.estimate.convergence.ladder == "reached the maximum"


def test_settings_may_be_numbers_of_numpy_and_paths():
    given = Control(
        tolerance=np.float64(1e-9),
        max_iterations=np.int64(50),
        workers=np.int32(2),
        memory=np.int64(0),
        checkpoint=Path("folder") / "x",
        progress=np.bool_(True),
    )
    assert given == Control(1e-9, 50, 2, memory=0, checkpoint=str(Path("folder") / "x"), progress=True)
    assert [type(value) for value in (given.max_iterations, given.memory, given.progress)] == [int, int, bool]


@pytest.mark.parametrize("seed", [0, 1, 6, 8, 9, 10, 11, 12])
@pytest.mark.parametrize(("tolerance", "digits"), [(1e-8, 1e-6), (1e-12, 1e-9)])
def test_standard_errors_see_rows_that_no_subsample_has(seed, tolerance, digits):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 30_000))
    z[rng.integers(0, 30_000, 3)] *= 30
    data = {"x": x, "z": z, "y": rng.poisson(np.exp(-4 + 0.5 * x)).astype(float)}
    fit = glm("y ~ x + z", data, "poisson", control=Control(solver="ladder", memory=0, tolerance=tolerance))
    assert fit.estimate.convergence.ladder == REACHED
    X = np.column_stack([np.ones(30_000), x, z])
    coef = np.asarray(fit.coef)
    for _ in range(4):
        mean = np.exp(X @ coef)
        coef = coef + np.linalg.solve(X.T * mean @ X, X.T @ (data["y"] - mean))
    errors = np.sqrt(np.diag(np.linalg.inv(X.T * np.exp(X @ coef) @ X)))
    np.testing.assert_allclose(fit.stderror(), errors, rtol=digits)


@pytest.mark.parametrize("rows", [1, 3, 50, 700])
def test_a_model_without_coefficients_is_no_ladders_work(rows):
    data = {"y": np.arange(1.0, rows + 1), "t": np.full(rows, 2.0)}
    fit = glm("y ~ 0 + offset(log(t))", data, "poisson", control=Control(solver="ladder", memory=0))
    assert fit.deviance == pytest.approx(glm("y ~ 0 + offset(log(t))", data, "poisson").deviance, rel=1e-12)
