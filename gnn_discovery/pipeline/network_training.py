"""Training of the networks of a discovery: restarts where one got stuck, and one that need not add its messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.criteria import Criteria
from gnn_discovery.data.dataset import IncrementObservation, Split, explained_square
from gnn_discovery.estimation.latent_properties import inferable_properties
from gnn_discovery.estimation.residual_weights import force_scale, mean_relative_error
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import DEFAULT_TRAINING_STEPS, TrainedNetwork, TrainingConfig, optimise_network
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline.session import Session


def train_with_restarts(data: Split, session: Session) -> TrainedNetwork:
    """Train a network; where it got stuck, train others more slowly or without regard to small forces, keep the best.

    Early in a fast training a gate may close for good where forces are large, as at the cores of a dense fluid; and
    where most particles have come to rest, their small forces may hide the large ones of the few that have not.

    Args:
        data: the motion to learn.
        session: its config states network and training; its run directory keeps each network.
    """
    plain, limits = session.config.training, session.criteria.training
    name = session.network_name
    if isinstance(data.train.observation, IncrementObservation):
        return _train(name, session.config.network, _training_under_kicks(plain, data, session.criteria), data, session)
    tries = {
        name: plain,
        f"{name}-slower": replace(plain, learning_rate=plain.learning_rate / limits.restart_slowdown),
        f"{name}-coarser": replace(plain, floor=limits.restart_floor_factor * plain.floor),
    }
    learnt = max(
        limits.stuck_error * _error_of_no_force(data, session.criteria), limits.stuck_noise_ratio * data.train.noise
    )
    found: list[TrainedNetwork] = []
    for label, training in tries.items():
        found.append(_train(label, session.config.network, training, data, session))
        if session.config.network.node != "fixed" or found[-1].error <= learnt:
            break
    return min(found, key=lambda trained: trained.error)


def _training_under_kicks(training: TrainingConfig, data: Split, criteria: Criteria) -> TrainingConfig:
    """Return the settings for increments, of which the force is a small part.

    A relative error would prefer kicks against the force. What a force f gains in the mean error is of the order
    (f / kick)^2, so that penalties, which are linear in f / kick, are scaled by that ratio.
    """
    force = max(explained_square(data.train, criteria=criteria)[0], 0.0)
    ratio = min(1.0, float(np.sqrt(force / np.mean(data.train.target_variance))))
    penalties = {name: ratio * getattr(training, name) for name in ("l1", "kl", "noncentral_weight")}
    return replace(training, loss="absolute", **penalties)


def train_unconstrained(data: Split, session: Session) -> TrainedNetwork:
    """Train a network that may do anything with its messages, in as many steps as one that adds them.

    Args:
        data: the motion to learn.
        session: its run directory keeps the network as ``network-free``.
    """
    config = session.config
    network = replace(config.network, node="mlp", strategy="standard")
    training = replace(config.training, steps=config.training.steps or DEFAULT_TRAINING_STEPS["fixed"])
    return _train(f"{session.network_name}-free", network, training, data, session)


def _train(
    name: str, network: NetworkConfig, training: TrainingConfig, data: Split, session: Session
) -> TrainedNetwork:
    shape = replace(network, latent=bool(inferable_properties(data.train)))
    return session.cache.network(
        name,
        lambda checkpoints: optimise_network(
            data,
            shape,
            training,
            session.config.seed,
            report=session.training,
            checkpoints=checkpoints,
            criteria=session.criteria,
        ),
    )


def _error_of_no_force(data: Split, criteria: Criteria) -> float:
    """Return the held-out error of a network that sees no force."""
    nothing = ForceLaw((), order=data.train.order)
    return mean_relative_error(nothing, data.valid, force_scale(data.train, criteria=criteria))
