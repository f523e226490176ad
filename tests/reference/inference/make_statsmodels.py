"""What statsmodels 0.15.0 prints of its GLM. Run from this folder with a Python that has it.

Data: features_check_data.csv, clusters `c` = 1 to 8 in turn, `r` = "yes" where s > 5, else "no". `HC1` to
`HC3` of a GLM are HC0 there (issue 7798), so only HC0 is written.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd


def numbers(fit):
    """The table of coefficients."""
    ends = np.asarray(fit.conf_int())
    return {
        "se": fit.bse.tolist(),
        "z": fit.tvalues.tolist(),
        "p": fit.pvalues.tolist(),
        "low": ends[:, 0].tolist(),
        "high": ends[:, 1].tolist(),
    }


def main():
    """Fit every case and write its numbers."""
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    warnings.simplefilter("ignore")
    D = pd.read_csv(Path("..", "..", "unit", "data", "features_check_data.csv"))
    D = D.assign(c=np.tile(np.arange(1, 9), 5), r=np.where(D["s"] > 5, "yes", "no"), share=D["s"] / 10)
    F, L = sm.families, sm.families.links

    # name → formula, family, further words of GLM
    CASES = {
        "gaussian": ("g ~ x + f", F.Gaussian(), {}),
        "gaussian_log": ("g ~ x", F.Gaussian(L.Log()), {}),
        "gaussian_weighted": ("g ~ x", F.Gaussian(), {"var_weights": D["w"]}),
        "gamma": ("g ~ x + f", F.Gamma(L.Log()), {}),
        "gamma_weighted": ("g ~ x", F.Gamma(L.Log()), {"var_weights": D["w"]}),
        "gamma_frequencies": ("g ~ x", F.Gamma(L.Log()), {"freq_weights": np.tile([1.0, 2.0, 3.0, 1.0], 10)}),
        "inverse_gaussian": ("g ~ x", F.InverseGaussian(L.Log()), {}),
        "poisson": ("y ~ x * f", F.Poisson(), {"offset": np.log(D["t"])}),
        "binomial": ("s + I(10 - s) ~ x + f", F.Binomial(), {}),
        "event": ("r ~ x + f", F.Binomial(), {}),
        "probit": ("r ~ x", F.Binomial(L.Probit()), {}),
        "negative_binomial": ("y ~ x + f", F.NegativeBinomial(alpha=0.5), {}),
        "tweedie": ("g ~ x", F.Tweedie(L.Log(), var_power=1.5), {}),
    }

    found = {}
    for name, (formula, family, words) in CASES.items():
        model = smf.glm(formula, D, family=family, **words)
        exact = {"tol": 1e-14, "maxiter": 200, "tol_criterion": "params"}
        fit = model.fit(**exact)
        robust = {
            "HC0": model.fit(cov_type="HC0", **exact),
            "cluster": model.fit(cov_type="cluster", cov_kwds={"groups": D["c"]}, **exact),
        }
        found[name] = {
            "names": list(fit.params.index),
            "coef": fit.params.tolist(),
            "classical": numbers(fit),
            **{kind: numbers(one) for kind, one in robust.items()},
            "scale": float(fit.scale),
            "llf": float(fit.llf),
            "aic": float(fit.aic),
            "bic": float(fit.bic_llf),
            "deviance": float(fit.deviance),
        }
    Path("statsmodels.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
