"""Symmetries of a learnt pair force, measured by querying it about transformed pairs.

A symmetry g holds when F(g x) = g F(x). Its deviation is the median over pairs of |g^-1 F(g x) - F(x)| divided by
|F(x)| plus a fraction of the total force on the receiver. Nothing is supposed: each symmetry is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.pair_query import Pairs, network_pair_force, sample_pairs


@dataclass(frozen=True)
class SymmetryDeviations:
    """A frozen record of the median relative change of a pair force.

    Attributes:
        transformations: Deviation from each symmetry by its name: rotation, reflection, translation, Galilean
            invariance, centrality, and, with masses only, reciprocity.
        dependences: Change when an input is shuffled over the pairs, by the name of the input: ``velocity``,
            ``<property>_i`` and ``<property>_j``. Near zero, the input does not matter.
    """

    transformations: Mapping[str, float]
    dependences: Mapping[str, float]


def measure_symmetry(
    trained: TrainedNetwork,
    dataset: Dataset,
    rows: int | None = None,
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> SymmetryDeviations:
    """Measure the symmetries of the pair force of a network, see `measure_pair_force_symmetry`.

    Args:
        trained: A trained network.
        dataset: Snapshots (S N D) whose pairs are transformed.
        rows: Number of pairs to draw; None stands for `VisibilityCriteria.symmetry_sample_size`.
        seed: Seed of the draw and of the transformations.
        criteria: Criteria that decide; those of visibility are used.
    """
    return measure_pair_force_symmetry(network_pair_force(trained), dataset, rows, seed, criteria=criteria)


def measure_pair_force_symmetry(
    pair_force: Callable[[Pairs], np.ndarray],
    dataset: Dataset,
    rows: int | None = None,
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> SymmetryDeviations:
    """Measure the median relative change of a pair force under each transformation.

    Args:
        pair_force: A function of pairs that gives the force (K D) on the first of each two particles.
        dataset: Snapshots (S N D) whose pairs are transformed.
        rows: Number of pairs to draw; None stands for `VisibilityCriteria.symmetry_sample_size`.
        seed: Seed of the draw and of the transformations.
        criteria: Criteria that decide; those of visibility are used.
    """
    visibility = criteria.visibility
    rng = np.random.default_rng(seed)
    pairs, total_force = sample_pairs(dataset, visibility.symmetry_sample_size if rows is None else rows, rng)
    names = sorted(dataset.properties)
    x, v, p, indices = pairs
    force = pair_force(pairs)
    reference = np.linalg.norm(force, axis=-1) + visibility.symmetry_force_floor * total_force

    def change(other: Pairs, back: Callable[[np.ndarray], np.ndarray] = lambda f: f) -> float:
        return float(np.median(np.linalg.norm(back(pair_force(other)) - force, axis=-1) / reference))

    rotation = np.linalg.qr(rng.normal(size=(x.shape[-1],) * 2))[0]
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    reflection = np.diag([-1.0] + [1.0] * (x.shape[-1] - 1))
    shift = np.std(x) * rng.normal(size=(len(x), 1, x.shape[-1]))
    boost = np.std(v) * rng.normal(size=(len(x), 1, x.shape[-1]))
    separation = x[:, 0] - x[:, 1]
    direction = separation / np.maximum(np.linalg.norm(separation, axis=-1, keepdims=True), 1e-300)
    noncentral = force - np.sum(force * direction, -1, keepdims=True) * direction
    shuffled = v.copy()
    shuffled[:, 1] = v[:, 0] - (v[:, 0] - v[:, 1])[rng.permutation(len(v))]
    transformations = {
        "rotation": change((x @ rotation.T, v @ rotation.T, p, indices), lambda f: f @ rotation),
        "reflection": change((x @ reflection, v @ reflection, p, indices), lambda f: f @ reflection),
        "translation": change((x + shift, v, p, indices)),
        "Galilean invariance": change((x, v + boost, p, indices)),
        "centrality": float(np.median(np.linalg.norm(noncentral, axis=-1) / reference)),
    }
    dependences = {"velocity": change((x, shuffled, p, indices))}
    if dataset.has_mass:
        exchanged = (x[:, ::-1], v[:, ::-1], p[:, ::-1], indices[:, ::-1])
        transformations["reciprocity"] = change(exchanged, lambda f: -f)
    for column, name in enumerate(names):
        for end, suffix in ((0, "i"), (1, "j")):
            other = p.copy()
            other[:, end, column] = p[rng.permutation(len(p)), end, column]
            dependences[f"{name}_{suffix}"] = change((x, v, other, indices))
    return SymmetryDeviations(transformations, dependences)
