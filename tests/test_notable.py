"""Identification of constants: a number that is 2 or π is named, and hardly any is by coincidence."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.constant_identification import identify_constant, identify_constants


@pytest.mark.parametrize(
    ("value", "std", "name", "distance"),
    [
        (2.0002, 1e-4, "2", 2.0),
        (-1.0000012, 2.4e-6, "-1", 0.5),
        (1.50002, 1e-5, "3/2", 2.0),
        (-0.5, 1e-7, "-1/2", 0.0),
        (0.33333, 1e-5, "1/3", 1 / 3),
        (1.75, 1e-6, "7/4", 0.0),
        (3.14159, 1e-5, "π", 0.265),
        (-12.56637, 1e-5, "-4π", 0.061),
        (4.712389, 1e-6, "3π/2", 0.02),
        (39.4784, 1e-4, "4π²", 0.176),
        (2 + 1e-9, 1e-15, "2", 0.5),  # no error below 1e-9 is believed
    ],
)
def test_what_is_notable_is_named_with_its_distance(value, std, name, distance):
    found = identify_constant(Constant(value, std))
    assert found is not None and found.name == name
    assert found.distance == pytest.approx(distance, abs=0.02)


@pytest.mark.parametrize(
    ("value", "std", "unit", "name"),
    [
        (-6.675e-11, 1e-14, "m^3 kg^-1 s^-2", "-G"),
        (-2.9591e-4, 2e-8, "AU^3 day^-2 M_sun^-1", "-G"),  # the square of Gauss's 0.01720209895
        (39.4769, 1e-4, "AU^3 yr^-2 M_sun^-1", "G"),  # a Julian year is not quite that of Gauss, whose 4π² it would be
        (4.30091e-3, 1e-7, "pc km^2 s^-2 M_sun^-1", "G"),
        (138.93545, 1e-4, "u nm^3 ps^-2 e^-2", "k_e"),  # as molecular dynamics has it
        (-2.959122e-4, 1e-9, "AU^3 day^-2", "-GM_sun"),
        (-9.81, 0.005, "m s^-2", "-g"),
        (-9.81, 0.1, "m s^-2", None),  # might be anything
        (6.675e-11, 1e-14, "m^3 s^-2", None),
        (2.0, 1e-6, "N/m", "2"),
        (2.0, 1e-6, "what is no unit", "2"),
    ],
)
def test_constants_of_nature_are_known_in_every_unit(value, std, unit, name):
    found = identify_constant(Constant(value, std, unit))
    assert (found and found.name) == name
    assert found is None or (found.distance < 3 and found.value == pytest.approx(value, rel=1e-3))


@pytest.mark.parametrize(
    ("value", "std"),
    [
        (2.0, 0.01),  # one in twenty numbers known so badly is near to an integer
        (2.0, None),
        (2.0, float("inf")),
        (1.0 / 3, 1e-3),
        (2.0005, 1e-4),
        (0.7391, 1e-7),
        (1e-5, 1e-9),  # near zero, which is no law
        (0.0, 1e-9),
    ],
)
def test_what_may_be_luck_has_no_name(value, std):
    assert identify_constant(Constant(value, std)) is None


@pytest.mark.parametrize("std", [1e-2, 1.6e-3, 8e-4, 2e-4, 1e-6])
def test_fewer_than_one_in_a_hundred_is_named_by_luck(std):
    values = np.random.default_rng(0).uniform(0.1, 30, 5000)
    named = [v for v in values if identify_constant(Constant(float(v), std))]
    assert len(named) <= 0.01 * len(values)


def test_a_law_says_which_number_is_pi_and_keeps_it_as_plain_data():
    constants = {"c0": Constant(-2 * pi, 1e-6), "n": Constant(2.0, 1e-6)}
    law = identify_constants(ForceLaw((Term("pair", "radial", Expression.parse("c0*r**n"), constants),)))
    assert str(law) == "a_i = sum_j [-6.283185(1) r^2.000000(1)] r_hat; -6.283185(1) is -2π to 0.0 standard errors"
    assert to_dict(law)["terms"][0]["constants"]["n"]["notable"] == {"name": "2", "value": 2.0, "distance": 0.0}
    assert from_dict(to_dict(law)) == law
