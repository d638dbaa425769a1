"""What a law keeps when it is rolled out, and in which worlds it is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from written_laws import DATA, FRAMES, GRAVITY, SPRING, law, snapshots, term

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.conservation import check_conservation, potential_energy
from gnn_discovery.validation.symmetry import check_symmetry
from gnn_discovery.validation.verdict import Check


def checks(found: ForceLaw, data: Dataset = DATA) -> dict[str, Check]:
    return {check.name: check for check in check_conservation(found, data)}


def test_conservation():
    figures = checks(law(GRAVITY, "q_i*q_j/(r + 0.01)**2"))
    assert all(check.passed for check in figures.values())
    assert figures["energy"].figure < 1e-5
    assert figures["momentum"].figure < 1e-10
    assert figures["angular momentum"].figure < 1e-8
    trapped = checks(law(SPRING, term("-0.3*x", "external", "x"), term("0.6*q_i", "self", "transverse")))
    assert trapped["energy"].passed and not trapped["momentum"].passed and not trapped["angular momentum"].passed
    swirl = checks(law(term("0.5/r", "pair", "transverse")))
    assert not swirl["angular momentum"].passed and not swirl["energy"].passed
    damped = checks(law(SPRING, term("-1.0", "self", "velocity")))
    assert damped["reciprocity of the law"].passed and not damped["energy"].passed and not damped["momentum"].passed
    one_sided = checks(law("-m_i/(r + 0.1)**2"))
    assert not one_sided["reciprocity of the law"].passed and not one_sided["momentum"].passed
    assert checks(law("-1.7*m_j/r**2", masses=False))["reciprocity of the law"].passed is None


@pytest.mark.parametrize("dim", [2, 3])
def test_a_central_field_keeps_angular_momentum_but_no_momentum(dim):
    inside = replace(term("-0.7*r", "external", "radial"), centre=(1.0, 2.0, 0.5)[:dim])
    figures = checks(law(GRAVITY, inside), snapshots("m", dim=dim))
    assert figures["angular momentum"].passed and figures["angular momentum"].figure < 1e-8
    assert figures["energy"].passed and not figures["momentum"].passed


def test_the_energy_that_drag_takes_away():
    """Of free particles of mass 1, exp(-2 g t) of it is left."""
    data, g = snapshots(), 3.0
    left = np.exp(-2 * g * data.times[data.run == data.run[0]])
    lost = checks(law(term(f"-{g}", "self", "velocity"), masses=False), data)["energy"]
    assert not lost.passed
    assert lost.figure == pytest.approx((1 - left[-1]) / (1 - left[-1] + left.mean()), rel=1e-6)


def test_motion_is_rolled_out_from_a_held_out_run_of_fewer_particles():
    data = snapshots("m")
    part = replace(data.select(data.run == data.run[-1]), present=np.tile([True, False, True, True], (FRAMES, 1)))
    figures = {check.name: check for check in check_conservation(law(GRAVITY), data, part)}
    assert all(figures[name].passed for name in ("momentum", "angular momentum", "energy"))
    assert "over a time of 0.07" in figures["energy"].detail


def test_potential_energy_of_gravity():
    r = np.linalg.norm(DATA.separation(), axis=-1)
    m = DATA.properties["m"]
    product = m[:, DATA.receivers] * m[:, DATA.senders]
    exact = -0.5 * np.sum(product / (r + 0.1), axis=1)
    reference = 0.5 * np.sum(product / (np.median(r) + 0.1), axis=1)
    np.testing.assert_allclose(
        potential_energy(term("-m_i*m_j/(r + 0.1)**2"), DATA), exact + reference, rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize(
    ("terms", "broken"),
    [
        ((GRAVITY, "-0.4*v_r"), set()),
        ((GRAVITY, term("-1.0", "self", "velocity")), {"Galilean invariance"}),
        ((term("0.5/r", "pair", "transverse"),), {"reflection"}),
        ((term("0.8*q_i", "self", "transverse"),), {"reflection", "Galilean invariance"}),
        ((SPRING, term("-1.3*m_i", "external", "y")), {"rotation", "reflection"}),
        ((term("-0.3*r", "external", "radial"),), {"translation"}),
    ],
)
def test_worlds_in_which_a_law_is_the_same(terms, broken):
    found = {check.name.removesuffix(" of the law"): check for check in check_symmetry(law(*terms), DATA)}
    assert set(found) == {"translation", "rotation", "reflection", "Galilean invariance"}
    assert {name for name, check in found.items() if not check.passed} == broken
    for name, check in found.items():
        assert check.figure > 0.01 if name in broken else check.figure < 1e-12


@pytest.mark.parametrize("dim", [1, 3])
def test_pair_forces_are_the_same_in_every_number_of_dimensions(dim):
    checks = check_symmetry(law(GRAVITY), snapshots("m", dim=dim))
    assert all(check.passed for check in checks) and len(checks) == 4
