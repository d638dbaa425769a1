"""The training of a network: a jitted scan over steps on the device, chunk by chunk, with a held-out error for each.

After each chunk the error on held-out snapshots is measured. The parameters with the lowest held-out error are kept,
and training stops early where it no longer falls (``TrainingConfig.patience``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import CharacteristicScales, Dataset, Split
from gnn_discovery.errors import NoResult, UsageError
from gnn_discovery.gnn.config import DEFAULT_TRAINING_STEPS, OPTIMISERS, TrainingConfig
from gnn_discovery.gnn.graph import GraphData, batch_graph, graph_data
from gnn_discovery.gnn.networks import NetworkConfig, make_network, measure_scales
from gnn_discovery.gnn.training.batches import IndexSet, draw_batch, interacting_snapshots
from gnn_discovery.gnn.training.losses import PREDICTION_ERRORS, training_loss
from gnn_discovery.gnn.training.state import Checkpoints, MessagePruner, TrainingState
from gnn_discovery.gnn.training.trained_network import TrainedNetwork

N_CHUNKS = 20
"""Number of chunks into which a training is divided: after each the held-out error is measured and the state kept."""

WINDOW_SNAPSHOTS = 4
"""A batch of windows has so many times the snapshots of another: those of one window tell about one target."""


@dataclass(frozen=True)
class TrainingProgress:
    """A frozen record of the state of a training after a chunk.

    Attributes:
        step: steps done.
        steps: steps in all.
        loss: mean loss over the chunk.
        validation_error: held-out error after the chunk.
        steps_per_second: the speed of the training so far.
        n_active_components: number of message components that are not pruned.
    """

    step: int
    steps: int
    loss: float
    validation_error: float
    steps_per_second: float
    n_active_components: int


def optimise_network(
    split: Split,
    network: NetworkConfig,
    config: TrainingConfig,
    seed: int,
    *,
    schedule: optax.Schedule | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    checkpoints: Checkpoints | None = None,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> TrainedNetwork:
    """Train on ``split.train``, and keep the parameters with the lowest error on ``split.valid``.

    Args:
        split: the training and held-out runs.
        network: the kind and shape of the network.
        config: the settings of the training.
        seed: the seed of initial weights and batches; the same seed gives the same network.
        schedule: a schedule of optax in place of the one-cycle cosine.
        report: called after each chunk.
        checkpoints: keeps the state after each chunk; a training that was stopped continues from there to the same
            result.
        criteria: the criteria of stage ``training``.

    Raises:
        UsageError: a Hamiltonian network is asked for where Hamilton's equations cannot hold.
        NoResult: the held-out error was never finite.
    """
    units = _natural_units(split.train, network, criteria)
    frames, seen = units.apply(split.train), split.on_paths()
    train, valid = units.apply(seen.train), units.apply(seen.valid)
    scales = measure_scales(frames, bodies=network.latent, raw=network.inputs == "raw", criteria=criteria)
    particles = split.train.present.shape[1]
    model = make_network(network, scales, split.train.dim, particles, rngs=nnx.Rngs(seed), criteria=criteria)
    graph, params, variables = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    data, held_out = graph_data(train), graph_data(valid)
    snapshots = round(config.edges / max(1, data.edges_per_snapshot))
    batch = max(1, min(int(data.n_targets), snapshots))
    if data.kernel is not None:
        batch = max(1, min(batch, round(WINDOW_SNAPSHOTS * snapshots / len(data.kernel))))
    length = max(1, (config.steps or DEFAULT_TRAINING_STEPS[network.node]) // N_CHUNKS)
    program = _Program(graph, network, config, batch, length, schedule, criteria)
    interacting = None
    if data.kernel is None:
        interacting = interacting_snapshots(train, float(scales.force), criteria=criteria)
    sample = _held_out_sample(held_out, criteria.training.validation_batches * batch, seed)
    state = TrainingState(params, program.optimiser.init(params), variables, params, variables, [])
    state = state.restore_from(checkpoints)
    start, first = time.perf_counter(), len(state.history)
    pruner = MessagePruner(criteria) if network.strategy == "pruning" else None
    for k in range(first, N_CHUNKS):
        key = jax.random.fold_in(jax.random.key(seed), k)
        state.params, state.moments, value = _run_chunk(
            program, state.params, state.moments, state.variables, data, interacting, key
        )
        error, unit_floor, sizes = _evaluate(program, state.params, state.variables, held_out, sample)
        keep = config.patience is None or (pruner is not None and pruner.is_active(k))
        state.record(((k + 1.0) * length, float(value), float(error), float(unit_floor)), keep)
        if pruner is not None:
            pruner.prune(k, state, np.asarray(sizes), float(error))
        if checkpoints is not None:
            state.save(checkpoints)
        if report is not None:
            speed = (k + 1 - first) * length / (time.perf_counter() - start)
            active = int(np.sum(np.asarray(state.variables["mask"][...]) > 0))
            report(TrainingProgress((k + 1) * length, N_CHUNKS * length, float(value), float(error), speed, active))
        if config.patience is not None and state.chunks_since_best >= config.patience:
            break
    if not np.isfinite(state.best_error):
        raise NoResult("training diverged: the held-out error was never finite", remedy="Try a lower learning rate")
    best = nnx.merge(graph, state.best, state.best_variables)
    return TrainedNetwork(best, network, np.array(state.history), data.names, units)


@dataclass(frozen=True)
class _Program:
    """Everything that is compiled into a chunk of training; trainings that agree in it share the compiled program.

    Attributes:
        graph: the static part of the network, as ``nnx.split`` returns it.
        network: the config of the network.
        config: the settings of the training.
        batch: number of snapshots of a batch.
        length: number of steps of a chunk.
        schedule: a schedule in place of the one-cycle cosine, or None.
        criteria: the criteria of stage ``training``.
    """

    graph: Any
    network: NetworkConfig
    config: TrainingConfig
    batch: int
    length: int
    schedule: optax.Schedule | None
    criteria: Criteria

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Return Adam on the schedule, or on a one-cycle cosine over all steps where none is given."""
        settings = OPTIMISERS[self.config.optimiser]
        schedule = self.schedule or optax.cosine_onecycle_schedule(
            N_CHUNKS * self.length, self.config.learning_rate, settings.rise, settings.start, settings.end
        )
        optimiser = optax.adam(schedule, b2=settings.b2)
        if settings.clip is None:
            return optimiser
        return optax.chain(optax.clip_by_global_norm(settings.clip), optimiser)


@partial(jax.jit, static_argnums=0)
def _run_chunk(
    program: _Program,
    params: Any,
    moments: Any,
    variables: Any,
    data: GraphData,
    interacting: IndexSet | None,
    key: jax.Array,
) -> tuple[Any, Any, jax.Array]:
    """Return the parameters, the state of the optimiser and the mean loss after a chunk of steps."""
    loss = partial(training_loss, program.graph, program.network, program.config, criteria=program.criteria)
    optimiser = program.optimiser

    def step(carry: Any, key: jax.Array) -> Any:
        params, moments = carry
        batch_key, loss_key = jax.random.split(key)
        index = draw_batch(batch_key, program.batch, data.n_targets, interacting, criteria=program.criteria)
        value, gradient = jax.value_and_grad(loss)(params, variables, data, index, loss_key)
        updates, moments = optimiser.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments), value

    (params, moments), losses = jax.lax.scan(step, (params, moments), jax.random.split(key, program.length))
    return params, moments, jnp.mean(losses)


@partial(jax.jit, static_argnums=0)
def _evaluate(
    program: _Program, params: Any, variables: Any, data: GraphData, index: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the held-out error, the same with a floor of one, and the standard deviation of each message component."""
    net, config = nnx.merge(program.graph, params, variables), program.config
    rows, index = data.windows(index)
    prediction = net(batch_graph(data, index))
    predicted, error_of = data.average(prediction.nodes["target"]), PREDICTION_ERRORS[config.loss]
    error, unit_floor = (error_of(net, predicted, data, rows, floor) for floor in (config.floor, 1.0))
    return error, unit_floor, jnp.std(prediction.edges["message"], axis=0)


def _held_out_sample(held_out: GraphData, most: int, seed: int) -> jax.Array:
    """Return indices of ``most`` snapshots, or of all with the padding below them, which counts nothing."""
    order = np.random.default_rng(seed).permutation(int(held_out.n_targets))
    rows = held_out.present.shape[0] if held_out.middles is None else held_out.middles[0].shape[0]
    return jnp.asarray(order[:most] if most <= len(order) else [*order, *range(len(order), rows)])


def _natural_units(train: Dataset, network: NetworkConfig, criteria: Criteria) -> CharacteristicScales:
    """Return the units in which the network sees the data.

    Raises:
        UsageError: a Hamiltonian network is asked for where Hamilton's equations cannot hold.
    """
    units = CharacteristicScales()
    if network.inputs != "raw":
        units = CharacteristicScales.of(train, criteria=criteria)
    if network.node != "hamiltonian":
        return units
    if train.order == 1 or network.latent:
        raise UsageError(
            "a Hamiltonian network needs " + ("m a = sum F" if train.order == 1 else "masses, and the data give none"),
            where="hamiltonian",
            remedy="Take a network that adds forces, as NetworkConfig(node='fixed')",
        )
    return units.mechanical()
