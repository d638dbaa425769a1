"""Units: held against astropy's; quantities become numbers; no law and no verdict depends on the units of the data."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from math import prod

import astropy.units as u
import numpy as np
import pint
import pytest
from networks import QUICK_NETWORK, QUICK_TRAINING

from gnn_discovery import discover
from gnn_discovery.data.dataset import CharacteristicScales, Dataset, assemble_dataset
from gnn_discovery.data.trajectory import Trajectory, convert_units, validate_trajectory
from gnn_discovery.distillation.additive_fit import spline_basis
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.rollout import rollout
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.pipeline.loading import LoadedMotion, prepare_dataset
from gnn_discovery.registry.units import conversion_factor, parse_unit, unit_of
from gnn_discovery.simulators import FunctionSimulator, SimulationConfig
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig
from gnn_discovery.validation.decision import JudgeContext, judge
from gnn_discovery.validation.dimensions import with_units

ASTRONOMICAL = {"length": "AU", "time": "day", "m": "M_sun"}
SI = {"length": "m", "time": "s", "m": "kg"}
ODD = {"length": "3.7e-9 inch", "time": "41 week", "m": "2e22 lb"}


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        *[(name, name) for name in ("AU", "pc", "kpc", "lyr", "km", "Angstrom", "micron", "yr", "Myr", "day", "h")],
        *[(name, name) for name in ("solMass", "jupiterMass", "earthMass", "solRad", "jupiterRad", "earthRad")],
        *[("M_sun", "solMass"), ("Msun", "solMass"), ("eV", "eV"), ("u", "u"), ("Da", "Da"), ("C", "C")],
        *[("AU^3 day^-2 M_sun^-1", "AU3 / (d2 solMass)"), ("km/s", "km / s"), ("(kg/m)^(1/2)", "kg(1/2) m(-1/2)")],
        ("17.3 km", "17.3 km"),
    ],
)
def test_units_are_those_of_astropy(text, theirs):
    theirs = (1.0 * u.Unit(theirs)).si
    own = parse_unit(text).to_base_units()
    assert float(own.magnitude) == pytest.approx(theirs.value, rel=1e-9)
    assert conversion_factor(text, unit_of(theirs)) == pytest.approx(theirs.value, rel=1e-9)


def test_quantities_of_astropy_are_named_as_astropy_has_them():
    for text in ("AU", "km / s", "solMass", "AU / d2", "kpc", "3 km", "kg(1/2) / m"):
        quantity = 1.0 * u.Unit(text)
        assert conversion_factor(unit_of(quantity), unit_of(quantity.si)) == pytest.approx(quantity.si.value, rel=1e-9)


def test_the_gauss_constant_is_what_it_is():
    """GM of the Sun: 0.01720209895 squared, by a definition of 1938; the IAU's of 2015 is within 1e-6."""
    newton = conversion_factor("newtonian_constant_of_gravitation", "AU^3 day^-2 M_sun^-1")
    assert newton == pytest.approx(0.01720209895**2, rel=1e-6)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ({"length": "kms"}, "no unit 'kms'.*Did you mean"),
        ({"m": "solarmass"}, "'solarmass'.*solar_mass"),
        ({"length": "kg"}, "length is in kg.*a unit of length"),
        ({"time": "m"}, "time is in m"),
        ({"m": "eV"}, "m is in eV.*a unit of mass"),
        ({"q": "kg"}, "q is in kg.*charge"),
        ({"q": "9**9**9**9**9"}, "no unit"),
        ({"time": "degC"}, "no unit|is in"),
        ({"q": "__import__('os').getcwd()"}, "no unit"),
        ({"length": "m" * 1000}, "no unit"),
    ],
)
def test_what_is_no_unit_is_refused_and_named(units, said):
    run = Trajectory(*_line(), properties={"m": np.ones(2), "q": np.ones(2)}, units=units)
    with pytest.raises(DataError, match=f"(?s){said}"):
        validate_trajectory(run, "here")


def test_what_other_fields_call_a_mass_a_charge_or_a_clock_will_do():
    for units in ({"m": "g/mol"}, {"m": "MeV/c^2"}, {"q": "e"}, {"q": "statC"}, {"length": "pixel", "time": "frame"}):
        validate_trajectory(Trajectory(*_line(), properties={"m": np.ones(2), "q": np.ones(2)}, units=units))


def _line() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(24.0).reshape(6, 2, 2) ** 1.5, np.arange(6.0)


@pytest.mark.parametrize("library", ["astropy", "pint"])
def test_quantities_become_numbers_in_the_units_of_the_positions_and_times(library):
    registry = pint.UnitRegistry()
    of = (lambda a, unit: a * u.Unit(unit)) if library == "astropy" else registry.Quantity
    x, t = _line()
    run = Trajectory(
        positions=of(x, "au"),
        times=of(t, "day"),
        velocities=of(x, "km/s"),
        accelerations=of(x, "m/s**2"),
        properties={"m": of(np.ones(2), "kg"), "plain": np.ones(2)},
        box=of(np.array([1.0, 1.0]), "pc"),
    )
    own = validate_trajectory(run)
    assert {type(a) for a in (own.positions, own.velocities, own.box, own.properties["m"])} == {np.ndarray}
    assert [parse_unit(own.units[what]) for what in ("length", "time", "m")] == [
        parse_unit(s) for s in ("AU", "day", "kg")
    ]
    np.testing.assert_array_equal(own.positions, x)
    np.testing.assert_allclose(own.velocities, (x * u.km / u.s).to_value("AU/day"), rtol=1e-12)
    np.testing.assert_allclose(own.accelerations, (x * u.m / u.s**2).to_value("AU/day2"), rtol=1e-12)
    np.testing.assert_allclose(own.box, (1 * u.pc).to_value("AU"), rtol=1e-9)


def test_quantities_are_converted_to_units_that_are_stated():
    x, t = _line()
    run = Trajectory(x * u.km, t * u.h, units={"length": "m", "time": "s"})
    np.testing.assert_allclose(run.positions, 1e3 * x)
    np.testing.assert_allclose(run.times, 3600 * t)


def test_a_velocity_needs_the_units_of_positions_and_times_and_is_no_length():
    x, t = _line()
    with pytest.raises(DataError, match=r"velocities have a unit.*none of length and time"):
        Trajectory(x, t, velocities=x * u.km / u.s)
    with pytest.raises(DataError, match="cannot be converted"):
        Trajectory(x * u.km, t * u.s, velocities=x * u.km)


A, B = 1.3, 0.2
"""A pull of A m_i m_j / (r + B)^2, in AU, days and solar masses."""


def pull(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Accelerations (T N D)."""
    d = x[:, :, None] - x[:, None]
    r = np.linalg.norm(d, axis=-1, keepdims=True) + np.eye(x.shape[1])[..., None]
    return -np.sum(A * m[:, None] * d / r / (r + B) ** 2, axis=2)


def runs_in(units: dict[str, str], frames: int = 12) -> list[Trajectory]:
    """Instants of four bodies, everything observed."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(10):
        x, v = rng.normal(size=(2, frames, 4, 2))
        m = np.exp(rng.normal(size=4))
        own = Trajectory(x, np.arange(float(frames)), v, pull(x, m), {"m": m}, units=ASTRONOMICAL)
        found.append(convert_units(validate_trajectory(own), units))
    return found


def start(units: dict[str, str]) -> ForceLaw:
    """The right form, its constants far off."""
    far = {
        "A": 3.0 * A * conversion_factor(UNIT_OF_A, _unit_of_a(units)),
        "B": B / 3 * conversion_factor("AU", units["length"]),
    }
    constants = {name: Constant(value) for name, value in far.items()}
    term = Term("pair", "radial", Expression.parse("-A*m_i*m_j/(r + B)**2"), constants)
    return ForceLaw((term,), divides_by_mass=True)


def _unit_of_a(units: dict[str, str]) -> str:
    return "({length})^3 ({time})^-2 ({m})^-1".format(**units)


UNIT_OF_A = _unit_of_a(ASTRONOMICAL)
SYSTEMS = pytest.mark.parametrize("units", [SI, ODD], ids=["SI", "odd"])


def test_there_and_back_again_is_the_same_motion():
    for here in (SI, ODD):
        for one, other in zip(runs_in(ASTRONOMICAL), runs_in(here), strict=True):
            back = convert_units(other, ASTRONOMICAL)
            for name in ("positions", "times", "velocities", "accelerations"):
                np.testing.assert_allclose(getattr(back, name), getattr(one, name), rtol=1e-14)


def fitted(units: dict[str, str]) -> tuple[Dataset, ForceLaw]:
    data = assemble_dataset(runs_in(units))
    return data, with_units(refit(start(units), data).law, data)


@SYSTEMS
def test_the_constants_of_a_refit_carry_units_that_convert_them(units):
    _, law = fitted(units)
    constants = law.terms[0].constants
    assert constants["A"].value * conversion_factor(constants["A"].unit, UNIT_OF_A) == pytest.approx(A, rel=1e-12)
    assert constants["B"].value * conversion_factor(constants["B"].unit, "AU") == pytest.approx(B, rel=1e-12)
    theirs = (1.0 * u.AU**3 / u.day**2 / u.solMass).si
    assert parse_unit(constants["A"].unit).dimensionality == parse_unit(unit_of(theirs)).dimensionality


@pytest.mark.parametrize(
    "units",
    [
        {"length": "AU", "time": "yr/(2*pi)", "m": "M_sun", "q": "e"},
        {"length": "Å", "time": "Å*(u/eV)^0.5", "m": "g/mol", "q": "elementary_charge"},
        {"length": "17.3 km", "time": "µs", "m": "kg/m * km", "q": "statC"},
    ],
)
@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("-A*m_i*m_j/r**2", (3, -2, -1, 0)),
        ("A*q_i*q_j*r", (0, -2, 1, -2)),
        ("A*m_i*sqrt(r)", (Fraction(1, 2), -2, 0, 0)),
        ("A*r**2", (-1, -2, 1, 0)),
    ],
)
def test_every_unit_of_a_constant_is_read_back(units, text, powers):
    """Through JSON, and against the product of the powers that dimensional analysis asks for."""
    properties = {"m": np.ones(4), "q": np.ones(4)}
    data = assemble_dataset([replace(run, properties=properties, units=units) for run in runs_in(ASTRONOMICAL)])
    law = ForceLaw((Term("pair", "radial", Expression.parse(text), {"A": Constant(1.0)}),), divides_by_mass=True)
    stated = json.loads(json.dumps(to_dict(with_units(law, data))))["terms"][0]["constants"]["A"]["unit"]
    expected = prod([parse_unit(units[what]) ** float(p) for what, p in zip(units, powers, strict=True)])
    assert float((parse_unit(stated) / expected).to("").magnitude) == pytest.approx(1.0, rel=1e-12)


@SYSTEMS
def test_verdict_and_figures_of_a_law_do_not_depend_on_units(units):
    context = JudgeContext((1e-12, None), (1e-2, None))
    own, other = (judge(law, data, context) for data, law in (fitted(ASTRONOMICAL), fitted(units)))
    assert (other.status, other.match, other.alternatives) == (own.status, own.match, own.alternatives)
    assert own.status == "known" and "softened" in own.match
    assert [(c.id, c.passed) for c in other.checks] == [(c.id, c.passed) for c in own.checks]


@SYSTEMS
def test_a_law_rolls_out_to_the_same_motion(units):
    def rolled(here: dict[str, str]) -> np.ndarray:
        run, law = runs_in(here)[0], start(here)
        times = np.linspace(0.0, 0.2, 3) * conversion_factor("day", here["time"])
        return rollout(law, run.positions[0], run.velocities[0], run.properties, times) * conversion_factor(
            here["length"], "AU"
        )

    np.testing.assert_allclose(rolled(units), rolled(ASTRONOMICAL), rtol=1e-5, atol=1e-6)


@SYSTEMS
def test_a_network_sees_numbers_near_one_and_the_same_to_a_power_of_two(units):
    """And what it sees comes back to the last digit."""
    own, other = assemble_dataset(runs_in(ASTRONOMICAL)), assemble_dataset(runs_in(units))
    natural = CharacteristicScales.of(other)
    for name in ("positions", "velocities", "target"):
        here = getattr(natural.apply(other), name)
        ratio = here / getattr(CharacteristicScales.of(own).apply(own), name)
        assert 0.1 < np.median(np.abs(here)) < 10 and np.ptp(ratio) < 1e-12 and 0.5 < ratio.flat[0] < 2
    np.testing.assert_array_equal(natural.apply(other).positions * natural.length, other.positions)
    mass = natural.apply(other).properties["m"]
    np.testing.assert_array_equal(natural.apply(other).force * natural.force, other.force)
    assert 0.1 < np.median(mass) < 10


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_splines_of_a_coordinate_do_not_know_its_unit(scale):
    x = np.random.default_rng(1).normal(size=400)
    np.testing.assert_allclose(spline_basis(scale * x), spline_basis(x), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1e11])
def test_a_function_moves_alike_in_every_unit_of_length(scale):
    """A softened pull whose constants are lengths: errors are allowed for as parts of the motion."""

    def moved(size: float) -> np.ndarray:
        def initial(rng, runs, particles, dim):
            x, v = rng.standard_normal((2, runs, particles, dim))
            return size * x, size * v, {"m": np.ones((runs, particles))}

        def accelerations(positions, velocities, properties):
            d = positions[..., :, None, :] - positions[..., None, :, :]
            return -np.sum(size**3 * d / (np.sum(d**2, -1, keepdims=True) + (0.3 * size) ** 2) ** 1.5, axis=-2)

        config = SimulationConfig(runs=5, frames=30, particles=3, dim=2)
        runs = FunctionSimulator(accelerations, spacing=0.05, initial=initial).simulate(config)
        return np.array([run.positions for run in runs]) / size

    np.testing.assert_allclose(moved(scale), moved(1.0), atol=1e-5)


def test_units_that_are_asked_for_are_converted_to_and_those_not_stated_are_taken_on_trust():
    config = DiscoverConfig(units={"length": "km", "m": "kg"})
    bare = [replace(run, units={"length": "AU"}) for run in runs_in(ASTRONOMICAL)]
    seen = prepare_dataset(LoadedMotion("here", tuple(bare)), config).whole()
    assert seen.units == {"length": "km", "m": "kg"}
    given = assemble_dataset(bare)
    np.testing.assert_allclose(np.ptp(seen.positions), 149597870.7 * np.ptp(given.positions), rtol=1e-12)
    assert np.ptp(seen.properties["m"]) == np.ptp(given.properties["m"])
    with pytest.raises(UsageError, match=r"--units.*time is in km"):
        prepare_dataset(LoadedMotion("here", tuple(bare)), replace(config, units={"length": "km", "time": "km"}))
    other = [replace(run, units={"q": "C"}, properties={"q": np.ones(4)}) for run in bare]
    with pytest.raises(UsageError, match=r"--units.*C cannot be converted to statC"):
        prepare_dataset(LoadedMotion("here", tuple(other)), replace(config, units={"q": "statC"}))


def in_numbers(term):
    """The form of a term, whatever its constants are called and whichever sign they have."""
    return term.expression.substitute({name: c.value for name, c in term.constants.items()}).lift_constants()[0]


@pytest.mark.slow
def test_a_discovery_finds_the_same_law_in_other_units():
    config = DiscoverConfig(
        seeds=1,
        training=QUICK_TRAINING,
        network=QUICK_NETWORK,
        regression=EngineConfig(evaluations=10_000),
    )
    (found,) = discover(runs_in(SI, frames=200), config).law.terms
    assert in_numbers(found) == in_numbers(start(SI).terms[0])
    values = {c.unit: c.value for c in found.constants.values()}
    ((a, b),) = [sorted(values, key=len, reverse=True)]
    assert abs(values[a]) * conversion_factor(a, UNIT_OF_A) == pytest.approx(A, rel=1e-9)
    assert values[b] * conversion_factor(b, "AU") == pytest.approx(B, rel=1e-9)
