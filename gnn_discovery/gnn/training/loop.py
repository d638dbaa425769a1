"""Training: loss = prediction error + what the strategy asks of the messages, in a jitted scan on the device."""

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

from gnn_discovery.data.dataset import CharacteristicScales, Dataset, Split
from gnn_discovery.errors import NoResult, UsageError
from gnn_discovery.gnn.graph import GraphData, batch_graph, graph_data
from gnn_discovery.gnn.networks import NetworkConfig, make_network, measure_scales
from gnn_discovery.gnn.training.batches import draw_batch, interacting_snapshots
from gnn_discovery.gnn.training.config import DEFAULT_TRAINING_STEPS, OPTIMISERS, TrainingConfig
from gnn_discovery.gnn.training.losses import PREDICTION_ERRORS
from gnn_discovery.gnn.training.losses import training_loss as loss_of
from gnn_discovery.gnn.training.state import Checkpoints, MessagePruner, TrainingState
from gnn_discovery.gnn.training.trained_network import TrainedNetwork

N_CHUNKS = 20


@dataclass(frozen=True)
class TrainingProgress:
    """What a caller is told after each chunk of training."""

    step: int
    steps: int
    loss: float
    valid: float
    rate: float
    components: int


def train_network(
    split: Split,
    network: NetworkConfig,
    config: TrainingConfig,
    seed: int,
    *,
    schedule: optax.Schedule | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> TrainedNetwork:
    """Train on ``split.train``, keep the parameters that predict ``split.valid`` best.

    With ``checkpoints`` a run that was stopped goes on from the last chunk it finished, to the same result. Any optax
    ``schedule`` takes the place of the one-cycle cosine.

    Raises:
        NoResult: the held-out error was never finite.
    """
    particles = split.train.present.shape[1]
    raw = network.inputs == "raw"
    natural = CharacteristicScales() if raw else CharacteristicScales.of(split.train)
    if network.node == "hamiltonian":
        _check_conservative(split.train, network)
        natural = natural.mechanical()
    seen, unseen = natural.apply(split.train), natural.apply(split.valid)
    scales = measure_scales(seen, bodies=network.latent, raw=raw)
    model = make_network(network, scales, split.train.dim, particles, rngs=nnx.Rngs(seed))
    graph, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    data, held = graph_data(seen), graph_data(unseen)
    batch = max(1, min(len(data), round(config.edges / max(1, data.edges_per_snapshot))))
    steps = config.steps or DEFAULT_TRAINING_STEPS[network.node]
    length = max(1, steps // N_CHUNKS)
    how = OPTIMISERS[config.optimiser]
    schedule = schedule or optax.cosine_onecycle_schedule(
        N_CHUNKS * length, config.learning_rate, how.rise, how.start, how.end
    )
    optimiser = optax.adam(schedule, b2=how.b2)
    if how.clip is not None:
        optimiser = optax.chain(optax.clip_by_global_norm(how.clip), optimiser)
    loss = partial(loss_of, graph, network, config)
    error_of = PREDICTION_ERRORS[config.loss]
    busy = interacting_snapshots(seen, scales.force)

    @jax.jit
    def chunk(params: Any, moments: Any, rest: Any, data: GraphData, key: jax.Array) -> Any:
        def step(carry: Any, key: jax.Array) -> Any:
            params, moments = carry
            pick, noise = jax.random.split(key)
            index = draw_batch(pick, batch, len(data), busy)
            value, grads = jax.value_and_grad(loss)(params, rest, data, index, noise)
            updates, moments = optimiser.update(grads, moments, params)
            return (optax.apply_updates(params, updates), moments), value

        (params, moments), losses = jax.lax.scan(step, (params, moments), jax.random.split(key, length))
        return params, moments, jnp.mean(losses)

    @jax.jit
    def examine(params: Any, rest: Any, held: GraphData, index: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        net = nnx.merge(graph, params, rest)
        out = net(batch_graph(held, index))
        error, plain = (error_of(net, out, held, index, floor) for floor in (config.floor, 1.0))
        return error, plain, jnp.std(out.edges["message"], axis=0)

    sample = jnp.asarray(np.random.default_rng(seed).permutation(len(held))[: 4 * batch])
    state = TrainingState(params, optimiser.init(params), rest, params, rest, []).restore_from(checkpoints)
    start, begun = time.perf_counter(), len(state.history)
    pruner = MessagePruner() if network.strategy == "pruning" else None
    for k in range(begun, N_CHUNKS):
        key = jax.random.fold_in(jax.random.key(seed), k)
        state.params, state.moments, value = chunk(state.params, state.moments, state.rest, data, key)
        error, plain, sizes = examine(state.params, state.rest, held, sample)
        fresh = config.patience is None or (pruner is not None and pruner.is_active(k))
        state.note(((k + 1.0) * length, float(value), float(error), float(plain)), fresh)
        if pruner is not None:
            pruner.turn(k, state, np.asarray(sizes), float(error))
        if checkpoints is not None:
            state.save(checkpoints)
        if report is not None:
            rate = (k + 1 - begun) * length / (time.perf_counter() - start)
            alive = int(np.sum(np.asarray(state.rest["mask"][...]) > 0))
            report(TrainingProgress((k + 1) * length, N_CHUNKS * length, float(value), float(error), rate, alive))
        if config.patience is not None and state.chunks_since_best >= config.patience:
            break
    if not np.isfinite(state.lowest):
        raise NoResult("training diverged: the held-out error was never finite", remedy="Try a lower learning rate")
    best = nnx.merge(graph, state.best, state.best_rest)
    return TrainedNetwork(best, network, np.array(state.history), data.names, natural)


def _check_conservative(train: Dataset, network: NetworkConfig) -> None:
    """Whether Hamilton's equations can be those of the motion.

    Raises:
        UsageError: it is of first order, or the masses of its bodies would have to be inferred.
    """
    if train.order == 1 or network.latent:
        raise UsageError(
            "a Hamiltonian network needs " + ("m a = sum F" if train.order == 1 else "masses, and the data give none"),
            where="hamiltonian",
            remedy="Take a network that adds forces, as NetworkConfig(node='fixed')",
        )
