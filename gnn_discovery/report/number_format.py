"""Format numbers for print: rounded to their error, with powers of ten, and never 1.00000 for 0.9999999."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """Return 10 to an integer power, in superscript digits."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def with_minus_signs(text: str) -> str:
    """Return the text with minus signs in the place of hyphens."""
    return text.replace("-", "−")


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def format_number(value: float | None, digits: int = 6) -> str:
    """Return ``value`` to ``digits`` significant digits without trailing zeros; a dash where it is no finite number.

    Args:
        value: the number, or None.
        digits: significant digits; a number below 1e-3 or from 1e6 on is written with a power of ten.
    """
    if value is None or not math.isfinite(value):
        return "–"
    exponent = _magnitude(float(f"{value:.{digits - 1}e}"))
    if -4 < exponent < 6:
        text = f"{value:.{max(digits - 1 - exponent, 0)}f}"
        return with_minus_signs(text.rstrip("0").rstrip(".") if "." in text else text)
    mantissa = f"{value / 10.0**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
    return f"{with_minus_signs(mantissa)}·{power_of_ten(exponent)}"


def round_to_error(value: float, std: float | None, max_digits: int = 10) -> tuple[float, int, int]:
    """Return (mantissa, decimals, exponent), such that the error has two digits.

    Args:
        value: the number.
        std: its standard error, or None.
        max_digits: limit of the significant digits of the mantissa.
    """
    exponent = _magnitude(max(abs(value), std or 0.0))
    exponent = 0 if -3 < exponent < 5 else exponent
    mantissa = value / 10.0**exponent
    decimals = max_digits - 1 - _magnitude(mantissa)
    if std:
        decimals = min(decimals, 1 - _magnitude(std / 10.0**exponent))
    return mantissa, max(decimals, 0), exponent


def format_with_error(value: float, std: float | None) -> str:
    """Return ``value ± std`` with two digits of the error, or the value alone where there is no error.

    Args:
        value: the number.
        std: its standard error; None, 0 or an infinite one counts as no error.
    """
    if not std or not math.isfinite(value + std):
        return format_number(value)
    mantissa, decimals, exponent = round_to_error(value, std)
    scaled = std / 10.0**exponent
    error = f"{scaled:.{decimals}f}" if round(scaled, decimals) else format_number(scaled, 2)
    text = f"{with_minus_signs(f'{mantissa:.{decimals}f}')} ± {error}"
    return f"({text})·{power_of_ten(exponent)}" if exponent else text


def format_interval(value: float, half: float) -> str:
    """Return the interval ``value`` ± ``half`` as ``low … high``, to two digits of ``half``.

    Args:
        value: the middle of the interval.
        half: half of its width; an infinite one gives "unbounded".
    """
    if not (math.isfinite(value) and math.isfinite(half)):
        return "unbounded"
    _, decimals, exponent = round_to_error(value, half)
    low, high = (with_minus_signs(f"{(value + side * half) / 10.0**exponent:.{decimals}f}") for side in (-1, 1))
    return f"({low} … {high})·{power_of_ten(exponent)}" if exponent else f"{low} … {high}"


def format_relative_error(value: float | None) -> str:
    """Return a relative error in percent, or with a power of ten below a hundredth of a percent."""
    if value is None or not math.isfinite(value):
        return "–"
    if 1e-4 <= abs(value) < 1e3 or value == 0:
        return f"{format_number(100 * value, 2)} %"
    return format_number(value, 2)


def format_r2(value: float | None) -> str:
    """Return R², never rounded up to 1: near one the distance from it is shown, since that alone is informative."""
    if value is None or not math.isfinite(value):
        return "–"
    if value > 1 - 1e-5:
        return "1" if value == 1 else f"1 − {format_number(1 - value, 2)}"
    decimals = 3 if value < 0.99 else 5
    return with_minus_signs(f"{math.floor(value * 10**decimals) / 10**decimals:.{decimals}f}")
