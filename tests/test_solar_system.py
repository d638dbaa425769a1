"""Real data: the law and the source strengths of Sun and planets from positions alone."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.evaluate import all_pairs
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.selection.select import select_law
from gnn_discovery.symbolic.expression import Expression

BODIES = (
    "sun",
    "mercury",
    "venus",
    "earth-moon-barycenter",
    "mars",
    "jupiter",
    "saturn",
    "uranus",
    "neptune",
)
INVERSE = [1, 6023657.33, 408523.72, 328900.56, 3098703.59, 1047.348644, 3497.9018, 22902.98, 19412.26]
GM = 2.959122082855911e-04 / np.array(INVERSE)
"""au^3 / day^2: the Sun's, and its ratios to the planetary systems of JPL's DE440 (Park et al. 2021)."""

STEP = 4.0
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])


@pytest.fixture(scope="module")
def planets() -> Dataset:
    """1950 to 1998, every four days, barycentric; accelerations by differences of eighth order."""
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    time = Time(2433282.5 + STEP * np.arange(4400), format="jd", scale="tdb")
    x = np.stack([get_body_barycentric(b, time, ephemeris="builtin").xyz.to_value("au").T for b in BODIES], axis=1)
    a = sum(c * x[k : len(x) - 8 + k] for k, c in enumerate(SECOND)) / STEP**2
    x, count = x[4:-4], len(x) - 8
    senders, receivers = all_pairs(9)
    return Dataset(
        positions=x,
        velocities=np.gradient(x, STEP, axis=0),
        target=a,
        properties={},
        present=np.ones((count, 9), dtype=bool),
        run=np.arange(count) * 10 // count,
        times=STEP * np.arange(count),
        senders=senders,
        receivers=receivers,
        names=BODIES,
    )


def pair(text: str, **constants: float) -> ForceLaw:
    values = {name: Constant(value) for name, value in constants.items()}
    return ForceLaw((Term("pair", "radial", Expression.parse(text), values),))


def test_exponent_and_all_strengths_together(planets):
    found = refit(pair("-m_j*r**c0", c0=-1.6), planets, latent=("m",)).law
    exponent, strength = found.terms[0].constants["c0"], found.latent["m"]
    assert abs(exponent.value + 2) < 2e-4 * 0.5
    assert abs(exponent.value + 2) < 4 * exponent.std
    assert strength.determined.all()
    ratio = strength.values / strength.values[0] * GM[0] / GM
    assert abs(ratio[5] - 1) < 5e-4
    assert np.abs(ratio - 1).max() < 0.02
    assert np.abs(strength.values / GM - 1)[:6].max() < 5e-3


def test_newton_is_chosen(planets):
    forms = [
        pair("-m_j*r**c0", c0=-1.6),
        pair("c0*m_j/r", c0=-1.0),
        pair("-m_j*exp(c0*r)/r**2", c0=0.1),
        pair("-m_j*r"),
    ]
    held = np.isin(planets.run, (2, 7))
    choice = select_law(forms, planets.select(~held), planets.select(held), latent=("m",))
    assert choice.law.terms[0].expression.text == "-m_j/r**2"
    assert choice.law.latent["m"].determined.sum() >= 7


def test_a_short_span_does_not_determine_the_outer_planets(planets):
    few = planets.select(np.arange(len(planets.run) - 270, len(planets.run)))  # three years
    strength = refit(pair("-m_j/r**2"), few, latent=("m",)).law.latent["m"]
    assert strength.determined[0]
    assert not strength.determined[7:].any()
    miss = np.abs(strength.values - GM) / GM
    assert np.all(miss[strength.determined] < 0.3)
