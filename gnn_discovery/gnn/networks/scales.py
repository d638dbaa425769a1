"""What inputs and outputs are divided by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.data.dataset import Dataset, robust_scale


@dataclass(frozen=True)
class Scales:
    """What inputs and outputs are divided by, measured on the training runs; plain numbers.

    ``force`` is the unit of messages; ``particle`` (N,) the typical force on each particle, below which an error counts
    as absolute: one number for all, or each its own in a system of particular bodies, whose forces may span decades.
    ``log`` says of each property whether its logarithm is an input too (all values positive).
    """

    length: float
    velocity: float
    force: float
    particle: tuple[float, ...]
    properties: tuple[float, ...]
    log: tuple[bool, ...]
    mass: int | None


def measure_scales(train: Dataset, bodies: bool = False, raw: bool = False) -> Scales:
    """Scales of the training runs: spreads of the inputs, and a force scale that rest and encounters leave alone.

    Args:
        bodies: whether the particles are particular bodies, each with a force scale of its own.
        raw: nothing is divided by anything; only what counts as a small force is measured.
    """
    names = sorted(train.properties)
    here = train.present
    columns = [train.properties[k][here] for k in names]
    size = np.linalg.norm(train.force, axis=-1)
    force = robust_scale(size[here]) or 1.0
    each = [(robust_scale(size[train.present[:, k], k]) or 1.0) if bodies else force for k in range(size.shape[1])]
    spread = lambda a: float(np.sqrt(np.mean(np.square(a))) or 1.0)  # noqa: E731
    centred = train.positions - np.mean(train.positions[here], axis=0)
    mass = names.index("m") if "m" in names else None
    if raw:
        return Scales(1.0, 1.0, 1.0, tuple(each), (1.0,) * len(names), (False,) * len(names), mass)
    return Scales(
        length=spread(centred[here]),
        velocity=spread(train.velocities[here]),
        force=force,
        particle=tuple(each),
        properties=tuple(spread(c) for c in columns),
        log=tuple(bool(np.all(c > 0)) for c in columns),
        mass=mass,
    )
