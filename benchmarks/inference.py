"""200,000 rows, 10 columns, 1,000 clusters: CPU time of what comes after the fit.

Beside statsmodels in the same process, one BLAS thread. Its clustered covariance is part of a fit, so it is
the whole fit that is timed there; a likelihood-ratio test is two fits. Bootstrap: 500 resamples of 200 rows
beside a loop of fits.
"""

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from measure import cpu_of, write
from threadpoolctl import threadpool_limits

import glmstat

NAMES = [f"x{j}" for j in range(10)]
FORMULA = "y ~ " + " + ".join(NAMES)


def sample(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(2)
    x = random.normal(size=(rows, 10))
    g = random.integers(0, 1000, rows)
    mean = np.exp(0.2 + x @ np.linspace(-0.2, 0.2, 10) + 0.2 * random.normal(size=1000)[g])
    return pd.DataFrame(dict(zip(NAMES, x.T, strict=True)) | {"g": g, "y": random.poisson(mean)})


def peer_fit(data: pd.DataFrame, names: list[str], **options: object) -> Any:
    X = sm.add_constant(data[names].to_numpy())
    return sm.GLM(data["y"].to_numpy(), X, family=sm.families.Poisson()).fit(**options)


def fresh(fit: glmstat.Fit) -> glmstat.Fit:
    """Return the fit without what it has computed so far."""
    return glmstat.Fit(fit.spec, fit.estimate, fit.covariance, fit.notes, fit.frame)


def peer_bootstrap(data: pd.DataFrame, reps: int) -> None:
    random = np.random.default_rng(3)
    for _ in range(reps):
        peer_fit(data.iloc[random.integers(0, len(data), len(data))], NAMES)


def main() -> None:
    large, small = sample(200_000), sample(200)
    fit, little = glmstat.glm(FORMULA, large, "poisson"), glmstat.glm(FORMULA, small, "poisson")
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": large["g"].to_numpy()}}
    rows = {
        "clusters": (
            lambda: fresh(fit).stderror("CR1S ~ g"),
            lambda: peer_fit(large, NAMES, **clusters),
        ),
        "HC3 (peer: HC0)": (
            lambda: fresh(fit).stderror("HC3"),
            lambda: peer_fit(large, NAMES, cov_type="HC0"),
        ),
        "likelihood ratio": (
            lambda: fit.test("x4 = 0, x5 = 0", method="lr"),
            lambda: (peer_fit(large, NAMES), peer_fit(large, NAMES[:4] + NAMES[6:])),
        ),
        "500 resamples, 200 rows": (
            lambda: little.bootstrap(500, seed=1, workers=1, progress=False),
            lambda: peer_bootstrap(small, 500),
        ),
    }
    ours = fresh(fit).stderror("CR1S ~ g").to_numpy()
    difference = float(np.max(np.abs(ours / peer_fit(large, NAMES, **clusters).bse - 1)))
    results = {}
    for name, (ours_of, peer_of) in rows.items():
        own, other = cpu_of(ours_of, repeats=3), cpu_of(peer_of, repeats=2)
        results[name] = {"glmstat": own, "statsmodels": other, "ratio": other / own}
        print(f"{name:26}{own:7.3f} s CPU   statsmodels {other:7.3f} s   ratio {other / own:6.1f}")
    print(f"clustered standard errors differ by at most {difference:.1e}")
    write("inference", {"cpu_s": results, "relative_difference": difference})


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
