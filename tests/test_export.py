"""Exported laws are run by the programs and languages they are written for, and held against the law itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from exported import EXACT, lammps_forces, masses, missing, module, openmm_context
from random_laws import random_law, random_motion

from gnn_discovery.cli import app
from gnn_discovery.cli.run_commands import read_law_file
from gnn_discovery.errors import UsageError
from gnn_discovery.export import export_format_summaries, export_to_format
from gnn_discovery.export.lammps_table import TABLE_KEYWORD, TABLE_NODES, interpolation_error
from gnn_discovery.export.pair_potential import pair_potential
from gnn_discovery.laws.law import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.laws.rollout import rollout
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.simulators import SimulationConfig, resolve_simulator
from gnn_discovery.symbolic.expression import Expression


def term(text: str, kind: str = "pair", direction: str = "radial", **constants: float) -> Term:
    return Term(kind, direction, Expression.parse(text), {k: Constant(v, 0.01) for k, v in constants.items()})


def pair(text: str, mass: bool = True, **constants: float) -> ForceLaw:
    return ForceLaw((term(text, **constants),), divides_by_mass=mass)


GRAVITY = pair("c0*m_i*m_j/(r + c1)**2", c0=-1.0, c1=0.1)
JUMP = pair("Piecewise((0, r < 1.99), (-2*(r - 0.99), True))")
R = np.geomspace(0.2, 8, 50)


@pytest.mark.parametrize("name", EXACT)
def test_random_laws_are_the_same_in_every_format(name):
    if reason := missing(name):
        pytest.skip(reason)
    expressed = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        law, dim = random_law(rng)
        x, v, p = random_motion(rng, law, dim)
        expected = law.acceleration(x, v, p)
        try:
            found = EXACT[name](law, x, v, p)
        except UsageError as error:
            assert name in ("openmm", "jax-md", "lammps-lepton"), error
            assert name in str(error)
            continue
        expressed += 1
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max(), err_msg=str(law))
    assert expressed >= 6


@pytest.mark.parametrize(
    ("force", "energy"),
    [
        ("-m_i*m_j/(r + 0.01)**2", "-m_i*m_j/(r + 0.01)"),
        ("-m_i*m_j*r**-1.98", "-m_i*m_j*r**-0.98/0.98"),
        ("-2*(r - 0.99)", "(r - 0.99)**2 - 0.9801"),
        ("24*(2/r**13 - 1/r**7)", "4*(r**-12 - r**-6)"),
        ("m_i*m_j*exp(-r/2)*(1/r**2 + 1/(2*r))", "m_i*m_j*exp(-r/2)/r"),
        ("2.6*(exp(-2.6*(r - 1)) - exp(-1.3*(r - 1)))", "(1 - exp(-1.3*(r - 1)))**2 - 1"),
        ("-m_i*m_j*r/(r**2 + 0.04)**1.5", "-m_i*m_j/sqrt(r**2 + 0.04)"),
        ("m_i*m_j/r", "-m_i*m_j*log(r)"),
        ("tanh(r - 1)", "-log(cosh(r - 1))"),
    ],
)
def test_potentials_are_those_of_the_textbook(force, energy):
    found = pair_potential(pair(force), "openmm", (0.1, 10.0)).energy.numpy(("r", "m_i", "m_j"))
    expected = Expression.parse(energy).numpy(("r", "m_i", "m_j"))(R, 2.0, 3.0)
    np.testing.assert_allclose(found(R, 2.0, 3.0), expected, rtol=1e-12, atol=1e-12)


def test_a_potential_is_continuous_where_the_force_jumps():
    energy = pair_potential(JUMP, "openmm", (0.1, 10.0)).energy.numpy(("r",))
    below, above = energy(np.array([1.99 - 1e-9, 1.99 + 1e-9]))
    assert below == pytest.approx(above, abs=1e-8)
    kink = pair("3*Abs(r - 1.3)")
    slope = pair_potential(kink, "openmm", (0.1, 10.0)).energy.derivative("r").numpy(("r",))(R)
    np.testing.assert_allclose(-slope, 3 * np.abs(R - 1.3), rtol=1e-12)


UNDETERMINED = {"m": LatentProperty(np.ones(2), np.array([0.1, np.inf]), np.array([True, False]))}


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (ForceLaw((term("r"),), order=1), "first order"),
        (ForceLaw((term("-1", "self", "velocity"),)), "'self'"),
        (ForceLaw((term("-m_i", "external", "y"),)), "'external'"),
        (ForceLaw((term("r", direction="transverse"),)), "'transverse'"),
        (pair("v_r/r"), "'v_r'"),
        (pair("m_i/r"), "equal and opposite"),
        (ForceLaw((term("-m_j/r**2"),), latent=UNDETERMINED), "not determined"),
        (pair("sin(r)/r"), "potential"),
        (pair("1/(r - 1)"), "off by inf"),
        (pair("Piecewise((0, r < q_i + q_j), (1/r, True))"), "threshold"),
    ],
)
@pytest.mark.parametrize("name", ["openmm", "jax-md", "lammps-lepton"])
def test_what_a_format_cannot_express_is_refused_by_name(law, reason, name):
    with pytest.raises(UsageError, match=reason) as refused:
        export_to_format(law, name)
    assert f"'{name}'" in str(refused.value)
    for other in ("text", "sympy", "latex", "numpy", "jax", "c"):
        assert export_to_format(law, other)


def test_masses_that_make_accelerations_to_forces():
    """a_i = -m_j/r² is Newton's law between masses m; a spring between unknown masses is one between unit masses."""
    newton, spring = pair("-m_j/r**2", mass=False), pair("-2*(r - 1)", mass=False)
    p = {"m": np.array([2.0, 3.0])}
    assert list(masses(newton, p, 2)) == [2.0, 3.0]
    assert list(masses(spring, p, 2)) == [1.0, 1.0]
    assert "-m1*m2/r" in export_to_format(newton, "openmm")


START = np.array([[1.0, 0.0], [-1.0, 0.2], [0.1, -1.3]]), np.array([[0.0, 0.6], [0.1, -0.7], [-0.5, 0.1]])
MASSES = {"m": np.array([1.0, 2.0, 0.5])}


def ends_of_openmm(law: ForceLaw, dt: float, end: float) -> np.ndarray:
    openmm = pytest.importorskip("openmm")
    context = openmm_context(law, MASSES, openmm.VerletIntegrator(dt))
    x, v = START
    # its velocities stand half a step behind
    earlier = v - 0.5 * dt * law.acceleration(x, v, MASSES)
    context.setPositions(np.pad(x, ((0, 0), (0, 1))))
    context.setVelocities(np.pad(earlier, ((0, 0), (0, 1))))
    context.getIntegrator().step(round(end / dt))
    return context.getState(getPositions=True).getPositions(asNumpy=True)._value[:, :2]


def ends_of_jax_md(law: ForceLaw, dt: float, end: float) -> np.ndarray:
    pytest.importorskip("jax_md")
    import jax
    from jax_md import simulate, space

    with jax.enable_x64(True):
        displacement, shift = space.free()
        energy = module(export_to_format(law, "jax-md"))["energy_fn"](displacement, jax.numpy.asarray(MASSES["m"]))
        init, apply = simulate.nve(energy, shift, dt)
        m = jax.numpy.asarray(MASSES["m"])[:, None]
        state = init(jax.random.key(0), jax.numpy.asarray(START[0]), kT=0.0, mass=m)
        state = state.set(momentum=m * jax.numpy.asarray(START[1]))
        state = jax.jit(lambda s: jax.lax.fori_loop(0, round(end / dt), lambda _, s: apply(s), s))(state)
        return np.asarray(state.position)


@pytest.mark.parametrize("ends", [ends_of_openmm, ends_of_jax_md])
def test_the_motion_runs_again_in_the_other_program(ends):
    """The integrators of both programs are of second order: half the step leaves a quarter of the error."""
    expected = rollout(GRAVITY, *START, MASSES, np.array([0.0, 1.0]), tolerance=1e-12)[-1]
    coarse, fine = (np.abs(ends(GRAVITY, dt, 1.0) - expected).max() for dt in (2e-3, 1e-3))
    assert fine < 2e-5
    assert coarse / fine == pytest.approx(4, rel=0.1)


def table_forces(law: ForceLaw, tmp_path: Path, x: np.ndarray) -> tuple[str, np.ndarray]:
    text = export_to_format(law, "lammps-table", (0.3, 6.0))
    (tmp_path / "law.table").write_text(text)
    style = [f"pair_style table linear {TABLE_NODES}", f"pair_coeff * * {tmp_path}/law.table {TABLE_KEYWORD} 6.0"]
    return text, lammps_forces(style, x, np.zeros(len(x)))


def test_lammps_reads_the_table_with_the_error_that_it_states(tmp_path):
    if reason := missing("lammps-lepton"):
        pytest.skip(reason)
    law, x = pair("4*(2/r**13 - 1/r**7)", mass=False), np.array([[0.0, 0, 0], [0.9, 0.1, 0.3], [2.0, -1.0, 0.4]])
    text, found = table_forces(law, tmp_path, x)
    error = float(text.partition("off by at most ")[2].split()[0])
    expected = law.acceleration(x)
    assert 0 < error < 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=error * np.abs(expected).max())


def test_twice_the_nodes_leave_a_quarter_of_the_error_and_the_energy_is_the_potential():
    force = Expression.parse("1/r**2")
    coarse, fine = (interpolation_error(force, np.linspace(1.0, 9.0, n))[0] for n in (400, 800))
    assert coarse / fine == pytest.approx(4, rel=0.05)
    rows = np.array(
        [line.split() for line in export_to_format(pair("1/r**2"), "lammps-table").splitlines()[-TABLE_NODES:]], float
    )
    np.testing.assert_allclose(rows[:, 2], 1 / rows[:, 1] - 0.1, rtol=0, atol=1e-6)
    with pytest.raises(UsageError, match="depends on q"):
        export_to_format(pair("q_i*q_j/r**2"), "lammps-table")


def test_the_jax_function_is_differentiable_under_jit():
    """The forces of a potential have a symmetric matrix of derivatives."""
    import jax

    accelerations = module(export_to_format(GRAVITY, "jax"))["accelerations"]
    with jax.enable_x64(True):
        m = jax.numpy.asarray(MASSES["m"])
        force = jax.jit(lambda x: (m[:, None] * accelerations(x, x, {"m": m})).ravel())
        matrix = np.asarray(jax.jacobian(force)(jax.numpy.asarray(START[0]))).reshape(6, 6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.abs(matrix).max() > 0.1


def test_the_numpy_file_is_a_simulator(in_tmp):
    Path("mine.py").write_text(export_to_format(GRAVITY, "numpy"))
    for run in resolve_simulator("mine.py:accelerations").simulate(SimulationConfig(runs=3, frames=5)):
        expected = GRAVITY.acceleration(run.positions, run.velocities, run.properties)
        np.testing.assert_allclose(run.accelerations, expected, rtol=1e-12)


def test_inferred_properties_go_with_the_law():
    latent = {"m": LatentProperty(np.array([1.0, 2.0, 0.5]), np.full(3, 0.01), np.full(3, True))}
    law = ForceLaw((term("-m_j/r**2"),), latent=latent)
    expected = law.acceleration(START[0])
    for name in ("text", "sympy", "numpy", "jax", "c", "openmm", "jax-md"):
        if not missing(name):
            np.testing.assert_allclose(EXACT[name](law, *START, {}), expected, rtol=1e-12, err_msg=name)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_the_command_writes_a_law_that_is_read_back(in_tmp):
    Path("law.json").write_text(json.dumps(to_dict(GRAVITY)))
    run("export", "law.json", "--format", "text", "--out", "law.yaml")
    assert read_law_file(Path("law.yaml")) == GRAVITY
    assert "CustomNonbondedForce" in run("export", "law.yaml", "--format", "openmm")
    assert "exists already" in run("export", "law.json", "--format", "c", "--out", "law.yaml", code=6)
    assert "Choose from text, sympy" in run("export", "law.json", "--format", "fortran", code=2)
    assert "one of r alone" in run("export", "law.json", "--format", "lammps-table", code=2)
    assert "both positive" in run("export", "law.json", "--format", "c", "--distances", "1", "0.5", code=2)
    listed = json.loads(run("list", "exports", "--json"))["exports"]
    assert listed == export_format_summaries() and all(listed.values())
