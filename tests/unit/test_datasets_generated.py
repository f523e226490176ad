"""The generated data sets: their laws, their cards, and what simple models lose on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glmstat import datasets, glm
from glmstat.errors import ArgumentError

FAMILIES = {"gaussian": (0.0, 0.5, 1.0), "binomial": (-0.3, 0.5, 1.0), "poisson": (-0.2, 0.3, 0.6)}

LINEAR = "claims ~ region + brand + {} + {} + power + density + bonus + offset(log(exposure))"
AGES = "cut(age, c(17, 21, 26, 31, 41, 51, 71, 91))", "cut(vehicle_age, c(-1, 1, 3, 6, 10, 15, 41))"
MODELS = {
    "homogeneous": ("claims ~ offset(log(exposure))", 1.334),
    "linear": (LINEAR.format("age", "vehicle_age"), 0.357),
    "binned": (LINEAR.format(*AGES), 0.140),
}


@pytest.fixture(scope="module")
def policies() -> pd.DataFrame:
    return datasets.generate("policies", truth=True)


@pytest.fixture(scope="module")
def fresh() -> pd.DataFrame:
    return datasets.generate("policies", 200_000, seed=2, truth=True)


def excess(data: pd.DataFrame, fitted: np.ndarray) -> float:
    """Excess of the mean unit deviance over that of the true mean, times 100."""
    mean = data["mean"].to_numpy()
    return 200 * float(np.mean(mean * np.log(mean / fitted) - mean + fitted))


@pytest.mark.parametrize("model", MODELS)
def test_simple_models_lose_what_they_should(model, policies, fresh):
    formula, expected = MODELS[model]
    fitted = glm(formula, policies, "poisson").predict(fresh)
    assert excess(fresh, np.asarray(fitted, dtype=float).ravel()) == pytest.approx(expected, rel=0.2)


def test_columns_of_policies_follow_their_laws(policies):
    """Means of the laws as written; four standard errors of a mean of 100,000 rows."""
    beta, gamma = 1.8 / (1.8 + 2.8), 1.6 * 4.5
    means = {
        "exposure": 0.3 + 0.7 * (0.02 + 1) / 2,
        "age": 18 + 72 * beta,
        "vehicle_age": gamma,  # of which 40 cuts off 0.02
        "power": 8.0,
        "density": 6.0,
        "bonus": 50 + 0.45 * 22,  # of which 150 cuts off 0.01
    }
    for name, mean in means.items():
        values = policies[name]
        assert abs(values.mean() - mean) < 4 * values.std() / np.sqrt(len(values)) + 0.02, name
    shares = policies["region"].value_counts(normalize=True)
    assert shares["R01"] == pytest.approx(0.25, abs=0.006)
    assert shares.drop("R01").to_numpy() == pytest.approx(np.full(21, 0.75 / 21), abs=0.0025)
    assert policies["brand"].value_counts(normalize=True).to_numpy() == pytest.approx(1 / 11, abs=0.004)
    low, high = policies[["vehicle_age", "density", "bonus"]].agg(["min", "max"]).to_numpy()
    assert (low >= [0, 0, 50]).all() and (high <= [40, 10.5, 200]).all()


def test_the_truth_of_policies_is_the_model_as_written(policies):
    age, power, bonus = (policies[name].to_numpy() for name in ("age", "power", "bonus"))
    vehicle, place = policies["vehicle_age"].to_numpy(), policies["density"].to_numpy() - 6
    bent = -2.95 + 0.9 * np.exp((18 - age) / 6) + (age - 50) ** 2 / 2500 + 0.01 * (bonus - 50) + 0.09 * place
    bent += -0.25 * np.tanh((vehicle - 10) / 4) + 0.06 * (power - 6) * np.exp((18 - age) / 15)
    rest = policies["eta"] - bent - 0.12 * place * (vehicle < 3)
    cells = rest.groupby([policies["region"], policies["brand"]], observed=True)
    assert cells.std().max() < 1e-12
    table = cells.mean().unstack()
    effects = table.to_numpy()
    crossed = effects - effects.mean(0) - effects.mean(1, keepdims=True) + effects.mean()
    assert np.abs(crossed).max() < 1e-12
    assert 0.15 < table.mean(axis=1).std() < 0.35 and 0.1 < table.mean().std() < 0.3
    assert policies["mean"].to_numpy() == pytest.approx(policies["exposure"] * np.exp(policies["eta"]))


def test_claims_are_poisson_with_the_true_mean(policies):
    count, mean = policies["claims"], policies["mean"]
    assert abs(count.sum() - mean.sum()) < 4 * np.sqrt(mean.sum())
    pearson = ((count - mean) ** 2 / mean).mean()
    assert pearson == pytest.approx(1, abs=4 * np.sqrt((2 + (1 / mean).mean()) / len(mean)))


def test_effects_of_regions_belong_to_the_model_and_not_to_the_seed(policies, fresh):
    formula = "eta ~ region + brand + bonus + density + cut(age, 30) + cut(vehicle_age, 30)"
    first, second = (glm(formula, data).coef.filter(like="region") for data in (policies, fresh))
    assert np.corrcoef(first, second)[0, 1] > 0.999


@pytest.mark.parametrize("family", FAMILIES)
def test_confounded_is_the_model_as_written(family):
    data = datasets.generate("confounded", 20_000, seed=4, family=family, truth=True)
    constant, effect, strength = FAMILIES[family]
    z1, z2, z3, z4, z5 = (data[f"z{number}"] for number in range(1, 6))
    f = 0.7 * np.sin(1.5 * z1) + 0.4 * (z2**2 - 1) + 0.4 * z3 * z4 + 0.2 * z5
    m = 0.8 * np.sin(1.5 * z1) + 0.4 * (z2**2 - 1) + 0.3 * z5
    assert data["eta"].to_numpy() == pytest.approx(constant + effect * data["d"] + strength * f, abs=1e-12)
    z = data.filter(like="z").to_numpy()
    assert np.abs(z).max() < np.sqrt(3)
    assert np.cov(z.T) == pytest.approx(np.eye(5), abs=0.04)
    noise = data["d"] - m
    assert abs(noise.mean()) < 4 / np.sqrt(20_000) and noise.std() == pytest.approx(1, abs=0.02)
    oracle = glm("y ~ d + offset(f)", data.assign(f=strength * f), family)
    assert abs(oracle.coef["d"] - effect) < 4 * oracle.stderror()["d"]
    assert oracle.coef["Intercept"] == pytest.approx(constant, abs=4 * oracle.stderror()["Intercept"])


def test_a_seed_gives_a_table():
    first, again, other = (datasets.generate("policies", 500, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["age"].equals(other["age"])


@pytest.mark.parametrize("name", ["policies", "confounded"])
def test_a_generated_table_has_the_columns_of_its_card(name):
    card, table = datasets.describe(name.upper()), datasets.generate(name, 3000)
    assert [column.name for column in card.columns] == list(table.columns)
    for column in card.columns:
        assert column.description
        assert tuple(table[column.name].cat.categories if column.levels else ()) == column.levels
    assert f"{card.rows} rows or as many as asked for, " in str(card)
    assert card.licence_class == "C" and name not in datasets.list()
    assert len(datasets.generate(name)) == card.rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "policy"}, "No data set of this name is generated: 'policy'. Did you mean 'policies'?"),
        ({"name": "trips"}, "No data set of this name is generated: 'trips'. Known: policies, confounded."),
        ({"rows": 0}, "rows must be a whole number >= 1: 0."),
        ({"rows": 2.5}, "rows must be a whole number >= 1: 2.5."),
        ({"seed": -1}, "seed must be a whole number >= 0: -1."),
        ({"seed": True}, "seed must be a whole number >= 0: True."),
        ({"family": "gamma"}, "'policies' has no family 'gamma'. Known: poisson."),
    ],
)
def test_what_cannot_be_generated_is_refused(arguments, message):
    with pytest.raises(ArgumentError) as caught:
        datasets.generate(**({"name": "policies"} | arguments))
    assert str(caught.value) == message


def test_a_generated_set_is_no_table():
    with pytest.raises(ArgumentError, match=r"drawn on demand: 'policies'. Use generate\('policies'\)"):
        datasets.load("policies")
