"""The networks of a run: trained, once more where one got stuck, and free where forces may not add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gnn_discovery.data.dataset import Split
from gnn_discovery.estimation.residual_weights import force_scale, mean_relative_error
from gnn_discovery.gnn.training import DEFAULT_TRAINING_STEPS, TrainedNetwork, TrainingConfig, TrainingProgress
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.run_cache import RunCache
from gnn_discovery.pipeline.stages import train_on_dataset

STUCK, TIMES_NOISE = 0.2, 3.0
"""Held-out error, in units of that of no force at all and of the noise, above which a network has learnt nothing."""
SLOWER, COARSER = 3.0, 10.0
"""What the learning rate is divided by then, and, where that does not help, what small forces are multiplied by."""


def unconstrained_network(config: DiscoverConfig) -> DiscoverConfig:
    """The config of a network that may do anything with its messages, in as many steps as one that adds them."""
    return replace(
        config,
        network=replace(config.network, node="mlp", strategy="standard"),
        training=replace(config.training, steps=config.training.steps or DEFAULT_TRAINING_STEPS["fixed"]),
    )


def train_with_restarts(
    name: str,
    data: Split,
    config: DiscoverConfig,
    keep: RunCache,
    report: Callable[[TrainingProgress], None] | None = None,
) -> TrainedNetwork:
    """The network called ``name``; of one that got stuck and others trained more slowly, or without regard to small
    forces, the best.

    Early in a fast training a gate may close for good where forces are large, as at the cores of a dense fluid; and
    where most particles have come to rest, their small forces may hide the large ones of the few that have not.
    """

    def made(name: str, training: TrainingConfig) -> TrainedNetwork:
        asked = replace(config, training=training)
        return keep.network(name, lambda c: train_on_dataset(data, asked, report=report, checkpoints=c))

    plain = config.training
    tries = {
        name: plain,
        f"{name}-slower": replace(plain, learning_rate=plain.learning_rate / SLOWER),
        f"{name}-coarser": replace(plain, floor=COARSER * plain.floor),
    }
    learnt = max(STUCK * _error_of_nothing(data), TIMES_NOISE * data.train.noise)
    found: list[TrainedNetwork] = []
    for called, training in tries.items():
        found.append(made(called, training))
        if config.network.node != "fixed" or found[-1].error <= learnt:
            break
    return min(found, key=lambda trained: trained.error)


def _error_of_nothing(data: Split) -> float:
    """The held-out error of a network that sees no force."""
    nothing = ForceLaw((), order=data.train.order)
    return mean_relative_error(nothing, data.valid, force_scale(data.train))
