"""Symmetry of what was learnt: each test asks the network about transformed pairs, and gives a relative deviation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.pair_query import Pairs, network_pair_force, sample_pairs


def measure_symmetry(trained: TrainedNetwork, snapshots: Dataset, rows: int = 4000, seed: int = 0) -> dict[str, float]:
    """Symmetry of the pair force of a network, see `measure_pair_force_symmetry`."""
    return measure_pair_force_symmetry(network_pair_force(trained), snapshots, rows, seed)


def measure_pair_force_symmetry(
    ask: Callable[[Pairs], np.ndarray], snapshots: Dataset, rows: int = 4000, seed: int = 0
) -> dict[str, float]:
    """Median relative change of the pair force under each transformation; a name ending in ``dependence`` is the
    change when that input is shuffled over the pairs, so near zero means that it does not matter.

    Keys: rotation, reflection, translation, Galilean invariance, reciprocity, centrality, velocity dependence,
    ``<property>_i dependence``, ``<property>_j dependence``.
    """
    rng = np.random.default_rng(seed)
    pairs, size = sample_pairs(snapshots, rows, rng)
    names = sorted(snapshots.properties)
    x, v, p, k = pairs
    force = ask(pairs)
    norm = np.linalg.norm(force, axis=-1) + 0.1 * size

    def change(other: Pairs, back: Callable[[np.ndarray], np.ndarray] = lambda f: f) -> float:
        return float(np.median(np.linalg.norm(back(ask(other)) - force, axis=-1) / norm))

    turn = np.linalg.qr(rng.normal(size=(x.shape[-1],) * 2))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    flip = np.diag([-1.0] + [1.0] * (x.shape[-1] - 1))
    shift = np.std(x) * rng.normal(size=(len(x), 1, x.shape[-1]))
    boost = np.std(v) * rng.normal(size=(len(x), 1, x.shape[-1]))
    d = x[:, 0] - x[:, 1]
    direction = d / np.maximum(np.linalg.norm(d, axis=-1, keepdims=True), 1e-300)
    across = force - np.sum(force * direction, -1, keepdims=True) * direction
    shuffled = v.copy()
    shuffled[:, 1] = v[:, 0] - (v[:, 0] - v[:, 1])[rng.permutation(len(v))]
    figures = {
        "rotation": change((x @ turn.T, v @ turn.T, p, k), lambda f: f @ turn),
        "reflection": change((x @ flip, v @ flip, p, k), lambda f: f @ flip),
        "translation": change((x + shift, v, p, k)),
        "Galilean invariance": change((x, v + boost, p, k)),
        "centrality": float(np.median(np.linalg.norm(across, axis=-1) / norm)),
        "velocity dependence": change((x, shuffled, p, k)),
    }
    if snapshots.has_mass:
        figures["reciprocity"] = change((x[:, ::-1], v[:, ::-1], p[:, ::-1], k[:, ::-1]), lambda f: -f)
    for column, name in enumerate(names):
        for end, suffix in ((0, "i"), (1, "j")):
            other = p.copy()
            other[:, end, column] = p[rng.permutation(len(p)), end, column]
            figures[f"{name}_{suffix} dependence"] = change((x, v, other, k))
    return figures
