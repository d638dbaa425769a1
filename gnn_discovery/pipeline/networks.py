"""The networks of a run: trained, once more where one got stuck, and free where forces may not add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.keep import Keep
from gnn_discovery.pipeline.steps import train
from gnn_discovery.snapshots import Split
from gnn_discovery.training import STEPS, Progress, Trained

STUCK, TIMES_NOISE = 0.1, 3.0
"""Held-out error, and that in units of the noise, above which a network has not learnt the forces."""
SLOWER = 3.0
"""What the learning rate is divided by then."""


def free_node(config: DiscoverConfig) -> DiscoverConfig:
    """The config of a network that may do anything with its messages, in as many steps as one that adds them."""
    return replace(
        config,
        network=replace(config.network, node="mlp", strategy="standard"),
        training=replace(config.training, steps=config.training.steps or STEPS["fixed"]),
    )


def network(
    name: str,
    data: Split,
    config: DiscoverConfig,
    keep: Keep,
    report: Callable[[Progress], None] | None = None,
) -> Trained:
    """The network called ``name``; of one that got stuck and one trained more slowly, the better.

    Early in a fast training a gate may close for good where forces are large, as at the cores of a dense fluid.
    """
    first = keep.network(name, lambda c: train(data, config, report=report, checkpoints=c))
    if config.network.node != "fixed" or first.error <= max(STUCK, TIMES_NOISE * data.train.noise):
        return first
    rate = config.training.learning_rate / SLOWER
    slow = replace(config, training=replace(config.training, learning_rate=rate))
    second = keep.network(f"{name}-slower", lambda c: train(data, slow, report=report, checkpoints=c))
    return min(first, second, key=lambda trained: trained.error)
