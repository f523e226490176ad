"""Numbers as text: significant digits, never a bare 0.000."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import floor, inf, isnan, log10

__all__ = ["coefficient_texts", "common_decimals", "figure", "p_text", "percent", "statistic_text"]

_WIDEST = 1e9  # above it, and below its inverse, a standard error is shown with an exponent
_ALIKE = 100.0  # standard errors within this factor share their decimals


def p_text(p: float) -> str:
    """Return a p-value with two significant digits, or three decimals from 0.01 up.

    >>> p_text(0.0171), p_text(0.000163), p_text(5e-6), p_text(0.0)
    ('0.017', '0.00016', '5.0e-06', '<1e-300')
    """
    if isnan(p):
        return ""
    if p >= 0.01:
        return f"{p:.3f}"
    if p >= 1e-4:
        return f"{p:.{1 - floor(log10(p))}f}"
    return f"{p:.1e}" if p >= 1e-300 else "<1e-300"


@lru_cache(maxsize=16)
def percent(level: float) -> str:
    """Return a coverage in per cent, with the digits that tell it from 100.

    >>> percent(0.95), percent(0.9973), percent(0.999999999999), percent(2 / 3)
    ('95 %', '99.73 %', '99.9999999999 %', '66.6667 %')
    """
    value = 100.0 * float(level)
    texts = (f"{value:.{digits}g}" for digits in range(6, 18))
    return next(text for text in texts if abs(float(text) - value) <= 1e-2 * abs(100.0 - value)) + " %"


def statistic_text(value: float) -> str:
    """Return a test statistic with two decimals, or two significant digits near 0.

    >>> statistic_text(2.391), statistic_text(-0.00123), statistic_text(123456.0)
    ('2.39', '-0.0012', '1.235e+05')
    """
    if isnan(value):
        return ""
    size = abs(value)
    if size >= 1e5:
        return f"{value:.3e}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.2g}"


def figure(value: float) -> str:
    """Return a total such as a deviance: two decimals, or four significant digits below 1.

    >>> figure(36.248), figure(0.34038612), figure(1.2e-20), figure(float("nan"))
    ('36.25', '0.3404', '1.2e-20', 'NaN')
    """
    size = abs(value)
    if isnan(value):
        return "NaN"
    if size >= 1e12:
        return f"{value:.6g}"
    return f"{value:.2f}" if size >= 1 else f"{value:.4g}"


def common_decimals(std_errors: list[float]) -> int | None:
    """Return the decimals that give every standard error at least four significant digits.

    None where they differ so much that each row takes its own.

    >>> common_decimals([0.17, 0.25, float("nan")]), common_decimals([1e-3, 5.0])
    (4, None)
    """
    known = [value for value in std_errors if 0 < value < inf]
    if not known or max(known) > _ALIKE * min(known):
        return None
    return max(0, 3 - floor(log10(min(known))))


def coefficient_texts(values: Sequence[float], std_error: float, decimals: int | None = None) -> list[str]:
    """Return values with as many decimals as give their standard error four significant digits.

    >>> coefficient_texts((0.4075123, 0.0736), 0.17041)
    ['0.4075', '0.0736']
    >>> coefficient_texts((float("-inf"), 3.14159265), float("nan"))
    ['-inf', '3.1416']
    """
    if not 0 < std_error < inf:
        return [_plain(value) for value in values]
    if not 1 / _WIDEST <= std_error <= _WIDEST or max(map(abs, values)) > 1e3 * _WIDEST:
        return [f"{value:.4e}" for value in values]
    if decimals is None:
        decimals = max(0, 3 - floor(log10(std_error)))
    texts = [f"{value:.{decimals}f}" for value in values]
    return [
        text if text.strip("-0.") or value == 0 else f"{value:.1e}"
        for text, value in zip(texts, values, strict=True)
    ]


def _plain(value: float) -> str:
    return "NaN" if isnan(value) else f"{value:.5g}"
