"""What glmstat should reach on each workload, and how it is read from the runs."""

from dataclasses import dataclass
from typing import Any

from one_run import UNIT

Quoted = dict[str, dict[str, Any]]
OURS = "glmstat"


@dataclass(frozen=True)
class Faster:
    """So many times less CPU than another program in one of its ways."""

    peer: str
    bound: float
    stretch: float | None = None
    ours: str = OURS

    def words(self) -> str:
        """Return the goal in words."""
        by = "" if self.ours == OURS else f" ({self.ours})"
        return f"{f'at least {self.bound:g} × ' if self.bound > 1 else ''}faster than {self.peer}{by}"

    def reached(self, quoted: Quoted) -> float | None:
        """Return the ratio of CPU times."""
        return ratio(quoted, self.peer, self.ours)

    def met(self, value: float, bound: float) -> bool:
        """Return whether a value is as good as a bound."""
        return value >= bound

    def shown(self, value: float) -> str:
        """Return a value as it is printed."""
        return f"{value:.3g} ×"


@dataclass(frozen=True)
class Bounded:
    """A figure of glmstat that should be small: a field of its run, or its CPU in units of another's."""

    what: str
    bound: float
    stretch: float | None = None
    unit: str = UNIT
    ours: str = OURS

    def words(self) -> str:
        """Return the goal in words."""
        by = "" if self.ours == OURS else f" ({self.ours})"
        if self.what == "units":
            return f"CPU at most {self.bound:g} × {self.unit}{by}"
        return f"{NAMES[self.what]} at most {shown(self.what, self.bound)}{by}"

    def reached(self, quoted: Quoted) -> float | None:
        """Return the figure."""
        run = quoted.get(self.ours)
        if run is None:
            return None
        if self.what == "units":
            return ratio(quoted, self.ours, self.unit)
        if self.what == "ms":
            return run["cpu"] * 1e3
        return (run if self.what == "extra_mb" else run["differences"]).get(self.what)

    def met(self, value: float, bound: float) -> bool:
        """Return whether a value is as good as a bound."""
        return value <= bound

    def shown(self, value: float) -> str:
        """Return a value as it is printed."""
        return shown(self.what, value)


NAMES = {
    "ms": "CPU",
    "extra_mb": "memory above the start",
    "coef": "error of the coefficients",
    "std_error": "error of the standard errors",
}


def shown(what: str, value: float) -> str:
    if what == "units":
        return f"{value:.2g}" if value < 1 else f"{value:.1f}"
    if what == "ms":
        return f"{value:.2f} ms"
    return f"{value:.0f} MB" if what == "extra_mb" else f"{value:.0e}"


def ratio(quoted: Quoted, above: str, below: str) -> float | None:
    if above not in quoted or below not in quoted:
        return None
    return quoted[above]["cpu"] / quoted[below]["cpu"]


TIGHT = "glmstat, tolerance 1e-12"
RIGHT = (Bounded("coef", 1e-10), Bounded("std_error", 1e-6), Bounded("std_error", 1e-9, ours=TIGHT))
CHOLESKY = "scikit-learn newton-cholesky"
GOALS = {
    "W0": (
        Bounded("units", 0.8, unit="pandas, scipy.special"),
        Bounded("units", 0.5, unit="statsmodels.api"),
    ),
    "W1": (
        Bounded("units", 4, 2.2), Faster("glum", 8, 15), Faster("glum, formula", 8, 15),
        Faster("statsmodels", 50), Faster("R glm", 30), Bounded("extra_mb", 20), *RIGHT,
    ),
    "W2": (
        Bounded("units", 3, 2), Faster("glum", 8, 15), Faster("glum, formula", 8, 15),
        Faster("statsmodels Logit", 15), Faster("R glm", 25), Faster("scikit-learn lbfgs", 1), *RIGHT,
    ),
    "W3": (
        Bounded("units", 12), Faster("glum", 4, 8), Faster("glum, formula", 4, 8),
        Faster("glum, covariance stored by fit", 4, 8), Bounded("extra_mb", 50), *RIGHT,
    ),
    "W3p": (
        Faster("glum", 4, 8), Faster("glum, formula", 4, 8),
        Faster("glum, covariance stored by fit", 4, 8), Faster("pyfixest, absorbing", 5, 8),
        Faster("pyfixest, absorbing", 5, ours="glmstat, absorbing"),
    ),
    "W4": (Bounded("ms", 1.5, 0.8), Faster("statsmodels", 6, 12), Faster("R glm", 1)),
    "W4l": (
        Bounded("ms", 1.5, 0.8), Faster("statsmodels", 6, 12), Faster("statsmodels Logit", 6, 12),
        Faster("R glm", 1),
    ),
    "W5": (Bounded("units", 9, 7), Faster(CHOLESKY, 1), Faster("glum", 3), Faster("R glm", 12)),
    "W6": (
        Bounded("units", 5, 2), Bounded("extra_mb", 300), Faster("glum", 4), Faster("glum, formula", 4),
        Faster("statsmodels", 15),
    ),
    "W7": (
        Faster("statsmodels NegativeBinomial", 5, 8), Faster("statsmodels NegativeBinomial, newton", 5, 8),
        Faster("R glm.nb", 15), *RIGHT[:2],
    ),
}  # fmt: skip
