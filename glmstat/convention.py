"""Records of the choices that move numbers; `compat=` selects one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

from glmstat.errors import ArgumentError, near, one_of

__all__ = ["CONVENTIONS", "Convention", "as_convention"]


@dataclass(frozen=True)
class Convention:
    """One system's choices. What a call asks for itself (`dispersion=`, `vcov=`, `event=`) goes before them.

    Parameters
    ----------
    name : as given to `compat=`.
    title : what it is the record of, as summaries print it; empty for the default.
    names : how coefficients are called: ``f[T.b]`` and ``Intercept`` ("glmstat", and "statsmodels" but for
        the columns of a basis, which are counted from 0), ``fb`` and ``(Intercept)`` ("R"), ``2.f`` and
        ``_cons`` ("stata"), ``f b`` ("sas").
    reference : level that the others are compared with, where nothing names it.
    ordered : contrasts of ordered factors, where nothing names them.
    event : which level of a response of two levels counts as 1, where `event=` does not say.
    dispersion : how it is estimated where the family does not fix it. "ml" is Pearson's for families
        without a likelihood.
    likelihood_dispersion : where the log-likelihood is evaluated if the dispersion is estimated: "own",
        deviance / weights, and of a Gaussian RSS / n; "fitted", at the dispersion of the fit, but for a
        Gaussian with identity link; "one", at 1, but for a Gaussian.
    weighted_likelihood : what prior weights do in it, where it is not evaluated at "own": multiply the
        log-likelihoods of "rows", as in R, or divide the "dispersion" of each row.
    counts_dispersion : whether AIC and BIC count an estimated dispersion.
    counts_shape : whether they count a parameter of the family that was estimated, such as theta. The
        coefficients of a formula of its own are counted in any case.
    aic : the "sum", or "per row": divided by the number of rows.
    bic : by the "likelihood", or by the "deviance": deviance - df_residual log(n).
    information : that of `vcov="classical"`.
    shape : what `vcov="classical"` takes a parameter of the family that was estimated by maximum likelihood
        for: "given", or estimated with the coefficients, "joint".
    bread : the information between which sandwiches stand.
    row_factor : small-sample factor of HC0.
    cluster_factor : whose small-sample factor CR1 has, a word of `Covariance(small_sample=)`.
    wald : what Wald statistics are compared with where the dispersion is estimated: "t" or "normal".
    wald_quantile : distribution that cuts Wald intervals: "dispersion" uses t where the dispersion
        is estimated and normal otherwise; "normal" always uses the normal, as R's `confint.default`.
    wald_statistic : what a table of coefficients prints: the "ratio" to the standard error, or its "square".
    scale : what summaries print beside the dispersion: nothing ("dispersion"), or PROC GENMOD's scale
        parameter ("genmod"), 1 / phi of gamma and the root of phi of Gaussian and inverse Gaussian.
    sandwich : distribution of tests under a sandwich covariance: "t" with the degrees of freedom of its
        kind, as the page on covariances says, or "normal", as R's `coeftest` of a GLM.
    score : distribution of score tests where the dispersion is estimated: "F" or "chi_squared", as R's anova.
    likelihood_ratio : the same for likelihood-ratio tests.
    selection : what drop1, add1 and step compare where the dispersion is estimated: "aic", or "scaled", the
        deviance over a dispersion, as R's.
    tweedie_likelihood : whether Tweedie fits have one: the "exact", or "none", as with R's statmod.
    dfbeta : its sign where the link decreases: that of the "change", or the "opposite", as R's `dfbeta`.

    Raises
    ------
    ArgumentError : a word that is none of those of its choice.
    """

    name: str
    title: str = ""
    names: Literal["glmstat", "R", "stata", "statsmodels", "sas"] = "glmstat"
    reference: Literal["first", "last"] = "first"
    ordered: Literal["treatment", "poly"] = "treatment"
    event: Literal["second", "first"] = "second"
    dispersion: Literal["pearson", "ml"] = "pearson"
    likelihood_dispersion: Literal["own", "fitted", "one"] = "own"
    weighted_likelihood: Literal["rows", "dispersion"] = "rows"
    counts_dispersion: bool = True
    counts_shape: bool = True
    aic: Literal["sum", "per row"] = "sum"
    bic: Literal["likelihood", "deviance"] = "likelihood"
    information: Literal["expected", "observed"] = "expected"
    shape: Literal["given", "joint"] = "given"
    bread: Literal["expected", "observed"] = "expected"
    row_factor: Literal["1", "n/(n-1)"] = "1"
    cluster_factor: Literal["sandwich", "statsmodels", "none"] = "sandwich"
    wald: Literal["t", "normal"] = "t"
    wald_quantile: Literal["dispersion", "normal"] = "dispersion"
    wald_statistic: Literal["ratio", "square"] = "ratio"
    scale: Literal["dispersion", "genmod"] = "dispersion"
    sandwich: Literal["t", "normal"] = "t"
    score: Literal["F", "chi_squared"] = "F"
    likelihood_ratio: Literal["F", "chi_squared"] = "F"
    selection: Literal["aic", "scaled"] = "aic"
    tweedie_likelihood: Literal["exact", "none"] = "exact"
    dfbeta: Literal["change", "opposite"] = "change"

    def __post_init__(self) -> None:
        for field in fields(self):
            value, known = getattr(self, field.name), _words()[field.name]
            if not known and not isinstance(value, str):
                raise ArgumentError(f"{field.name} of a Convention must be a text: got {value!r}.")
            if known and not any(
                value is word or (isinstance(value, str) and value == word) for word in known
            ):
                shown = one_of(tuple(map(str, known)))
                hint = near(str(value), [word for word in known if isinstance(word, str)])
                raise ArgumentError(f"Unknown {field.name} of a Convention: {value!r}. Known: {shown}.{hint}")

    @property
    def changed(self) -> tuple[str, ...]:
        """What a record under the name and title of a system takes otherwise than that system: its words."""
        usual = CONVENTIONS.get(self.name, self)
        if self.title != usual.title:
            return ()
        differing = (
            field.name for field in fields(self) if getattr(self, field.name) != getattr(usual, field.name)
        )
        return tuple(f"{name}={getattr(self, name)!r}" for name in differing)

    @property
    def described(self) -> str:
        """The title, and what is changed; empty for the default."""
        if not self.changed:
            return self.title
        return f"{self.title or self.name}, changed: {', '.join(self.changed)}"


@cache
def _words() -> dict[str, tuple[Any, ...]]:
    """The words of each choice; none where any text will do."""
    hints = get_type_hints(Convention)
    return {name: (True, False) if hint is bool else get_args(hint) for name, hint in hints.items()}


CONVENTIONS = {
    record.name: record
    for record in (
        Convention("glmstat"),
        Convention(
            "R",
            "R's glm",
            names="R",
            ordered="poly",
            wald_quantile="normal",
            sandwich="normal",
            score="chi_squared",
            likelihood_ratio="chi_squared",
            selection="scaled",
            tweedie_likelihood="none",
            dfbeta="opposite",
        ),
        Convention(
            "stata",
            "Stata's glm",
            names="stata",
            likelihood_dispersion="one",
            counts_dispersion=False,
            counts_shape=False,
            aic="per row",
            bic="deviance",
            information="observed",
            bread="observed",
            row_factor="n/(n-1)",
            wald="normal",
            wald_quantile="normal",
            sandwich="normal",
            score="chi_squared",
            likelihood_ratio="chi_squared",
        ),
        Convention(
            "statsmodels",
            "statsmodels' GLM",
            names="statsmodels",
            event="first",
            likelihood_dispersion="fitted",
            weighted_likelihood="dispersion",
            counts_dispersion=False,
            bread="observed",
            cluster_factor="statsmodels",
            shape="joint",
            wald="normal",
            wald_quantile="normal",
            sandwich="normal",
            score="chi_squared",
            likelihood_ratio="chi_squared",
        ),
        Convention(
            "sas",
            "SAS's PROC GENMOD",
            names="sas",
            reference="last",
            event="first",
            dispersion="ml",
            likelihood_dispersion="fitted",
            weighted_likelihood="dispersion",
            information="observed",
            cluster_factor="none",
            shape="joint",
            wald="normal",
            wald_quantile="normal",
            wald_statistic="square",
            scale="genmod",
            sandwich="normal",
            score="chi_squared",
            likelihood_ratio="chi_squared",
        ),
    )
}


def as_convention(compat: Any) -> Convention:
    """Return the record called `compat`; a record is itself."""
    if isinstance(compat, Convention):
        return compat
    if not isinstance(compat, str) or compat not in CONVENTIONS:
        known = one_of(tuple(CONVENTIONS))
        raise ArgumentError(f"Unknown compat: {compat!r}. Known: {known}.{near(str(compat), CONVENTIONS)}")
    return CONVENTIONS[compat]
