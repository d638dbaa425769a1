"""The catalogue: its records are sound, its forces are those of the textbooks, plug-ins can do no harm."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sympy

from gnn_discovery.catalogue.known_law import KnownLaw, load_catalogue, parse_known_law
from gnn_discovery.errors import DataError
from gnn_discovery.registry import plugin_records
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.symbolic.expression import Expression

LAWS = load_catalogue().laws
RECORD = {
    "name": "inverse cube",
    "kind": "pair",
    "direction": "radial",
    "expression": "-A*m_i*m_j/r**3",
    "amplitude": "A",
    "constants": {"A": {"meaning": "strength", "unit": "force*length**3/mass**2"}},
    "reference": "a test",
}


@pytest.fixture
def entry_points(monkeypatch):
    def install(**objects):
        def load(value):
            if isinstance(value, Exception):
                raise value
            return value

        points = [
            SimpleNamespace(name=name, value=f"plug.in:{name}", dist=None, load=lambda value=value: load(value))
            for name, value in objects.items()
        ]
        monkeypatch.setattr(
            plugin_records, "entry_points", lambda group: points if group == "gnn_discovery.known_laws" else []
        )
        load_catalogue.cache_clear()
        return load_catalogue()

    yield install
    monkeypatch.undo()
    load_catalogue.cache_clear()


@pytest.fixture
def own_laws(tmp_path, monkeypatch):
    """Writes files of known laws into the user's folder."""

    def put(**files):
        (tmp_path / "known_laws").mkdir()
        for name, text in files.items():
            (tmp_path / "known_laws" / f"{name}.yaml").write_text(text)
        monkeypatch.setenv("GNN_DISCOVERY_HOME", str(tmp_path))
        load_catalogue.cache_clear()
        return load_catalogue()

    yield put
    monkeypatch.undo()
    load_catalogue.cache_clear()


def value(law: KnownLaw, **inputs: float) -> float:
    return float(law.expression.numpy(tuple(inputs))(*map(np.asarray, inputs.values())))


def test_laws_that_a_physicist_expects():
    names = {law.name for law in LAWS if law.softened is None}
    assert len(names) >= 40
    assert names >= {
        "Hooke spring with rest length",
        "Newtonian gravity",
        "Coulomb force",
        "logarithmic gravity",
        "two-dimensional Coulomb force",
        "screened Coulomb force",
        "Lennard-Jones force",
        "Morse force",
        "Plummer-softened gravity",
        "linear drag",
        "quadratic drag",
        "uniform field",
        "harmonic trap",
        "magnetic force",
        "pair dashpot",
        "harmonic contact",
        "Buckingham force",
        "Weeks-Chandler-Andersen repulsion",
        "FENE spring",
        "depletion attraction",
        "Rayleigh-Helmholtz friction",
        "Cucker-Smale alignment",
        "point vortices",
        "Navarro-Frenk-White halo",
        "dynamical friction",
        "Duffing oscillator",
    }
    assert len({law.name for law in LAWS}) == len(LAWS)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_record_is_sound(law):
    assert law.reference and law.field and law.range
    assert all(constant.meaning and constant.unit for constant in law.constants.values())
    assert law.properties <= set(known_properties().entries)
    assert set(law.limits) <= {other.name for other in LAWS}
    swap = {"m_i": "m_j", "m_j": "m_i", "q_i": "q_j", "q_j": "q_i"}
    swapped = law.expression.sympy.subs({sympy.Symbol(a): sympy.Symbol(b) for a, b in swap.items()}, simultaneous=True)
    if law.kind == "pair" and law.order != 1:  # action equals reaction
        assert sympy.simplify(swapped - law.expression.sympy) == 0


@pytest.mark.parametrize(
    ("name", "potential"),
    [
        ("Hooke spring with rest length", "k*(r - L)**2/2"),
        ("Newtonian gravity", "-G*m_i*m_j/r"),
        ("Newtonian gravity, softened r + c", "-G*m_i*m_j/(r + c)"),
        ("Plummer-softened gravity", "-G*m_i*m_j/sqrt(r**2 + c**2)"),
        ("Coulomb force", "K*q_i*q_j/r"),
        ("Coulomb force, softened Plummer", "K*q_i*q_j/sqrt(r**2 + c**2)"),
        ("logarithmic gravity", "G*m_i*m_j*log(r)"),
        ("logarithmic gravity, softened Plummer", "G*m_i*m_j*log(r**2 + c**2)/2"),
        ("screened Coulomb force", "K*q_i*q_j*exp(-r/L)/r"),
        ("Yukawa gravity", "-G*m_i*m_j*exp(-r/L)/r"),
        ("Lennard-Jones force", "4*(e/24)*((s/r)**12 - (s/r)**6)"),
        ("Morse force", "(D/2)*(1 - exp(-a*(r - L)))**2"),
        ("soft-sphere repulsion", "A/(12*r**12)"),
        ("Gaussian core repulsion", "(A*s**2/2)*exp(-r**2/s**2)"),
        ("Mie 9-6 force", "27/4*(e/40.5)*((s/r)**9 - (s/r)**6)"),
        ("Buckingham force", "A*L*exp(-r/L) - A*s**7/(6*r**6)"),
        ("Casimir-Polder attraction", "-A/(7*r**7)"),
        ("ion-induced dipole attraction", "-A*(q_i**2 + q_j**2)/(4*r**4)"),
        ("linear confinement", "A*r"),
        ("FENE spring", "-k*s**2*log(1 - (r/s)**2)/2"),
        ("worm-like chain", "k*s*(1/(4*(1 - r/s)) - r/(4*s) + r**2/(2*s**2))"),
        ("isochrone sphere", "-G*m_i/(L + sqrt(r**2 + L**2))"),
        ("Jaffe sphere", "G*m_i*log(r/(r + L))/L"),
        ("Navarro-Frenk-White halo", "-G*m_i*log(1 + r/L)/r"),
        ("logarithmic halo, softened Plummer", "w*m_i*log(r**2 + c**2)/2"),
        ("fixed Newtonian centre, softened r + c", "-G*m_i/(r + c)"),  # the Hernquist sphere
        ("optical tweezers", "-(k*s**2/2)*exp(-r**2/s**2)"),
    ],
)
def test_force_is_minus_the_slope_of_the_potential(name, potential):
    names = ("r", "L", "w", "k", "G", "K", "c", "e", "s", "D", "a", "A", "m_i", "m_j", "q_i", "q_j")
    symbols = {s: sympy.Symbol(s, positive=True) for s in names}
    plain = {sympy.Symbol(name): symbol for name, symbol in symbols.items()}
    force = load_catalogue()[name].expression.sympy.subs(plain)
    slope = -sympy.diff(Expression.parse(potential).sympy.subs(plain), symbols["r"])
    rng = np.random.default_rng(3)
    for _ in range(5):
        point = {symbol: rng.uniform(0.5, 2.0) for symbol in symbols.values()}
        assert float(force.subs(point)) == pytest.approx(float(slope.subs(point)), rel=1e-12)


@pytest.mark.parametrize("law", [law for law in LAWS if law.softened], ids=lambda law: law.name)
def test_softened_law_is_finite_at_contact_and_the_bare_law_far_away(law):
    bare = load_catalogue()[law.limits[0]]
    numbers = dict.fromkeys(law.expression.names - {"r", "c"}, 1.3)
    assert np.isfinite(value(law, r=1e-9, c=0.1, **numbers))
    far = {**numbers, "r": 3.0}
    assert value(law, c=1e-9, **far) == pytest.approx(value(bare, **far), rel=1e-7)


@pytest.mark.parametrize(
    ("limit", "rest_length", "rate"), [("Born-Mayer repulsion", 25.0, 2.0), ("exponential attraction", -25.0, 1.0)]
)
def test_morse_force_far_inside_or_outside_its_rest_length_is_one_exponential(limit, rest_length, rate):
    morse, exponential, a = load_catalogue()["Morse force"], load_catalogue()[limit], 1.3
    assert limit in morse.limits
    depth = 0.7 / (a * np.exp(rate * a * rest_length))
    for r in (0.3, 1.0, 4.0):
        expected = value(exponential, r=r, A=0.7, L=1 / (rate * a))
        assert value(morse, r=r, D=depth, a=a, L=rest_length) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_attractive_laws_attract_and_repulsive_ones_repel(law):
    signs = {"gravity": -1, "Coulomb": 1, "repulsion": 1, "attraction": -1, "drag": -1, "contact": 1}
    expected = {sign for word, sign in signs.items() if word in law.name and "uniform" not in law.name}
    numbers = dict.fromkeys(law.expression.names, 1.0) | ({"r": 0.7} if "r" in law.expression.names else {})
    assert not expected or {np.sign(value(law, **numbers))} == expected


def test_plug_in_joins_and_is_softened(entry_points):
    found = entry_points(cube={**RECORD, "softenings": ["r + c"]}, several=lambda: [{**RECORD, "name": "another"}])
    assert found.broken == ()
    assert {"inverse cube", "inverse cube, softened r + c", "another"} <= {law.name for law in found.laws}
    assert found["inverse cube"].properties == {"m"}


def test_broken_plug_ins_are_listed_and_harm_nothing(entry_points):
    found = entry_points(
        missing=ImportError("no such module"),
        wrong={**RECORD, "name": "w", "expression": "import os"},
        taken={**RECORD, "name": "Newtonian gravity"},
        good=RECORD,
    )
    assert [name for name, _ in found.broken] == ["missing", "wrong", "taken"]
    assert len(found.laws) == len(LAWS) + 1


OWN = """
name: inverse cube
kind: pair
direction: radial
expression: -A*m_i*m_j/r**3
amplitude: A
constants:
  A: {meaning: strength, unit: force*length**3/mass**2, minimum: 1e-3}
reference: a test
"""


def test_a_file_of_the_users_folder_joins_and_says_where_it_is(own_laws, tmp_path):
    found = own_laws(mine=OWN)
    assert found.broken == () and len(found.laws) == len(LAWS) + 1
    assert found.origins["inverse cube"] == str(tmp_path / "known_laws" / "mine.yaml")
    assert found.origins["Newtonian gravity"] == plugin_records.BUILT_IN
    assert found["inverse cube"].constants["A"].minimum == 1e-3


def test_a_broken_file_is_named_with_its_error_and_harms_nothing(own_laws, tmp_path):
    newton = OWN.replace("inverse cube", "Newtonian gravity")
    twice = "".join(f"- {line}\n" for line in [dict(RECORD), dict(RECORD)])
    code = OWN.replace("a test", "!!python/object/apply:os.mkdir [pwned]")
    found = own_laws(good=OWN, empty="", code=code, newton=newton, no_yaml="a: [", twice=twice, words="a law of mine")
    errors = {Path(file).stem: error for file, error in found.broken}
    assert errors.keys() == {"code", "empty", "newton", "no_yaml", "twice", "words"}
    assert "there is a 'Newtonian gravity' already" in errors["newton"]
    assert "holds no record" in errors["empty"] and "holds no record" in errors["words"]
    assert not Path("pwned").exists() and "'inverse cube' already" in errors["twice"]
    assert len(found.laws) == len(LAWS) + 1
    assert found.origins["Newtonian gravity"] == plugin_records.BUILT_IN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "triple"}, "cannot have direction|not the record"),
        ({"direction": "sideways"}, "cannot have direction"),
        ({"expression": "-A*m_i*m_j/s**3"}, "unknown names"),
        ({"expression": "-A*m_i*m_j/r**r"}, "exponent"),
        ({"expression": "-m_i*m_j/r**A"}, "not proportional"),
        ({"expression": "A + 1/r"}, "not proportional"),
        ({"expression": "1/r**2"}, "not in the expression"),
        ({"softenings": ["somehow"]}, "unknown softenings"),
        ({"reference": ""}, "no reference"),
        ({"colour": "red"}, "not the record"),
        ({"constants": {"A": 1.0}}, "not the record"),
        ({"expression": "__import__('os').system('true')"}, "not the record"),
    ],
)
def test_wrong_record_is_named(change, words):
    with pytest.raises(DataError, match=words):
        parse_known_law({**RECORD, **change}, "plug.in:law")


@pytest.mark.parametrize(
    "name",
    [
        "fixed Newtonian centre, softened Plummer",
        "logarithmic halo, softened Plummer",
        "Coulomb force, softened Plummer",
    ],
)
def test_inside_a_wide_core_any_central_force_is_linear(name):
    law = load_catalogue()[name]
    r = np.linspace(0.1, 2.0, 20)
    values = dict.fromkeys(law.expression.names, 1.0) | {"c": 1e3, "r": r}
    force = law.expression.numpy(sorted(values))(*(np.broadcast_to(values[key], r.shape) for key in sorted(values)))
    np.testing.assert_allclose(force / r, force[0] / r[0], rtol=1e-5)
    linear = {"pair": "linear spring", "external": "isotropic harmonic trap"}[law.kind]
    assert linear in law.limits
