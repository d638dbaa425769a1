"""Motion and messages written from formulas: iid particles, exact forces in closed form, no simulation and no jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gnn_discovery.data.dataset import Dataset, Split
from gnn_discovery.messages.table import MessageTable

Formula = Callable[[np.ndarray, np.ndarray, Mapping[str, np.ndarray]], np.ndarray]
"""Force (..., D) from x_i - x_j, v_i - v_j (..., D) and the properties m_i, m_j, ... (...); for self x_i, v_i."""

SPRING = 2.0, 0.99
"""Stiffness and rest length."""


def size(vectors: np.ndarray) -> np.ndarray:
    """|x|, with a last axis of one."""
    return np.linalg.norm(vectors, axis=-1, keepdims=True)


def radial(f: Callable[..., np.ndarray]) -> Formula:
    """The central force f(r, properties) r_hat."""
    return lambda x, v, p: f(size(x)[..., 0], p)[..., None] * x / size(x)


def spring(x: np.ndarray, v: np.ndarray, p: Mapping[str, np.ndarray]) -> np.ndarray:
    """-2 (r - 0.99) r_hat."""
    return -SPRING[0] * (size(x) - SPRING[1]) * x / size(x)


def all_pairs(particles: int) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers."""
    receivers, senders = np.nonzero(~np.eye(particles, dtype=bool))
    return senders, receivers


def world(
    pair: Formula | None = None,
    own: Formula | None = None,
    *,
    count: int = 400,
    particles: int = 4,
    dim: int = 2,
    seed: int = 0,
    edges: tuple[np.ndarray, np.ndarray] | None = None,
    box: np.ndarray | None = None,
    mass: bool = True,
    runs: int = 20,
) -> Dataset:
    """Iid positions and velocities N(0, 1) and, if ``mass``, log-normal masses; the target is the sum of forces over m.

    With ``mass`` false the target is the sum of forces itself.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, particles, dim)) if box is None else rng.uniform(size=(count, particles, dim)) * box
    v = rng.normal(size=x.shape)
    m = np.exp(rng.normal(size=(count, particles)))
    senders, receivers = edges or all_pairs(particles)
    data = Dataset(
        positions=x,
        velocities=v,
        target=np.zeros_like(x),
        properties={"m": m} if mass else {},
        present=np.ones((count, particles), bool),
        run=np.arange(count) * runs // count,
        times=0.01 * np.arange(count),
        senders=senders,
        receivers=receivers,
        box=box,
    )
    force = np.zeros_like(x)
    if pair is not None:
        each = pair(data.separation(), v[:, receivers] - v[:, senders], {"m_i": m[:, receivers], "m_j": m[:, senders]})
        np.add.at(force, (slice(None), receivers), each)
    if own is not None:
        force += own(x, v, {"m_i": m})
    data.target[...] = force / m[..., None] if mass else force
    return data


def halves(data: Dataset) -> Split:
    """The first four fifths of the runs to train on, the rest to choose by and to report on."""
    edge = np.unique(data.run)[[-4, -2]]
    early, late = data.run < edge[0], data.run >= edge[1]
    return Split(data.select(early), data.select(~early & ~late), data.select(late), None)


def relative_error(said: np.ndarray, truth: np.ndarray) -> float:
    """Median of |said - truth| / |truth| over all but the last axis."""
    return float(np.median(size(said - truth)) / np.median(size(truth)))


def table(
    formula: Formula,
    *,
    rows: int = 6000,
    dim: int = 2,
    kind: str = "pair",
    charges: bool = False,
    noise: float = 0.0,
    scale: float | None = None,
    seed: int = 0,
) -> MessageTable:
    """Contributions by ``formula`` at iid pairs (or particles), each with ``noise`` relative to its size.

    ``scale`` is the size of the whole force on each receiver, by default about what a contribution itself is.
    """
    rng = np.random.default_rng(seed)
    draw = (lambda: rng.normal(size=(rows, 2, dim))) if kind == "pair" else (lambda: rng.normal(size=(rows, 1, dim)))
    x, v = draw(), draw()
    x, v = (x[:, 0] - x[:, 1], v[:, 0] - v[:, 1]) if kind == "pair" else (x[:, 0], v[:, 0])
    ends = ("i", "j") if kind == "pair" else ("i",)
    p = {f"m_{end}": np.exp(rng.normal(size=rows)) for end in ends}
    if charges:
        p |= {f"q_{end}": rng.choice([-1.0, 1.0], size=rows) for end in ends}
    force = np.broadcast_to(formula(x, v, p), x.shape).astype(float)
    length = size(force)
    force = force + noise * length * rng.normal(size=force.shape)
    whole = length[:, 0] + (float(np.median(length[length > 0])) if scale is None else scale)
    index = np.zeros(rows, int)
    return MessageTable(kind, x, v, p, index, index + (kind == "pair"), force, whole)  # type: ignore[arg-type]
