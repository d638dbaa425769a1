"""The built-in systems: forces in closed form, what motion conserves, the Solar System against Kepler."""

from functools import cache

import jax
import numpy as np
import pytest
from gnn_discovery_simulations.charge import Charge
from gnn_discovery_simulations.damped import Damped
from gnn_discovery_simulations.discontinuous import Discontinuous
from gnn_discovery_simulations.free import Free
from gnn_discovery_simulations.gravity import Gravity
from gnn_discovery_simulations.log_gravity import LogGravity
from gnn_discovery_simulations.solar_system import SolarSystem
from gnn_discovery_simulations.spring import Spring
from gnn_discovery_simulations.string import String
from gnn_discovery_simulations.superposition import Superposition
from scipy.integrate import solve_ivp

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.simulators import SimulationConfig, check_simulator
from gnn_discovery.symbolic.expression import Expression

SYSTEMS = {
    "spring": Spring(),
    "log-gravity": LogGravity(),
    "gravity": Gravity(),
    "charge": Charge(),
    "damped": Damped(),
    "discontinuous": Discontinuous(),
    "superposition": Superposition(),
    "string": String(),
    "free": Free(),
}
CONSERVATIVE = [name for name in SYSTEMS if name != "damped"]
CONFIG = SimulationConfig(runs=16, frames=100, seed=3)

PAIR_FORCES = {
    "spring": lambda r, m, n, q, p: -2 * (r + 0.01 - 1),
    "log-gravity": lambda r, m, n, q, p: -m * n / (r + 0.01),
    "gravity": lambda r, m, n, q, p: -m * n / (r + 0.01) ** 2,
    "charge": lambda r, m, n, q, p: q * p / (r + 0.01) ** 2,
    "damped": lambda r, m, n, q, p: -2 * (r + 0.01 - 1),
    "discontinuous": lambda r, m, n, q, p: -2 * (r + 0.01 - 1) * (r + 0.01 >= 2),
    "superposition": lambda r, m, n, q, p: (q * p - m * n) / (r + 0.01) ** 2,
    "string": lambda r, m, n, q, p: -2 * (r + 0.01 - 1),
    "free": lambda r, m, n, q, p: 0 * r,
}
"""Positive is repulsive."""


@cache
def made(name):
    return SYSTEMS[name].simulate(CONFIG)


@cache
def motion(name):
    """Times (T), positions, velocities, accelerations (R T N D), properties (R 1 N)."""
    runs = made(name)
    properties = {p: np.stack([run.properties[p] for run in runs])[:, None] for p in runs[0].properties}
    parts = ("positions", "velocities", "accelerations")
    return runs[0].times, *(np.stack([getattr(run, part) for run in runs]) for part in parts), properties


def closed_form(name, x, v, properties):
    """Accelerations (... N D), particle by particle."""
    m = properties["m"]
    q = properties.get("q", np.ones_like(m))
    force = np.zeros(x.shape)
    for i in range(x.shape[-2]):
        for j in range(x.shape[-2]):
            if i == j or (name == "string" and abs(i - j) != 1):
                continue
            d = x[..., i, :] - x[..., j, :]
            r = np.sqrt((d**2).sum(-1))
            size = PAIR_FORCES[name](r, m[..., i], m[..., j], q[..., i], q[..., j])
            force[..., i, :] += size[..., None] * d / r[..., None]
    if name == "damped":
        force -= v
    if name == "string":
        force[..., 1] -= m
    return force / m[..., None]


@cache
def compiled(name):
    return jax.jit(SYSTEMS[name].accelerations)


def accelerations(name, x, v, properties):
    """Of one instant (N D), by the system itself."""
    with jax.enable_x64(True):
        lanes = {p: value[:, None] for p, value in properties.items()}
        return np.asarray(compiled(name)(x[..., None], v[..., None], lanes))[..., 0]


def instant(dim, particles=5, seed=0):
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((2, particles, dim))
    x[1] = x[0] + 1e-3 * x[1]  # a close encounter
    return x, v, {"m": np.exp(rng.standard_normal(particles)), "q": rng.choice([-1.0, 1.0], particles)}


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_are_the_closed_forms(name, dim):
    x, v, properties = instant(dim)
    expected = closed_form(name, x, v, properties)
    np.testing.assert_allclose(accelerations(name, x, v, properties), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SYSTEMS)
def test_recorded_accelerations_belong_to_the_recorded_positions(name):
    _, x, v, a, properties = motion(name)
    assert a.dtype == np.float64
    np.testing.assert_allclose(a, closed_form(name, x, v, properties), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", SYSTEMS)
def test_true_law_is_the_law_of_the_motion(name):
    _, x, v, a, properties = motion(name)
    records = SYSTEMS[name].true_law(CONFIG)
    terms = tuple(Term(t["kind"], t["direction"], Expression.parse(t["expression"])) for t in records)
    assert all(t["constants"] == {} for t in records)
    edges = made(name)[0].edges
    law = ForceLaw(terms, divides_by_mass=True)
    given = {p: np.broadcast_to(value, x.shape[:-1])[:, ::9] for p, value in properties.items()}
    found = law.acceleration(x[:, ::9], v[:, ::9], given, edges)
    np.testing.assert_allclose(found, a[:, ::9], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CONSERVATIVE)
def test_energy_is_conserved(name):
    _, x, v, _, properties = motion(name)
    energy = SYSTEMS[name].energy(x, v, properties)
    drift = abs(energy - energy[:, :1]).max(1) / abs(energy[:, 0])
    assert np.median(drift) < 1e-6
    assert drift.max() < 5e-6


@pytest.mark.parametrize("name", [name for name in CONSERVATIVE if name != "string"])
def test_momentum_is_conserved(name):
    _, _, v, _, properties = motion(name)
    momentum = (properties["m"][..., None] * v).sum(2)
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[:, :1], momentum.shape), atol=1e-10)


def test_damping_takes_momentum_with_the_path_and_energy_always():
    _, x, v, _, properties = motion("damped")
    # d/dt sum m v = -sum v = -d/dt sum x
    kept = (properties["m"][..., None] * v + x).sum(2)
    np.testing.assert_allclose(kept, np.broadcast_to(kept[:, :1], kept.shape), atol=1e-10)
    energy = SYSTEMS["damped"].energy(x, v, properties)
    assert (np.diff(energy, axis=1) < 1e-9).all()
    assert (energy[:, -1] < 0.5 * energy[:, 0]).all()


def test_the_string_falls_as_one():
    times, _, v, _, properties = motion("string")
    momentum = (properties["m"][..., None] * v).sum(2)
    weight = properties["m"].sum(-1)
    np.testing.assert_allclose(momentum[..., 0], np.broadcast_to(momentum[:, :1, 0], momentum.shape[:2]), atol=1e-9)
    np.testing.assert_allclose(momentum[..., 1], momentum[:, :1, 1] - weight * times, atol=1e-9)


def test_the_string_ties_neighbours_in_both_directions():
    edges = set(map(tuple, made("string")[0].edges))
    assert edges == {(i, i + 1) for i in range(29)} | {(i + 1, i) for i in range(29)}
    assert len(made("string")[0].edges) == 58


def test_free_particles_keep_to_straight_lines():
    times, x, v, a, _ = motion("free")
    np.testing.assert_allclose(x, x[:, :1] + v[:, :1] * times[:, None, None], atol=1e-12)
    assert not a.any()


@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_turn_and_mirror_with_the_particles_and_heed_neither_place_nor_boost(name):
    x, v, properties = instant(3, seed=1)
    a = accelerations(name, x, v, properties)
    turn, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))
    turn[0] *= -np.sign(np.linalg.det(turn))  # a mirror: determinant -1
    if name == "string":  # a uniform field singles out y
        turn = np.diag([-1.0, 1.0, 1.0])
    close = {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(accelerations(name, x @ turn.T, v @ turn.T, properties), a @ turn.T, **close)
    np.testing.assert_allclose(accelerations(name, x + 7.0, v, properties), a, rtol=1e-8, atol=1e-7)
    boosted = a - 5.0 / properties["m"][:, None] if name == "damped" else a
    np.testing.assert_allclose(accelerations(name, x, v + 5.0, properties), boosted, **close)


def test_particles_at_one_place_do_not_act_on_each_other():
    x, v, properties = instant(2, particles=2)
    x[1] = x[0]
    assert not accelerations("gravity", x, v, properties).any()


def test_motion_agrees_with_an_independent_integrator():
    times, x, v, _, properties = motion("gravity")
    shape, m = x.shape[2:], properties["m"][0]

    def slope(_, y):
        position, velocity = y.reshape(2, *shape)
        return np.stack([velocity, closed_form("gravity", position, velocity, {"m": m[0]})]).ravel()

    start = np.stack([x[0, 0], v[0, 0]]).ravel()
    solved = solve_ivp(slope, (0, times[-1]), start, "LSODA", rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(solved.y[:, -1].reshape(2, *shape), [x[0, -1], v[0, -1]], atol=1e-6)


def test_starts_and_steps_are_those_of_the_paper():
    x, v, properties = Charge().initial(np.random.default_rng(0), 20_000, 4, 3)
    for drawn in (x, v, np.log(properties["m"])):
        assert abs(drawn.mean()) < 0.02
        assert abs(drawn.std() - 1) < 0.02
    assert set(np.unique(properties["q"])) == {-1.0, 1.0}
    assert abs(properties["q"].mean()) < 0.02
    ends = {
        "gravity": 0.5,
        "charge": 0.5,
        "log-gravity": 2.5,
        "spring": 5.0,
        "discontinuous": 5.0,
        "damped": 10.0,
    }
    for name, end in ends.items():
        times = motion(name)[0]
        assert len(times) == 100
        assert times[1] * 100 == pytest.approx(end)


def test_a_run_depends_on_the_seed_and_not_on_how_many_others_there_are():
    few = SYSTEMS["gravity"].simulate(SimulationConfig(runs=3, frames=100, seed=3))
    for index, run in enumerate(few):
        np.testing.assert_array_equal(run.positions, motion("gravity")[1][index])
    other = SYSTEMS["gravity"].simulate(SimulationConfig(runs=3, frames=100, seed=4))
    assert not np.isclose(other[0].positions[0], few[0].positions[0]).any()


def test_three_dimensions_and_eight_particles():
    runs = Gravity().simulate(SimulationConfig(runs=5, frames=20, particles=8, dim=3))
    x, v, a = (np.stack([getattr(r, k) for r in runs]) for k in ("positions", "velocities", "accelerations"))
    properties = {"m": np.stack([r.properties["m"] for r in runs])[:, None]}
    assert x.shape == (5, 20, 8, 3)
    np.testing.assert_allclose(a, closed_form("gravity", x, v, properties), rtol=1e-9, atol=1e-10)
    energy = Gravity().energy(x, v, properties)
    np.testing.assert_allclose(energy, np.broadcast_to(energy[:, :1], energy.shape), rtol=1e-6)


@pytest.mark.parametrize("name", SYSTEMS)
def test_built_in_systems_keep_the_contract(name):
    assert check_simulator(SYSTEMS[name], CONFIG) == ()


def test_the_precision_of_others_is_left_alone():
    motion("gravity")
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == np.float32


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"runs": 0}, "runs is 0"),
        ({"frames": 1}, "frames is 1"),
        ({"particles": 1}, "particles is 1"),
        ({"dim": 4}, "dim is 4"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_sizes_out_of_range_are_named(wrong, says):
    with pytest.raises(UsageError, match=says):
        Spring().simulate(SimulationConfig(**wrong))


# --- Solar System


@cache
def solar_system():
    (run,) = SolarSystem().simulate(SimulationConfig())
    return run


def test_the_planets_obey_keplers_third_law():
    run = solar_system()
    assert run.positions.shape == (18263, 9, 3)
    strength = SolarSystem().reference_properties()["m"]
    for planet in range(1, 7):  # Uranus and Neptune do not come round in fifty years
        path = run.positions[:, planet] - run.positions[:, 0]
        r = np.linalg.norm(path, axis=1)
        pole = np.linalg.svd(path[:4000:40] - path[:4000:40].mean(0))[2][2]
        east = np.cross(pole, [1.0, 0.0, 0.0])
        north = np.cross(pole, east)
        angle = abs(np.unwrap(np.arctan2(path @ north, path @ east)) - np.arctan2(path[0] @ north, path[0] @ east))
        turns = np.floor(angle.max() / (2 * np.pi))
        period = np.interp(2 * np.pi * turns, angle, run.times) / turns
        axis = (r.max() + r.min()) / 2
        kepler = 2 * np.pi * np.sqrt(axis**3 / (strength[0] + strength[planet]))
        assert period == pytest.approx(kepler, rel=0.02 if planet > 4 else 2e-3), run.names[planet]


def test_the_barycentre_rests_and_source_strengths_are_the_accepted_ones():
    strength = SolarSystem().reference_properties()["m"]
    assert strength[0] == pytest.approx(0.01720209895**2, rel=1e-6)  # Gauss's constant
    assert strength[0] / strength[5] == pytest.approx(1047.3486, rel=1e-6)  # IAU: Sun to Jupiter and moons
    centre = np.einsum("n,tnd->td", strength, solar_system().positions) / strength.sum()
    assert abs(centre).max() < 1e-4


def test_positions_are_those_of_astropys_built_in_ephemeris():
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    run = solar_system()
    days = np.array([0, 9000, 18262])
    when = Time(2440587.5, days, format="jd", scale="tdb")
    bodies = ["earth-moon-barycenter" if "Moon" in name else name.lower() for name in run.names]
    expected = [get_body_barycentric(b, when, ephemeris="builtin").xyz.to_value("AU").T for b in bodies]
    np.testing.assert_allclose(run.positions[days], np.stack(expected, axis=1), rtol=0, atol=1e-12)


def test_the_solar_system_tells_positions_names_and_units_only():
    run = solar_system()
    assert (run.velocities, run.accelerations, dict(run.properties)) == (None, None, {})
    assert run.names[0] == "Sun"
    assert run.units == {"length": "AU", "time": "day"}
    assert (np.diff(run.times) == 1).all()
    assert check_simulator(SolarSystem(), SimulationConfig(frames=20)) == ()


@pytest.mark.parametrize("wrong", [{"runs": 2}, {"particles": 4}, {"dim": 2}, {"frames": 1}, {"frames": 10**6}])
def test_there_is_one_solar_system(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SolarSystem().simulate(SimulationConfig(**wrong))
