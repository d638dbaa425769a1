"""Symmetry of a law as a whole: is its force the same elsewhere, turned, mirrored, and at any speed?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.catalogue.force_samples import thin_snapshots
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check

_MAX_SNAPSHOTS = 100
_SAME = 1e-6


def check_symmetry(law: ForceLaw, data: Dataset) -> tuple[Check, ...]:
    """The median change of the force of all terms together, relative to its size, in a moved world.

    A symmetry that is lacking is no fault: an outer field is somewhere, and a drag is at rest with something.
    """
    data, rng = thin_snapshots(data, _MAX_SNAPSHOTS), np.random.default_rng(0)
    x, v, here = data.positions, data.velocities, force(law, data)
    size = np.linalg.norm(here, axis=-1)
    size = size + 0.1 * np.median(size[data.present])

    def check(name: str, turn: np.ndarray, shift: float = 0.0, boost: float = 0.0) -> Check:
        away, faster = rng.normal(size=(2, len(x), 1, data.dim))
        moved = replace(data, positions=x @ turn.T + shift * away, velocities=v @ turn.T + boost * faster)
        change = np.linalg.norm(force(law, moved) - here @ turn.T, axis=-1) / np.maximum(size, 1e-300)
        figure = float(np.median(change[data.present]))
        return Check(f"{name} of the law", figure < _SAME, figure, "median change of the whole force, relative")

    same, turn = np.eye(data.dim), np.linalg.qr(rng.normal(size=(data.dim, data.dim)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    checks = [check("translation", same, shift=float(np.std(x[data.present])))]
    if data.box is None:
        checks += [check("rotation", turn), check("reflection", turn * ([-1.0] + [1.0] * (data.dim - 1)))]
    if law.order == 2:
        checks.append(check("Galilean invariance", same, boost=float(np.std(v[data.present]))))
    return tuple(checks)
