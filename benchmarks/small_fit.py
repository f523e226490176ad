"""200 rows, 5 columns with a factor and an offset: CPU time from text to the printed summary.

Beside statsmodels' formula interface in the same process, one BLAS thread.
Aim: at most 2 ms, and 5 times faster.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from measure import cpu_of, write
from threadpoolctl import threadpool_limits

import glmstat

FORMULA = "y ~ x1 + x2 + x3 + x4 + f + offset(log(t))"
PEER_FORMULA = "y ~ x1 + x2 + x3 + x4 + C(f)"
ROWS = 200


def sample() -> pd.DataFrame:
    random = np.random.default_rng(1)
    x = random.normal(size=(ROWS, 4))
    level = random.integers(0, 3, ROWS)
    exposure = random.uniform(0.5, 2.0, ROWS)
    mean = exposure * np.exp(0.3 + x @ [0.2, -0.1, 0.3, 0.0] + 0.2 * level)
    columns = {f"x{j + 1}": x[:, j] for j in range(4)}
    return pd.DataFrame(
        columns | {"f": np.array(list("abc"))[level], "t": exposure, "y": random.poisson(mean)}
    )


def ours(data: pd.DataFrame) -> str:
    return str(glmstat.glm(FORMULA, data, "poisson").summary())


def peer(data: pd.DataFrame) -> str:
    offset = np.log(data["t"])
    return str(smf.glm(PEER_FORMULA, data, family=sm.families.Poisson(), offset=offset).fit().summary())


def agreement(data: pd.DataFrame) -> float:
    """Return the largest difference of the coefficients, in standard errors."""
    fit = glmstat.glm(FORMULA, data, "poisson")
    other = smf.glm(PEER_FORMULA, data, family=sm.families.Poisson(), offset=np.log(data["t"])).fit(tol=1e-12)
    order = ["Intercept", "C(f)[T.b]", "C(f)[T.c]", "x1", "x2", "x3", "x4"]
    names = [name.replace("C(f)", "f") for name in order]
    coef = fit.coef.squeeze().loc[names].to_numpy()
    return float(np.max(np.abs(coef - other.params[order].to_numpy()) / other.bse[order].to_numpy()))


def main() -> None:
    data = sample()
    our_time = cpu_of(lambda: ours(data), repeats=200)
    peer_time = cpu_of(lambda: peer(data), repeats=20)
    print(f"glmstat     {1e3 * our_time:7.2f} ms CPU   (aim: at most 2)")
    print(f"statsmodels {1e3 * peer_time:7.2f} ms CPU")
    print(f"ratio       {peer_time / our_time:7.1f}          (aim: at least 5)")
    difference = agreement(data)
    print(f"coefficients differ by at most {difference:.1e} standard errors")
    write(
        "small_fit",
        {
            "cpu_ms": {"glmstat": 1e3 * our_time, "statsmodels": 1e3 * peer_time},
            "ratio": peer_time / our_time,
            "difference_in_standard_errors": difference,
            "aim": {"cpu_ms": 2.0, "ratio": 5.0},
        },
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
