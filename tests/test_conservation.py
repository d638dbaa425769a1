"""Conservation along a rollout of the law, and its symmetries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from written_laws import DATA, FRAMES, GRAVITY, SPRING, law, snapshots, term

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.conservation import check_conservation, potential_energy
from gnn_discovery.validation.symmetry import check_symmetry
from gnn_discovery.validation.verdict import Check, CheckId


def checks(found: ForceLaw, data: Dataset = DATA) -> dict[CheckId, Check]:
    return {check.id: check for check in check_conservation(found, data)}


def test_conservation():
    figures = checks(law(GRAVITY, "q_i*q_j/(r + 0.01)**2"))
    assert all(check.passed for check in figures.values())
    assert figures[CheckId.ENERGY].figure < 1e-5
    assert figures[CheckId.MOMENTUM].figure < 1e-10
    assert figures[CheckId.ANGULAR_MOMENTUM].figure < 1e-8
    trapped = checks(law(SPRING, term("-0.3*x", "external", "x"), term("0.6*q_i", "self", "transverse")))
    assert (
        trapped[CheckId.ENERGY].passed
        and not trapped[CheckId.MOMENTUM].passed
        and not trapped[CheckId.ANGULAR_MOMENTUM].passed
    )
    swirl = checks(law(term("0.5/r", "pair", "transverse")))
    assert not swirl[CheckId.ANGULAR_MOMENTUM].passed and not swirl[CheckId.ENERGY].passed
    damped = checks(law(SPRING, term("-1.0", "self", "velocity")))
    assert (
        damped[CheckId.RECIPROCITY].passed and not damped[CheckId.ENERGY].passed and not damped[CheckId.MOMENTUM].passed
    )
    one_sided = checks(law("-m_i/(r + 0.1)**2"))
    assert not one_sided[CheckId.RECIPROCITY].passed and not one_sided[CheckId.MOMENTUM].passed
    assert checks(law("-1.7*m_j/r**2", masses=False))[CheckId.RECIPROCITY].passed is None


@pytest.mark.parametrize("dim", [2, 3])
def test_a_central_field_keeps_angular_momentum_but_no_momentum(dim):
    inside = replace(term("-0.7*r", "external", "radial"), centre=(1.0, 2.0, 0.5)[:dim])
    figures = checks(law(GRAVITY, inside), snapshots("m", dim=dim))
    assert figures[CheckId.ANGULAR_MOMENTUM].passed and figures[CheckId.ANGULAR_MOMENTUM].figure < 1e-8
    assert figures[CheckId.ENERGY].passed and not figures[CheckId.MOMENTUM].passed


def test_the_energy_that_drag_takes_away():
    """Free particles of mass 1 keep exp(-2 g t) of it."""
    data, g = snapshots(), 3.0
    left = np.exp(-2 * g * data.times[data.run == data.run[0]])
    lost = checks(law(term(f"-{g}", "self", "velocity"), masses=False), data)[CheckId.ENERGY]
    assert not lost.passed
    assert lost.figure == pytest.approx((1 - left[-1]) / (1 - left[-1] + left.mean()), rel=1e-6)


def test_motion_is_rolled_out_from_a_held_out_run_of_fewer_particles():
    data = snapshots("m")
    part = replace(data.select(data.run == data.run[-1]), present=np.tile([True, False, True, True], (FRAMES, 1)))
    figures = {check.id: check for check in check_conservation(law(GRAVITY), data, part)}
    assert all(figures[id].passed for id in (CheckId.MOMENTUM, CheckId.ANGULAR_MOMENTUM, CheckId.ENERGY))
    assert "over a time of 0.07" in figures[CheckId.ENERGY].detail


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
        ((GRAVITY, term("-1.0", "self", "velocity")), {CheckId.GALILEAN_INVARIANCE}),
        ((term("0.5/r", "pair", "transverse"),), {CheckId.REFLECTION}),
        ((term("0.8*q_i", "self", "transverse"),), {CheckId.REFLECTION, CheckId.GALILEAN_INVARIANCE}),
        ((SPRING, term("-1.3*m_i", "external", "y")), {CheckId.ROTATION, CheckId.REFLECTION}),
        ((term("-0.3*r", "external", "radial"),), {CheckId.TRANSLATION}),
    ],
)
def test_worlds_in_which_a_law_is_the_same(terms, broken):
    found = {check.id: check for check in check_symmetry(law(*terms), DATA)}
    assert set(found) == {CheckId.TRANSLATION, CheckId.ROTATION, CheckId.REFLECTION, CheckId.GALILEAN_INVARIANCE}
    assert {id for id, check in found.items() if not check.passed} == broken
    for id, check in found.items():
        assert check.figure > 0.01 if id in broken else check.figure < 1e-12


@pytest.mark.parametrize("dim", [1, 3])
def test_pair_forces_are_the_same_in_every_number_of_dimensions(dim):
    checks = check_symmetry(law(GRAVITY), snapshots("m", dim=dim))
    assert all(check.passed for check in checks) and len(checks) == 4
