"""Symmetry checks of a law as a whole: is its force the same elsewhere, turned, mirrored, and at any speed?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, thin_snapshots
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check, CheckId


def check_symmetry(
    law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA, max_snapshots: int = 100
) -> tuple[Check, ...]:
    """Check how the force of all terms together changes in a transformed world.

    A symmetry that is lacking is no fault: an outer field is somewhere, and a drag is at rest with something.

    Args:
        law: the law.
        data: the motion that is transformed.
        criteria: the largest change at which a symmetry holds.
        max_snapshots: number of snapshots that are enough.

    Returns:
        Checks of translation, rotation and reflection (not in a periodic box), and Galilean invariance (of a law of
        second order); each figure is the median change of the force relative to its size.
    """
    data, rng = thin_snapshots(data, max_snapshots), np.random.default_rng(0)
    x, v, original = data.positions, data.velocities, force(law, data)
    size = np.linalg.norm(original, axis=-1)
    size = size + criteria.verdict.symmetry_force_floor * np.median(size[data.present])

    def check(name: str, id: CheckId, turn: np.ndarray, shift: float = 0.0, boost: float = 0.0) -> Check:
        shifts, boosts = rng.normal(size=(2, len(x), 1, data.dim))
        moved = replace(data, positions=x @ turn.T + shift * shifts, velocities=v @ turn.T + boost * boosts)
        change = np.linalg.norm(force(law, moved) - original @ turn.T, axis=-1) / np.maximum(size, 1e-300)
        figure = float(np.median(change[data.present]))
        passed = figure < criteria.verdict.max_symmetry_change
        detail = "the figure is the median change of the whole force, relative to its size"
        return Check(id, "informative", f"{name} of the law", passed, figure, detail)

    same, turn = np.eye(data.dim), np.linalg.qr(rng.normal(size=(data.dim, data.dim)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    checks = [check("translation", CheckId.TRANSLATION, same, shift=float(np.std(x[data.present])))]
    if data.box is None:
        mirror = turn * ([-1.0] + [1.0] * (data.dim - 1))
        checks.append(check("rotation", CheckId.ROTATION, turn))
        checks.append(check("reflection", CheckId.REFLECTION, mirror))
    if law.order == 2:
        boost = float(np.std(v[data.present]))
        checks.append(check("Galilean invariance", CheckId.GALILEAN_INVARIANCE, same, boost=boost))
    return tuple(checks)
