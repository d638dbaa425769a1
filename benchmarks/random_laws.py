"""Draw random laws over the whole language of expressions, and positions for them; a seed makes the same ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnn_discovery.laws.law import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.symbolic.expression import Expression

PARTICLES = 4
_DIRECTIONS = {
    "pair": ("radial", "radial", "velocity", "transverse", "x", "y"),
    "self": ("velocity", "transverse", "x"),
    "external": ("radial", "transverse", "x", "y"),
}
_PAIR_FACTORS = (
    *("", "", "m_i*m_j*", "q_i*q_j*", "sqrt(m_i*m_j)*", "(m_i + m_j)*", "Abs(q_i*q_j)*", "m_i*m_j*(q_i + q_j)*"),
    *("m_j*", "m_i*q_j**2*"),
)
_SHAPES = (
    *("{u}**{n}", "{u}**(-{c})", "1/({u} + {c})**{k}", "{u}/({u}**2 + {c})**1.5", "({u} - {c})", "({u} - {c})**3"),
    *("exp(-{u}/{c})", "exp(-{u}/{c})*(1/{u}**2 + 1/({c}*{u}))", "{u}*exp(-{c}*{u}**2)", "log({u} + {c})"),
    *("sin({c}*{u})", "cos({c}*{u})", "tan({u}/30)", "tanh({u} - {c})", "sinh({u}/{k})", "cosh({u}/{k})"),
    *("Abs({u} - {c})", "sqrt({u} + {c})", "(2/{u}**13 - 1/{u}**7)", "(exp(-2*({u} - 1)) - exp(-({u} - 1)))"),
    *("1/({u}**2 + {c})", "sin({u})/{u}", "{u}**2/({u} + {c})", "log({u} + 1)/{u}**2", "exp(-{u})*cos({c}*{u})"),
)
_CASES = (
    "Piecewise((0, {u} < {c}), ({a}, True))",
    "Piecewise(({a}, {u} <= {c}), ({b}, True))",
    "Piecewise(({a}, {u} > {c} and {u} < {c} + 1), ({b}, True))",
    "Piecewise(({a}, {u} < 0.5 or {u} >= 2), ({b}, {u} < {c}), (1, True))",
)


def random_law(rng: np.random.Generator) -> tuple[ForceLaw, int]:
    """Draw a law, and return it with its number of dimensions; half of the laws are sums of radial pair terms."""
    dim = int(rng.integers(2, 4))
    plain = rng.random() < 0.5
    terms = []
    for _ in range(rng.integers(1, 4)):
        kind = "pair" if plain else str(rng.choice(["pair", "self", "external"]))
        directions = [d for d in _DIRECTIONS[kind] if d != "transverse" or dim == 2]
        direction = "radial" if plain else str(rng.choice(directions))
        terms.append(_term(rng, kind, direction, dim, plain))
    order = 1 if rng.random() < 0.05 else 2
    law = ForceLaw(tuple(terms), order, divides_by_mass=bool(order == 2 and rng.random() < 0.6))
    if not law.divides_by_mass and rng.random() < 0.3:
        values = np.exp(rng.normal(size=PARTICLES))
        sure = np.full(PARTICLES, True) if rng.random() < 0.6 else np.arange(PARTICLES) > 0
        latent = LatentProperty(values, np.where(sure, 0.01 * values, np.inf), sure)
        law = ForceLaw(law.terms, law.order, False, {"m": latent})
    return law, dim


def random_motion(
    rng: np.random.Generator, law: ForceLaw, dim: int
) -> tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]:
    """Draw positions, velocities and properties without those that the law has inferred."""
    positions, velocities = rng.normal(size=(2, PARTICLES, dim)) * [[[1.5]], [[1.0]]]
    properties = {"m": np.exp(rng.normal(size=PARTICLES)), "q": rng.normal(size=PARTICLES)}
    return positions, velocities, {name: p for name, p in properties.items() if name not in law.latent}


def _term(rng: np.random.Generator, kind: str, direction: str, dim: int, plain: bool) -> Term:
    constants: dict[str, Constant] = {}
    centre = tuple(rng.normal(size=dim).tolist()) if kind == "external" and rng.random() < 0.5 else None
    variables = ["r"]
    if not plain:
        variables += ["v"] if kind == "pair" else ["v", *"xyz"[:dim]] if kind == "external" else ["v"]
        variables = ["v"] if kind == "self" else variables

    def constant(least: float = 0.2) -> str:
        name, value = f"c{len(constants)}", least + float(np.exp(0.7 * rng.normal()))
        if rng.random() < 0.3:
            return f"{value:.3g}"
        constants[name] = Constant(value, 0.01 * value if rng.random() < 0.5 else None)
        return name

    def shape() -> str:
        u = str(rng.choice(variables))
        u = f"Abs({u})" if u in ("x", "y", "z") else u
        text = str(rng.choice(_SHAPES))
        while "{c}" in text:
            text = text.replace("{c}", constant(), 1) if text.count("{c}") == 1 else text.replace("{c}", constant())
        return text.format(u=u, n=rng.integers(-4, 4), k=rng.integers(1, 4))

    def scalar() -> str:
        drawn = rng.random()
        if drawn < 0.2:
            u = str(rng.choice(variables))
            cases = str(rng.choice(_CASES)).replace("{c}", f"{0.5 + 2 * rng.random():.3g}")
            return cases.format(u=u, a=shape(), b=shape())
        if drawn < 0.35:
            return f"({shape()} + {shape()})"
        if drawn < 0.42 and not plain:
            return f"{shape()}*{shape()}"
        return shape()

    strength = constant() if rng.random() < 0.5 else f"-{constant()}"
    factor = str(rng.choice(_PAIR_FACTORS[: 8 if plain and rng.random() < 0.9 else None]))
    if kind != "pair":
        factor = str(rng.choice(["", "m_i*", "q_i*"]))
    elif not plain and rng.random() < 0.2:
        factor += "v_r*"
    return Term(kind, direction, Expression.parse(f"{strength}*{factor}{scalar()}"), constants, centre)
