"""The order of the equation of motion is read from the tracks, and where they do not tell it, that is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from gnn_discovery_simulations.spring import Spring

from gnn_discovery import FunctionSimulator
from gnn_discovery.data.dataset import assemble_dataset, select_order
from gnn_discovery.data.dataset.order_selection import unexplained_by_positions
from gnn_discovery.data.differentiation import kick_share
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import UsageError
from gnn_discovery.pipeline import DiscoverConfig, LoadedMotion, load_motion, prepare_dataset, resolve_order
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.validation.accuracy import check_order

Field = Callable[[np.ndarray], np.ndarray]


def pairs(profile: Callable[[np.ndarray], np.ndarray], turned: bool = False) -> Field:
    """Return the sum over pairs of profile(r) along the line of centres or, turned, across it."""

    def rate(x: np.ndarray) -> np.ndarray:
        d = x[..., :, None, :] - x[..., None, :, :]
        r = np.linalg.norm(d, axis=-1) + np.eye(x.shape[-2])
        along = np.stack([-d[..., 1], d[..., 0]], -1) if turned else d
        return ((profile(r) * (1 - np.eye(x.shape[-2])) / r)[..., None] * along).sum(-2)

    return rate


REPULSION: Field = lambda x: pairs(lambda r: np.exp(-r))(x) - 0.3 * x  # noqa: E731
TRAP: Field = lambda x: -0.7 * x  # noqa: E731
LINEAR = pairs(lambda r: -0.3 * r)
VORTICES = pairs(lambda r: 1 / r, turned=True)
ATTRACTION = pairs(lambda r: -1 / (r + 0.1) ** 2)


def flow(rate: Field, duration: float = 2.0, runs: int = 20, frames: int = 101, substeps: int = 20) -> list[Trajectory]:
    """Return v = rate(x) by the classical Runge-Kutta method."""
    x, h = np.random.default_rng(0).normal(0, 1.5, (runs, 4, 2)), duration / (frames - 1) / substeps
    kept = [x]
    for k in range((frames - 1) * substeps):
        a = rate(x)
        b = rate(x + h / 2 * a)
        c = rate(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + rate(x + h * c))
        if (k + 1) % substeps == 0:
            kept.append(x)
    return [Trajectory(run, np.linspace(0, duration, frames)) for run in np.stack(kept, 1)]


def thermal(rate: Field, order: int, step: float = 0.02, temperature: float = 0.2, runs: int = 20) -> list[Trajectory]:
    """Return Brownian motion (order 1) with D = .05, or Langevin motion (order 2) with a friction of .5."""
    rng, substeps, kept = np.random.default_rng(1), 10, []
    x = rng.normal(0, 1.5, (runs, 4, 2))
    v, h = rng.normal(0, np.sqrt(temperature), x.shape), step / 10
    for k in range(100 * substeps):
        if k % substeps == 0:
            kept.append(x)
        if order == 1:
            x = x + h * rate(x) + np.sqrt(2 * 0.05 * h) * rng.normal(size=x.shape)
        else:
            v = v + h * (rate(x) - 0.5 * v) + np.sqrt(2 * 0.5 * temperature * h) * rng.normal(size=x.shape)
            x = x + h * v
    return [Trajectory(run, step * np.arange(100)) for run in np.stack(kept, 1)]


def blurred(runs: list[Trajectory], share: float) -> list[Trajectory]:
    """Return positions with errors of a share of their spread."""
    rng, spread = np.random.default_rng(2), np.std([run.positions for run in runs])
    return [
        replace(run, positions=run.positions + share * spread * rng.normal(size=run.positions.shape)) for run in runs
    ]


@pytest.mark.parametrize("error", [0.0, 1e-3])
@pytest.mark.parametrize(
    ("rate", "duration"),
    [(REPULSION, 2.0), (TRAP, 2.0), (LINEAR, 2.0), (VORTICES, 2.0), (ATTRACTION, 0.5)],
    ids=["repulsion", "trap", "linear", "vortices", "attraction"],
)
def test_velocities_that_follow_from_positions_are_of_first_order(rate, duration, error):
    found = select_order(blurred(flow(rate, duration), error))
    assert (found.order, found.status) == (1, "determined"), found.reason


@pytest.mark.parametrize("error", [0.0, 1e-2])
def test_brownian_motion_is_of_first_order_and_langevin_motion_of_second(error):
    for order in (1, 2):
        found = select_order(blurred(thermal(REPULSION, order), error))
        assert (found.order, found.status) == (order, "determined"), found.reason


@pytest.mark.parametrize("seen", ["positions and velocities", "positions", "errors of 1e-3", "errors of 1e-2"])
def test_springs_are_of_second_order(seen):
    runs = Spring().simulate(SimulationConfig(runs=30, frames=100, seed=0))
    bare = [
        replace(run, velocities=run.velocities if "velocities" in seen else None, accelerations=None) for run in runs
    ]
    found = select_order(blurred(bare, float(seen.split()[-1])) if "errors" in seen else bare)
    assert (found.order, found.status) == (2, "determined"), found.reason


@pytest.mark.parametrize("every", [2, 4, 6, 10])
def test_springs_in_coarse_frames_are_no_random_walk(every):
    """A pair moves by up to .8 of its distance between frames, and displacements turn back within a few of them."""
    runs = Spring().simulate(SimulationConfig(runs=30, frames=400, seed=0))
    bare = [Trajectory(run.positions[::every], run.times[::every]) for run in runs]
    found = select_order(bare)
    assert found.order == 2, found.reason


def test_the_share_of_kicks_is_one_for_a_random_walk_and_nothing_for_straight_lines():
    rng, times = np.random.default_rng(0), np.arange(200.0)
    walk = [Trajectory(np.cumsum(rng.normal(size=(200, 5, 2)), axis=0), times) for _ in range(10)]
    lines = [Trajectory(times[:, None, None] * rng.normal(size=(5, 2)), times) for _ in range(10)]
    for runs, expected in ((walk, 1.0), (lines, 0.0)):
        share, error = kick_share(runs)
        assert share == pytest.approx(expected, abs=max(3 * error, 1e-9)) and error < 0.05
    still = [Trajectory(rng.normal(size=(1, 5, 2)) + rng.normal(size=(200, 5, 2)), times) for _ in range(10)]
    assert kick_share(still) is None


def test_circular_orbits_do_not_tell_the_order():
    """Kepler's third law: both v = r^(-1/2) across r and a = -r^(-2) along r follow from the positions."""
    rng, times, runs = np.random.default_rng(0), np.linspace(0, 3, 100), []
    for _ in range(10):
        r, phase = rng.uniform(0.5, 2, 6), rng.uniform(0, 6, 6)
        angle = times[:, None] * r**-1.5 + phase
        runs.append(Trajectory(r[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1), times))
    found = select_order(runs)
    assert (found.order, found.status) == (2, "ambiguous"), found.reason
    (check,) = check_order(found)
    assert check.role == "refutes" and check.passed is False


@pytest.mark.parametrize("error", [0.0, 1e-4])
def test_along_straight_lines_there_is_no_reason_to_doubt_inertia(error):
    """Newton's first law: positions may happen to give the few velocities that there are, yet none of them changes."""
    rng, times = np.random.default_rng(0), np.arange(100.0)[:, None, None]
    few = [Trajectory(rng.normal(size=(2, 2)) + times * rng.normal(size=(2, 2)), times.ravel())]
    beam = [Trajectory(rng.normal(size=(5, 2)) + times * np.array([1.0, 0.5]), times.ravel()) for _ in range(10)]
    for runs in (few, beam):
        found = select_order(blurred(runs, error))
        assert found.order == 2 and found.status != "ambiguous", found.reason


def test_what_the_library_explains_is_explained_in_other_units_and_places_too():
    """A law of pairs and of a trap with its centre elsewhere, in units of a thousandth."""
    runs = [replace(run, positions=1e-3 * run.positions + 5.0, times=1e3 * run.times) for run in flow(REPULSION)]
    for order, least, most in ((1, 0.0, 1e-4), (2, 0.05, 1.0)):
        assert least <= unexplained_by_positions(assemble_dataset(runs, order)) <= most


def test_an_order_that_is_known_is_not_read_from_the_motion():
    runs = tuple(flow(TRAP, runs=3))
    motion, auto = LoadedMotion("here", runs), DiscoverConfig()
    assert resolve_order(motion, replace(auto, order=2)) == (2, None)
    order, selection = resolve_order(motion, auto)
    assert order == 1 == prepare_dataset(motion, auto).train.order and selection.status == "determined"
    small = SimulationConfig(runs=4, frames=20)
    of_velocities = load_motion(FunctionSimulator(lambda x, p: -x), small)
    assert resolve_order(of_velocities, replace(auto, simulation=small)) == (1, None)
    assert resolve_order(load_motion("spring", small), auto) == (2, None)  # accelerations are observed
    with pytest.raises(UsageError, match="order"):
        DiscoverConfig(order="third")
