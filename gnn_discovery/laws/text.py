"""Constants, terms and laws in print, as one line of text."""

from __future__ import annotations

import math
import re

from gnn_discovery.laws.term import Constant, ForceLawLike, Term
from gnn_discovery.symbolic.expression import Expression

_UNIT_VECTORS = {
    ("pair", "radial"): "r_hat",
    ("pair", "transverse"): "(z x r_hat)",
    ("pair", "velocity"): "(v_i - v_j)",
    ("self", "velocity"): "v_i",
    ("self", "transverse"): "(z x v_i)",
}


def format_constant(constant: Constant, max_digits: int = 6) -> str:
    """Return the absolute value of a constant with its standard error in the last digit, ``1.00000(2)``.

    An error so small that it would not show is rounded up.

    Args:
        constant: the constant; its sign is left to the caller.
        max_digits: the largest number of digits after the first.
    """
    value, std = abs(constant.value), constant.std
    if std is None or value == 0 or not math.isfinite(value + std):
        return f"{value:.6g}"
    power = math.floor(math.log10(value))
    least = power - max_digits
    place = max(least, math.floor(math.log10(std))) if std > 0 else least
    error = max(1, math.ceil(std / 10.0**place - 1e-9))
    if error >= 10:
        place, error = place + 1, math.ceil(error / 10)
    if place > 0 or power < -3:
        decimals = max(0, power - place)
        return f"{value / 10.0**power:.{decimals}f}({error})e{power:+03d}"
    return f"{value:.{-place}f}({error})"


def term_text(term: Term) -> str:
    """Return the scalar of a term with its constants as numbers, a leading minus first."""
    negative = {name: Expression.parse(f"-{name}") for name, c in term.constants.items() if c.value < 0}
    text = term.expression.substitute(negative).text if negative else term.expression.text
    text = text.replace("**", "^").replace("*", " ")
    if term.constants:
        names = "|".join(sorted(term.constants, key=len, reverse=True))
        text = re.sub(rf"\b({names})\b", lambda match: format_constant(term.constants[match.group()]), text)
    return text


def law_text(law: ForceLawLike) -> str:
    """Return the equation of motion in one line, the constants that have a name, and the inferred properties."""
    motion = "a_i" if law.order == 2 else "v_i"
    left = f"m_i {motion}" if law.divides_by_mass else motion
    if not law.terms:
        return f"{left} = 0: no interaction"
    parts = []
    for term in law.terms:
        unit = _UNIT_VECTORS.get((term.kind, term.direction), f"{term.direction}_hat")
        centre = f", r from {_format_point(term.centre)}" if term.centre is not None and any(term.centre) else ""
        known = " (given)" if term.known else ""
        parts.append(f"{'sum_j ' if term.kind == 'pair' else ''}[{term_text(term)}] {unit}{centre}{known}")
    text = f"{left} = {' + '.join(parts)}"
    if law.diffusion is not None:
        text += f" + sqrt(2 D) xi_i, D = {format_constant(law.diffusion)}"
    if law.temperature is not None:
        text += f", T = {format_constant(law.temperature)}"
    for constant in (c for term in law.terms for c in term.constants.values()):
        # a value without a letter in its name, such as 2, shows in the number itself
        if constant.notable is not None and any(map(str.isalpha, constant.notable.name)):
            sign = "-" if constant.value < 0 else ""
            text += f"; {sign}{format_constant(constant)} is {constant.notable}"
    for name, latent in law.latent.items():
        n_determined, count = int(latent.determined.sum()), len(latent.values)
        text += f"; {name} inferred, determined for {n_determined} of {count} particles"
    return text


def _format_point(centre: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{c:g}" for c in centre) + ")"
