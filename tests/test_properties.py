"""Properties: what their names mean, and the units that the constants of a law have because of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import sympy
from worlds import spring, world

from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.data.dataset import split_by_run
from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.pipeline import stages
from gnn_discovery.pipeline.session import Session
from gnn_discovery.registry import plugin_records
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.registry.properties.particle_property import parse_property
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.dimensions import check_dimensions, with_units

RECORD = {"name": "radius", "meaning": "radius of a sphere", "dimension": {"length": 1}, "positive": True}
SI = {"length": "m", "time": "s", "m": "kg", "q": "C"}
BASES = {"force": "mass*length/time**2", "energy": "mass*length**2/time**2"}
DATA = world(spring, count=40, runs=20)
BARE = [law for law in load_catalogue().laws if law.softened is None]


@pytest.fixture
def radius(monkeypatch):
    """A plug-in that knows of radii."""
    point = SimpleNamespace(name="spheres", value="plug.in:spheres", dist=None, load=lambda: RECORD)
    monkeypatch.setattr(
        plugin_records, "entry_points", lambda group: [point] if group == "gnn_discovery.properties" else []
    )
    known_properties.cache_clear()
    yield
    monkeypatch.undo()
    known_properties.cache_clear()


def law(text: str, kind="pair", direction="radial", *, constants=None, **changed) -> ForceLaw:
    expression, values = Expression.parse(text).lift_constants()
    given = {name: Constant(1.0) for name in constants} if constants else {n: Constant(v) for n, v in values.items()}
    return ForceLaw((Term(kind, direction, expression, given),), **{"divides_by_mass": True, **changed})


def units_of(found: ForceLaw, units=SI, data=DATA) -> dict[str, str | None]:
    (term,) = with_units(found, replace(data, units=units)).terms
    return {name: constant.unit for name, constant in term.constants.items()}


def powers(unit: str | None) -> dict[str, sympy.Expr]:
    """The powers of m, s, kg, C in a unit in print."""
    factors = (unit or "").replace("(", "").replace(")", "").split()
    return {base: sympy.Rational(power or "1") for base, _, power in (factor.partition("^") for factor in factors)}


@pytest.mark.parametrize("known", BARE, ids=lambda known: known.name)
def test_the_constants_of_known_laws_get_the_units_of_their_records(known):
    """Worked out from the expression alone, they are what the records say."""
    direction = "x" if known.direction == "axis" else known.direction
    term = Term(known.kind, direction, known.expression, {name: Constant(1.0) for name in known.constants})
    found = units_of(ForceLaw((term,), known.order or 2, divides_by_mass=known.order is None))
    bases = {"length": "m", "time": "s", "mass": "kg", "charge": "C"}
    for name, constant in known.constants.items():
        stated = Expression.parse(constant.unit).substitute({b: Expression.parse(t) for b, t in BASES.items()}).sympy
        expected = {text: _power(stated, base) for base, text in bases.items()}
        assert powers(found[name]) == {text: power for text, power in expected.items() if power}, name


def _power(product: sympy.Expr, base: str) -> sympy.Expr:
    return product.as_powers_dict().get(sympy.Symbol(base), sympy.Integer(0))


@pytest.mark.parametrize(
    ("found", "units", "expected"),
    [
        (law("-A*m_i*m_j/(r + c)**2", constants="Ac"), SI, {"A": "m^3 kg^-1 s^-2", "c": "m"}),
        (law("K*q_i*q_j/r**2", constants="K"), SI, {"K": "kg m^3 C^-2 s^-2"}),
        (law("-g", "self", "velocity", constants="g"), SI, {"g": "kg s^-1"}),
        (law("-A*m_j/r**2", constants="A", divides_by_mass=False), SI, {"A": "m^3 kg^-1 s^-2"}),
        (law("-A*m_j/r", constants="A", order=1), SI, {"A": "m^2 s^-1"}),
        (law("-A*k_j*r", constants="A"), {**SI, "k": "N/m"}, {"A": "kg (N/m)^-1 s^-2"}),
        (law("-A*q_j/r", constants="A"), {"length": "AU", "time": "day", "m": "kg"}, {"A": None}),  # of no known unit
        (law("A*B*r", constants="AB"), SI, {"A": None, "B": None}),  # their product alone is determined
        (law("A*r**B", constants="AB"), SI, {"A": None, "B": None}),
        (law("A*(r + r**2)", constants="A"), SI, {"A": None}),  # unsound
        (law("-A*m_i*m_j/r**2", constants="A"), {"length": "m"}, {"A": None}),
    ],
)
def test_units_of_constants(found, units, expected):
    assert units_of(found, units) == expected


def test_an_inferred_source_strength_leaves_its_factor_open_and_no_more():
    latent = {"m": LatentProperty(np.ones(4), np.ones(4), np.ones(4, dtype=bool))}
    found = law("-A*m_j/(r + c)**2", constants="Ac", divides_by_mass=False, latent=latent)
    assert units_of(found, {"length": "AU", "time": "day"}) == {"A": None, "c": "AU"}


def test_one_constant_has_one_unit():
    data = replace(DATA, units=SI)
    assert check_dimensions(law("A*(r + B)", constants="AB"), data).passed
    assert check_dimensions(law("A*(r + A)", constants="A"), data).passed
    check = check_dimensions(law("A*r + A*r**2", constants="A"), data)
    assert check.passed is False and "adds what has different dimensions" in check.detail


def test_a_radius_is_a_length_once_a_plug_in_says_so(radius):
    contact = law("k*(radius_i + radius_j - r)", constants="k")
    same, other = ({**SI, "radius": unit} for unit in ("m", "mm"))
    assert check_dimensions(contact, replace(DATA, units=same)).passed
    assert units_of(contact, same) == {"k": "kg s^-2"}
    assert check_dimensions(contact, replace(DATA, units=other)).passed is False
    known_properties.cache_clear()


def test_without_the_plug_in_a_radius_is_no_length():
    contact = law("k*(radius_i + radius_j - r)", constants="k")
    assert check_dimensions(contact, replace(DATA, units=SI)).passed is False


def test_what_is_positive_is_held_to_it(radius):
    run = Trajectory(np.arange(8.0).reshape(1, 4, 2), np.zeros(1))
    validate_trajectory(replace(run, properties={"radius": np.ones(4), "q": -np.ones(4)}))
    for name, meaning in (("radius", "radius of a sphere"), ("m", "mass")):
        with pytest.raises(
            DataError, match=rf"{name} of particle 0 is 0.*stands for the {meaning}, positive and finite"
        ):
            validate_trajectory(replace(run, properties={name: np.zeros(4)}))


def test_a_file_of_the_users_folder_is_a_property(tmp_path, monkeypatch):
    (tmp_path / "properties").mkdir()
    (tmp_path / "properties" / "spin.yaml").write_text("{name: spin, meaning: spin, dimension: {mass: 1, time: -1/2}}")
    (tmp_path / "properties" / "mass.yaml").write_text("{name: m, meaning: magic, dimension: {}}")
    monkeypatch.setenv("GNN_DISCOVERY_HOME", str(tmp_path))
    known_properties.cache_clear()
    known = known_properties()
    monkeypatch.undo()
    known_properties.cache_clear()
    assert str(known.entries["spin"]) == "spin  (mass time^-1/2)"
    assert known.entries["m"].meaning == "mass" and known.origins["m"] == plugin_records.BUILT_IN
    ((file, error),) = known.broken
    assert file.endswith("mass.yaml") and "there is a 'm' already" in error


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a radius"},
        {"dimension": {"length": "long"}},
        {"dimension": {"length": "1/0"}},
        {"dimension": "length"},
        {"positive": "yes"},
        {"colour": "red"},
    ],
)
def test_a_wrong_record_is_named(change):
    with pytest.raises(DataError, match=r"plug\.in:property"):
        parse_property({**RECORD, **change}, "plug.in:property")


def test_the_law_of_a_discovery_has_units():
    motion = stages.subtract_known_terms(split_by_run(replace(DATA, units=SI)), Session())
    found = stages.estimate_constants(law("-2.1*(r - 0.9)"), motion, Session())
    (term,) = found.terms
    values = {constant.unit: abs(constant.value) for constant in term.constants.values()}
    assert values == pytest.approx({"kg s^-2": 2.0, "m": 0.99})
