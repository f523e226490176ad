"""100,000 motor policies of a known risk: what each model loses against the truth, and what its fit costs.

The loss is the excess of the mean unit deviance over that of the true mean, times 100, on 200,000 other
policies. Beside a homogeneous, a linear and a binned GLM, and boosted trees with the settings that were best
in a five-fold cross-validation of eight. CPU seconds of one thread; predictions are not counted.
Aim: the defaults of rglm lose at most half of what the linear GLM loses, in at most 15 s a network.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from measure import installed, versions, write
from threadpoolctl import threadpool_limits

import glmstat

ROWS, FRESH = 100_000, 200_000
REST = "region + brand + power + density + bonus + offset(log(exposure))"
BINS = "cut(age, c(17, 21, 26, 31, 41, 51, 71, 91)) + cut(vehicle_age, c(-1, 1, 3, 6, 10, 15, 41))"
NETWORK = "claims ~ region + brand + nn(age, vehicle_age, power, density, bonus) + offset(log(exposure))"
COLUMNS = ["age", "vehicle_age", "power", "density", "bonus", "region", "brand"]
AIM = {"part_of_linear": 0.5, "seconds_per_network": 15.0}

Predict = Callable[[pd.DataFrame], Any]


def glm(formula: str) -> Callable[[pd.DataFrame], Predict]:
    return lambda data: glmstat.glm(f"claims ~ {formula}", data, "poisson").predict


def rglm(nets: int) -> Callable[[pd.DataFrame], Predict]:
    return lambda data: (
        glmstat.rglm(NETWORK, data, family="poisson", inference="none", nets=nets, seed=1).predict
    )


def trees(data: pd.DataFrame) -> Predict:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss="poisson",
        learning_rate=0.05,
        max_iter=200,
        max_leaf_nodes=4,
        min_samples_leaf=500,
        l2_regularization=100.0,
        categorical_features="from_dtype",
        early_stopping=False,
        random_state=1,
    )
    rate = data["claims"] / data["exposure"]
    model.fit(data[COLUMNS], rate, sample_weight=data["exposure"])
    return lambda new: model.predict(new[COLUMNS]) * new["exposure"]


MODELS = {
    "homogeneous": glm("offset(log(exposure))"),
    "linear": glm(f"age + vehicle_age + {REST}"),
    "binned": glm(f"{BINS} + {REST}"),
    "boosted trees": trees,
    "rglm, 1 net": rglm(1),
    "rglm, 2 nets": rglm(2),
}


def excess(fresh: pd.DataFrame, predict: Predict) -> float:
    with warnings.catch_warnings():  # a few fresh ages lie outside those of the fit
        warnings.simplefilter("ignore", glmstat.ExtrapolationWarning)
        fitted = np.asarray(predict(fresh), dtype=float).ravel()
    mean = fresh["mean"].to_numpy()
    return 200 * float(np.mean(mean * np.log(mean / fitted) - mean + fitted))


def measure(
    fit: Callable[[pd.DataFrame], Predict], data: pd.DataFrame, fresh: pd.DataFrame
) -> dict[str, float]:
    fit(data.head(20_000))
    wall, cpu = time.perf_counter(), time.process_time()
    predict = fit(data)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"excess": excess(fresh, predict), "cpu": cpu, "wall": wall}


def main() -> None:
    data = glmstat.datasets.generate("policies", ROWS)
    fresh = glmstat.datasets.generate("policies", FRESH, seed=2, truth=True)
    runs = {name: measure(fit, data, fresh) for name, fit in MODELS.items()}
    for name, run in runs.items():
        run["part_of_linear"] = run["excess"] / runs["linear"]["excess"]
        seconds, part = run["cpu"], run["part_of_linear"]
        print(f"{name:15}excess {run['excess']:6.3f}{part:7.2f} of linear{seconds:8.2f} s CPU")
    print(f"aim: rglm at most {AIM['part_of_linear']} of linear, {AIM['seconds_per_network']:g} s a network")
    packages = versions() | {name: installed(name) for name in ("torch", "scikit-learn")}
    write("neural_counts", {"versions": packages, "rows": ROWS, "fresh": FRESH, "runs": runs, "aim": AIM})


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
