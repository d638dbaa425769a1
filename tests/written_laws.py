"""Laws and motion that are written by hand, for tests of the comparison with known laws and of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.decision import JudgeContext

RUNS, FRAMES, PARTICLES = 60, 8, 4
EXACT = JudgeContext((1e-6, 1e-6), (1e-2, 2e-2))
GRAVITY = "-m_i*m_j/(r + 0.01)**2"
SPRING = "-2*(r - 0.99)"
STEP = "Piecewise((0, r < 1.99), (-2*(r - 0.99), True))"


def snapshots(*properties: str, equal: bool = False, dim: int = 2, wide: float = 1.0, least: float = 0.0) -> Dataset:
    """Make random places and velocities with the distributions of the paper; no pair is nearer than ``least``."""
    rng = np.random.default_rng(7)
    count = RUNS * FRAMES
    values = {
        "m": np.ones((RUNS, PARTICLES)) if equal else np.exp(rng.normal(size=(RUNS, PARTICLES))),
        "q": rng.choice([-1.0, 1.0], size=(RUNS, PARTICLES)),
    }
    x = wide * rng.normal(size=(count, PARTICLES, dim))
    values["circulation"] = rng.normal(size=(RUNS, PARTICLES))
    receivers, senders = np.nonzero(~np.eye(PARTICLES, dtype=bool))
    data = Dataset(
        positions=x,
        velocities=rng.normal(size=x.shape),
        target=np.zeros_like(x),
        properties={name: np.repeat(values[name], FRAMES, axis=0) for name in properties},
        present=np.ones(x.shape[:2], dtype=bool),
        run=np.repeat(np.arange(RUNS), FRAMES),
        times=np.tile(0.01 * np.arange(FRAMES), RUNS),
        senders=senders,
        receivers=receivers,
    )
    return data.select(np.linalg.norm(data.separation(), axis=-1).min(axis=1) > least)


DATA = snapshots("m", "q")


def term(text: str, kind="pair", direction="radial", *, std: float = 1e-7, rng=None) -> Term:
    """Make a term whose constants have the relative error ``std``, and are off by as much if ``rng`` is given."""
    expression, values = Expression.parse(text).lift_constants()
    if rng is not None:
        values = {name: value * (1 + std * rng.normal()) for name, value in values.items()}
    return Term(kind, direction, expression, {n: Constant(v, std * abs(v)) for n, v in values.items()})


def law(*terms: Term | str, masses: bool = True) -> ForceLaw:
    return ForceLaw(tuple(term(t) if isinstance(t, str) else t for t in terms), 2, masses)


def moved(found: ForceLaw, data: Dataset) -> Dataset:
    """Return the data with the target that the law predicts."""
    return replace(data, target=predict_with_law(found, data))
