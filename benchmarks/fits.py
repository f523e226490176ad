"""One function per program: from data to coefficients and standard errors, or to the printed summary.

Every program gets the model as its own users write it, no penalty, classical standard errors, and a
tolerance that leaves the coefficients right to about 1e-8; not so glum in W3p, and sklearn's lbfgs.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from samples import Workload

LARGE = ("W1", "W2", "W5", "W6", "W7")
GENERAL = ("W1", "W2", "W5", "W6")
SMALL = ("W4", "W4l")
GLUM_TOLERANCE = {"W3p": 1e-6}  # at a tighter one its line search goes on among roundings, for 90 iterations


@dataclass(frozen=True)
class Found:
    """Coefficients in the order of the careful fit (or the numeric ones only), and how they were found."""

    coef: Any
    std_error: Any = None
    work: str = ""
    numeric_only: bool = False


@dataclass(frozen=True)
class Peer:
    """A program in one of its ways: which module it needs, what it can do."""

    name: str
    module: str
    workloads: tuple[str, ...]
    fit: Callable[[Workload, Any], Found]
    summary: Callable[[Workload, Any], str] | None = None
    streams: bool = False


def offset_of(workload: Workload, data: Any) -> Any:
    return np.log(data["t"].to_numpy()) if workload.exposure else None


# glmstat


def glmstat_fit(workload: Workload, data: Any, formula: str = "", **control: Any) -> Found:
    import glmstat

    settings = glmstat.Control(**control)
    fit = glmstat.glm(
        formula or workload.formula, data, workload.family, link=link_of(workload), control=settings
    )
    coef, error = fit.coef, fit.stderror()
    return Found(values(coef, "estimate"), values(error, "std_error"), glmstat_work(fit), "|" in formula)


def link_of(workload: Workload) -> str | None:
    return "log" if workload.family == "gamma" else None


def values(found: Any, column: str) -> Any:
    """Return the numbers of a series, or of a table of coefficients in the data's own library."""
    import narwhals as nw

    return found.to_numpy() if hasattr(found, "index") else nw.from_native(found)[column].to_numpy()


def glmstat_work(fit: Any) -> str:
    end = fit.estimate.convergence
    kinds = [kind for kind in (getattr(step, "kind", None) for step in end.trace) if kind]
    if not kinds:
        return str(end.iterations)
    return " + ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def glmstat_tight(workload: Workload, data: Any) -> Found:
    return glmstat_fit(workload, data, tolerance=1e-12)


def glmstat_absorbing(workload: Workload, data: Any) -> Found:
    """Return the numeric coefficients, the factors absorbed."""
    effects = " + ".join(name for name, _ in workload.factors)
    return glmstat_fit(workload, data, f"y ~ {' + '.join(workload.numeric)} | {effects}")


def glmstat_summary(workload: Workload, data: Any) -> str:
    import glmstat

    return str(glmstat.glm(workload.formula, data, workload.family).summary())


# statsmodels


def statsmodels_fitted(workload: Workload, data: Any) -> Any:
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    family = {"poisson": sm.families.Poisson, "binomial": sm.families.Binomial}[workload.family]()
    return smf.glm(f"y ~ {workload.right}", data, family=family, offset=offset_of(workload, data)).fit()


def statsmodels_fit(workload: Workload, data: Any) -> Found:
    fit = statsmodels_fitted(workload, data)
    return ordered(workload, fit, str(fit.fit_history["iteration"]))


def negative_binomial_fit(workload: Workload, data: Any) -> Found:
    """Return the fit by its own default optimiser; at that its coefficients are right to 1e-4 or so."""
    import statsmodels.formula.api as smf

    fit = smf.negativebinomial(f"y ~ {workload.right}", data).fit(disp=0)
    return beside_alpha(workload, fit)


def negative_binomial_tight(workload: Workload, data: Any) -> Found:
    """Return the fit by Newton steps to a tolerance as other programs have it."""
    import statsmodels.formula.api as smf

    model = smf.negativebinomial(f"y ~ {workload.right}", data)
    return beside_alpha(workload, model.fit(disp=0, method="newton", tol=1e-10, maxiter=100))


def beside_alpha(workload: Workload, fit: Any) -> Found:
    names = ["Intercept", *workload.numeric]
    found = fit.mle_retvals
    work = str(found.get("iterations", found.get("fcalls", "")))
    return Found(fit.params[names].to_numpy(), fit.bse[names].to_numpy(), work)


def statsmodels_summary(workload: Workload, data: Any) -> str:
    return str(statsmodels_fitted(workload, data).summary())


def logit_fitted(workload: Workload, data: Any) -> Any:
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    if workload.columns < 500:
        return smf.logit(f"y ~ {workload.right}", data).fit(disp=0)
    X = sm.add_constant(
        data[list(workload.numeric)].to_numpy()
    )  # its formula of 1,000 terms recurses too deep
    return sm.Logit(data["y"].to_numpy(), X).fit(disp=0)


def logit_fit(workload: Workload, data: Any) -> Found:
    fit = logit_fitted(workload, data)
    work = str(fit.mle_retvals["iterations"])
    return ordered(workload, fit, work) if hasattr(fit.params, "index") else Found(fit.params, fit.bse, work)


def logit_summary(workload: Workload, data: Any) -> str:
    return str(logit_fitted(workload, data).summary())


def ordered(workload: Workload, fit: Any, work: str) -> Found:
    """Return the numbers with the numeric columns before the factors."""
    names = ["Intercept", *workload.numeric]
    order = names + [name for name in fit.params.index if name not in names]
    return Found(fit.params[order].to_numpy(), fit.bse[order].to_numpy(), work)


# glum


def glum_model(workload: Workload, formula: str | None = None) -> Any:
    import glum

    return glum.GeneralizedLinearRegressor(
        family=workload.family,
        link="log" if workload.family == "gamma" else "auto",
        alpha=0,
        fit_intercept=True,
        drop_first=True,
        gradient_tol=GLUM_TOLERANCE.get(workload.name, 1e-8),
        robust=False,
        expected_information=True,
        formula=formula,
    )


def glum_fit(workload: Workload, data: Any) -> Found:
    model, X, offset = glum_model(workload), data[list(workload.terms)], offset_of(workload, data)
    model.fit(X, data["y"], offset=offset)
    covariance = model.covariance_matrix(X, data["y"], offset=offset, dispersion=dispersion_of(workload))
    return glum_found(model, covariance)


def glum_formula(workload: Workload, data: Any) -> Found:
    model, offset = glum_model(workload, f"y ~ {workload.right}"), offset_of(workload, data)
    model.fit(data, offset=offset)
    covariance = model.covariance_matrix(data, offset=offset, dispersion=dispersion_of(workload))
    return glum_found(model, covariance)


def dispersion_of(workload: Workload) -> float | None:
    return None if workload.family == "gamma" else 1.0


def glum_stored(workload: Workload, data: Any) -> Found:
    """Return what one call of `fit` leaves; its covariance has an estimated dispersion for every family."""
    model, X = glum_model(workload), data[list(workload.terms)]
    model.fit(X, data["y"], offset=offset_of(workload, data), store_covariance_matrix=True)
    return glum_found(model, model.covariance_matrix_)


def glum_found(model: Any, covariance: Any) -> Found:
    coef = np.concatenate([[model.intercept_], model.coef_])
    return Found(coef, np.sqrt(np.diag(covariance)), str(model.n_iter_))


def glum_summary(workload: Workload, data: Any) -> str:
    model, X, offset = glum_model(workload), categorical(workload, data), offset_of(workload, data)
    model.fit(X, data["y"], offset=offset)
    return str(model.coef_table(X, data["y"], offset=offset))


def glum_small(workload: Workload, data: Any) -> Found:
    return glum_fit(workload, categorical(workload, data).assign(y=data["y"], t=data["t"]))


def categorical(workload: Workload, data: Any) -> Any:
    return data[list(workload.terms)].astype({name: "category" for name, _ in workload.factors})


# scikit-learn


def poisson_regressor(workload: Workload, data: Any) -> Found:
    """Return the fit of the rate with the exposure as weight, which is the model with the offset."""
    from sklearn.linear_model import PoissonRegressor

    model = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8, max_iter=100)
    model.fit(data[list(workload.numeric)], data["y"] / data["t"], sample_weight=data["t"])
    return Found(np.concatenate([[model.intercept_], model.coef_]), work=str(model.n_iter_))


def logistic(solver: str, **settings: Any) -> Callable[[Workload, Any], Found]:
    def fit(workload: Workload, data: Any) -> Found:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=np.inf, solver=solver, max_iter=1000, **settings)
        model.fit(data[list(workload.numeric)], data["y"])
        coef = np.concatenate([model.intercept_, model.coef_[0]])
        return Found(coef, work=str(int(np.max(model.n_iter_))))

    return fit


# pyfixest


def pyfixest_fitted(workload: Workload, data: Any, formula: str) -> Any:
    pyfixest: Any = import_module("pyfixest")
    plain = {
        "vcov": "iid",
        "ssc": pyfixest.ssc(k_adj=False, G_adj=False),
        "copy_data": False,
        "store_data": False,
    }
    if workload.family == "binomial":
        return pyfixest.feglm(formula, data, family="logit", **plain)
    if workload.exposure:
        return pyfixest.fepois(formula, data.assign(log_t=offset_of(workload, data)), offset="log_t", **plain)
    return pyfixest.fepois(formula, data, **plain)


def pyfixest_fit(workload: Workload, data: Any) -> Found:
    fit = pyfixest_fitted(workload, data, f"y ~ {workload.right}")
    return Found(fit.coef().to_numpy(), fit.se().to_numpy())


def pyfixest_absorbing(workload: Workload, data: Any) -> Found:
    effects = " + ".join(name for name, _ in workload.factors)
    fit = pyfixest_fitted(workload, data, f"y ~ {' + '.join(workload.numeric)} | {effects}")
    return Found(fit.coef().to_numpy(), fit.se().to_numpy(), numeric_only=True)


def pyfixest_summary(workload: Workload, data: Any) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        pyfixest_fitted(workload, data, f"y ~ {workload.right}").summary()
    return out.getvalue()


def in_r(workload: Workload, data: Any) -> Found:
    """Stand for R's glm, which runs in R's own process: see `one_run.py`."""
    raise NotImplementedError


PEERS = (
    Peer("glmstat", "glmstat", (*LARGE, "W3", "W3p", *SMALL), glmstat_fit, glmstat_summary, streams=True),
    Peer("glmstat, tolerance 1e-12", "glmstat", ("W1", "W2", "W3"), glmstat_tight, streams=True),
    Peer("glmstat, absorbing", "glmstat", ("W3p",), glmstat_absorbing, streams=True),
    Peer("glum", "glum", (*GENERAL, "W3", "W3p"), glum_fit),
    Peer("glum, formula", "glum", ("W1", "W2", "W3", "W3p", "W6"), glum_formula),
    Peer("glum, covariance stored by fit", "glum", ("W3", "W3p"), glum_stored),
    Peer("glum", "glum", SMALL, glum_small, glum_summary),
    Peer("statsmodels", "statsmodels", ("W1", "W2", "W6", *SMALL), statsmodels_fit, statsmodels_summary),
    Peer("statsmodels Logit", "statsmodels", ("W2", "W4l", "W5"), logit_fit, logit_summary),
    Peer("scikit-learn newton-cholesky", "sklearn", ("W1", "W6"), poisson_regressor),
    Peer("scikit-learn lbfgs", "sklearn", ("W2", "W5"), logistic("lbfgs")),
    Peer(
        "scikit-learn newton-cholesky", "sklearn", ("W2", "W5"), logistic("newton-cholesky", tol=1e-8)
    ),
    Peer("pyfixest", "pyfixest", ("W1", "W2", "W6", *SMALL), pyfixest_fit, pyfixest_summary),
    Peer("pyfixest, absorbing", "pyfixest", ("W3p",), pyfixest_absorbing),
    Peer("statsmodels NegativeBinomial", "statsmodels", ("W7",), negative_binomial_fit),
    Peer("statsmodels NegativeBinomial, newton", "statsmodels", ("W7",), negative_binomial_tight),
    Peer("R glm.nb", "R", ("W7",), in_r),
    Peer("R glm", "R", ("W1", "W2", "W5", *SMALL), in_r),
)  # fmt: skip


def peers_of(workload: str) -> tuple[Peer, ...]:
    return tuple(peer for peer in PEERS if workload in peer.workloads)
