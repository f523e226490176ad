"""Recursive generalised linear models: networks among the terms of a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glmstat.call import Call, Covariance
from glmstat.control import Control
from glmstat.families import Family, as_family
from glmstat.fit import Fit
from glmstat.likelihood.base import GLM
from glmstat.links import Link

if TYPE_CHECKING:
    from glmstat.neural.choices import Inference
    from glmstat.neural.problem import Training

__all__ = ["rglm"]


def rglm(
    formula: str,
    data: Any,
    family: str | Family | type[Family] = "gaussian",
    *,
    link: str | Link | type[Link] | None = None,
    inference: Inference = "debiased",
    targets: str | Sequence[str] | None = None,
    folds: int = 5,
    nets: int = 2,
    reps: int = 3,
    seed: int = 1,
    prior: float | Literal["cv"] | None = None,
    penalty: Literal["l1", "group"] | None = None,
    training: Training | None = None,
    cluster: Any = None,
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
    freq_weights: Any = None,
    subset: Any = None,
    na_action: Literal["drop", "exclude", "raise"] = "drop",
    contrasts: Any = None,
    context: Any = None,
    vcov: str | Covariance | None = None,
    dispersion: float | Literal["pearson", "deviance", "ml"] | None = None,
    event: Any = None,
    compat: str = "glmstat",
    allow_python: bool = False,
    progress: bool | None = None,
    control: Control = Control(),
) -> Fit:
    """Return the fit of a GLM with networks among its terms, and the inference that holds beside them.

    g(mu) = offset + X coef + sum of nn(z), Var(y) = dispersion V(mu) / weights. A network is hidden layers,
    each the inverse link of a linear predictor of the one before, under a linear output. It is trained on the
    family's own likelihood with a normal prior on its weights; then the output layer is fitted to its
    exact penalised maximum. Without hidden layers this is `glm`, and returns its fit.

    Parameters
    ----------
    formula : as in `glm`, with terms ``nn(age, power, hidden=(32, 16), activation='tanh')``. Their inputs
        also enter linearly unless ``skip=False``; ``prior=`` and ``name=`` are a term's own, and
        ``embed={'region': 4}`` gives a factor 4 learned numbers per level in place of indicators. No effects
        are absorbed: `|` is refused.
    data, family, link : as in `glm`.
    inference : what the table says. "debiased": coefficients of linear terms with the networks' inputs held
        fixed, by the cross-fitted orthogonal score. "crossfit": the same by GLMs on learned features of
        response and targets. "split": coefficients of features learned on the other half of the rows.
        "laplace": posterior under the prior. "naive": as if the features were given, for comparison only.
        "none": predictions only.
    targets : linear terms or columns whose coefficients are wanted; default all that are written and are no
        functions of a network's inputs. Not with "split", which tells of all.
    folds : of cross-fitting, >= 2.
    nets : networks that differ in their seed and are averaged, >= 1; "split" has one, whatever is given.
    reps : repetitions of cross-fitting with other folds, whose median is taken, >= 1.
    seed : of all random numbers, >= 0: the same seed gives the same bits.
    prior : precision tau of the weights, N(0, 1/tau), on the scale of standardised inputs; "cv" chooses 3, 10
        or 30 by held-out rows. Default 5 for "debiased", "crossfit" and "laplace", else 10.
    penalty : "l1" or "group" on the first layer, which drops inputs.
    training : optimiser, steps, learning rate, batch.
    cluster : variable whose groups stay together in folds; standard errors are clustered by it. "a:b" is the
        combination of two.
    offset, exposure, weights, freq_weights, subset, na_action, contrasts, context, dispersion, event, compat,
        allow_python, control : as in `glm`; `control.device` and `control.dtype` are those of training, and
        `control.checkpoint` is refused.
    vcov : default "HC0", or the clusters; see `with_vcov`.
    progress : show a bar; default on a terminal, where it takes long.

    Returns
    -------
    NetworkFit; or, where no network has a hidden layer, the Fit of `glm`.

    Raises
    ------
    FormulaError, ColumnError, DataError, DomainError, ArgumentError : wrong input, each with the place.
    DependencyError : torch is not installed.

    Warns
    -----
    NetworkWarning : few rows, interrupted training, inputs far out, estimates that the prior moves.
    OverlapWarning : a target that its controls nearly determine.

    Source: Chernozhukov et al. (2018), Double/debiased machine learning; Liu, Zhang & Zhou (2021) for
    logistic models; McCullagh & Nelder (1989).

    >>> import glmstat
    >>> data = {"y": [2, 3, 6, 7, 8, 9, 10, 12, 15], "x": [-1, -1, 0, 0, 0, 0, 1, 1, 1]}
    >>> fit = glmstat.rglm("y ~ nn(x, hidden=())", data, "poisson")
    >>> fit == glmstat.glm("y ~ x", data, "poisson")
    True
    """
    call = Call("rglm", dict(locals()))
    from glmstat.neural.road import fit_network

    return fit_network(call, GLM(as_family(family, link)))
