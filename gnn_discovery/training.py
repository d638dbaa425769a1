"""Training: loss = prediction error + what the strategy asks of the messages, in a jitted scan on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from gnn_discovery.errors import NoResult
from gnn_discovery.graph import Graph, GraphData, batch_graph, graph_data
from gnn_discovery.model import GraphNetwork, NetworkConfig, Scales, jitted, measure_scales
from gnn_discovery.snapshots import Natural, Snapshots, Split

CHUNKS = 20
STEPS = {"fixed": 4000, "mlp": 10000}
"""By the node function, where nothing else is asked."""


@dataclass(frozen=True)
class Optimiser:
    """Adam on a one-cycle schedule.

    Attributes:
        rise: share of the steps on which the rate rises.
        start, end: what the peak is divided by at the start, and that again at the end.
        b2: decay of the second moments.
        clip: largest norm of a gradient.
    """

    rise: float
    start: float
    end: float
    b2: float
    clip: float


OPTIMISERS = {
    "fast": Optimiser(rise=0.1, start=10.0, end=1e3, b2=0.99, clip=1.0),
    "paper": Optimiser(rise=0.3, start=25.0, end=1e5, b2=0.999, clip=np.inf),
}
"""Ours, and that of Cranmer et al., arXiv 2006.11287: torch's one-cycle with what their code sets."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how hard.

    Attributes:
        steps: of the optimiser; None takes `STEPS`, more of them with an MLP, whose gauge is slow.
        edges: about how many edges a batch holds.
        optimiser: of `OPTIMISERS`, one-cycle cosine schedule and Adam.
        learning_rate: the peak of the schedule.
        loss: "relative", see `prediction_error`, or the mean of the "absolute" error, see `absolute_error`.
        floor: so many typical forces are what counts as one: errors below it are absolute.
        shift: standard deviation of a displacement of each snapshot as a whole, drawn anew at each step: a network that
            sees places can learn that they do not matter.
        l1: weight of the mean over edges of the L1 norm of a message, for "l1" and "pruning" (arXiv 2006.11287: 1e-2).
        own: weight of what a fixed node function pays for forces that are not central, see `_plainness`.
        kl: weight of the mean over edges of the divergence from N(0, 1), for "kl". The paper's 1 belongs to a loss
            in units of acceleration; here the loss is relative and at most about 1.
        patience: chunks (of 20 in all) without a better held-out error before training stops early; None trains to the
            end, and keeps the last parameters in the place of the best.
    """

    steps: int | None = None
    edges: int = 1536
    optimiser: Literal["fast", "paper"] = "fast"
    learning_rate: float = 8e-3
    loss: Literal["relative", "absolute"] = "relative"
    floor: float = 1.0
    shift: float = 0.0
    l1: float = 1e-2
    kl: float = 1e-3
    own: float = 5e-2
    patience: int | None = 6


@dataclass(frozen=True)
class Progress:
    """What a caller is told after each chunk of training."""

    step: int
    steps: int
    loss: float
    valid: float
    rate: float
    components: int


@runtime_checkable
class Checkpoints(Protocol):
    """Where training keeps its state; called after each chunk, and once before the first."""

    def save(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None: ...

    def load(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None: ...


@dataclass(frozen=True)
class Trained:
    """A network, what it was trained on, and how it went: rows (step, loss, held-out error, as the loss has it).

    The network itself sees ``natural`` units; `predict`, and all that reads its messages, take and give those of the
    data.
    """

    network: GraphNetwork
    config: NetworkConfig
    history: np.ndarray
    names: tuple[str, ...]
    natural: Natural = field(default_factory=Natural)

    @property
    def force_scale(self) -> np.ndarray:
        """(N,) the typical force on each particle."""
        return np.asarray(self.network.scales.particle) * self.natural.force

    def seen(self, snapshots: Snapshots) -> GraphData:
        """The motion as the network sees it."""
        return graph_data(self.natural.apply(snapshots))

    @property
    def error(self) -> float:
        """The held-out error; of a relative loss the mean of |F - F_predicted| / (scale + |F|)."""
        return float(self.history[np.nanargmin(self.history[:, 2]), -1])

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain numbers from which `unpack` makes the same network."""
        net = self.network
        shape = {"dim": net.dim, "particles": net.particles, "names": list(self.names)}
        meta = {"config": asdict(self.config), "scales": asdict(net.scales), "natural": asdict(self.natural), **shape}
        return {**_flatten(nnx.state(net), "state"), "history": self.history}, meta

    @staticmethod
    def unpack(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Trained:
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["scales"].items()}
        scales = Scales(**plain)
        config = NetworkConfig(**meta["config"])
        net = GraphNetwork(config, scales, meta["dim"], meta["particles"], rngs=nnx.Rngs(0))
        nnx.update(net, _unflatten(nnx.state(net), arrays, "state"))
        natural = Natural(**meta.get("natural", {}))
        return Trained(net, config, np.asarray(arrays["history"]), tuple(meta["names"]), natural)


@dataclass
class _State:
    """Everything that a chunk changes."""

    params: Any
    moments: Any
    rest: Any
    best: Any
    best_rest: Any
    history: list[tuple[float, float, float, float]]
    since: int = 0

    def trees(self) -> dict[str, Any]:
        return {
            "params": self.params,
            "moments": self.moments,
            "rest": self.rest,
            "best": self.best,
            "best_rest": self.best_rest,
        }

    @property
    def lowest(self) -> float:
        return min((h[2] for h in self.history if np.isfinite(h[2])), default=np.inf)


def train(
    split: Split,
    network: NetworkConfig,
    config: TrainingConfig,
    seed: int,
    *,
    schedule: optax.Schedule | None = None,
    report: Callable[[Progress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train on ``split.train``, keep the parameters that predict ``split.valid`` best.

    With ``checkpoints`` a run that was stopped goes on from the last chunk it finished, to the same result. Any optax
    ``schedule`` takes the place of the one-cycle cosine.

    Raises:
        NoResult: the held-out error was never finite.
    """
    particles = split.train.present.shape[1]
    raw = network.inputs == "raw"
    natural = Natural() if raw else Natural.of(split.train)
    seen, unseen = natural.apply(split.train), natural.apply(split.valid)
    scales = measure_scales(seen, bodies=network.latent, raw=raw)
    model = GraphNetwork(network, scales, split.train.dim, particles, rngs=nnx.Rngs(seed))
    graph, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    data, held = graph_data(seen), graph_data(unseen)
    batch = max(1, min(len(data), round(config.edges / max(1, data.edges_per_snapshot))))
    steps = config.steps or STEPS[network.node]
    length = max(1, steps // CHUNKS)
    how = OPTIMISERS[config.optimiser]
    schedule = schedule or optax.cosine_onecycle_schedule(
        CHUNKS * length, config.learning_rate, how.rise, how.start, how.end
    )
    optimiser = optax.chain(optax.clip_by_global_norm(how.clip), optax.adam(schedule, b2=how.b2))
    loss = partial(_loss, graph, network, config)
    error_of = ERRORS[config.loss]

    @jax.jit
    def chunk(params: Any, moments: Any, rest: Any, data: GraphData, key: jax.Array) -> Any:
        def step(carry: Any, key: jax.Array) -> Any:
            params, moments = carry
            pick, noise = jax.random.split(key)
            index = jax.random.randint(pick, (batch,), 0, len(data))
            value, grads = jax.value_and_grad(loss)(params, rest, data, index, noise)
            updates, moments = optimiser.update(grads, moments, params)
            return (optax.apply_updates(params, updates), moments), value

        (params, moments), losses = jax.lax.scan(step, (params, moments), jax.random.split(key, length))
        return params, moments, jnp.mean(losses)

    @jax.jit
    def examine(params: Any, rest: Any, held: GraphData, index: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        net = nnx.merge(graph, params, rest)
        out = net(batch_graph(held, index))
        errors = (error_of(net, out, held, index, floor) for floor in (config.floor, 1.0))
        return *errors, jnp.std(out.edges["message"], axis=0)

    sample = jnp.asarray(np.random.default_rng(seed).permutation(len(held))[: 4 * batch])
    state = _restore(_State(params, optimiser.init(params), rest, params, rest, []), checkpoints)
    start, begun = time.perf_counter(), len(state.history)
    pruner = _Pruner() if network.strategy == "pruning" else None
    for k in range(begun, CHUNKS):
        key = jax.random.fold_in(jax.random.key(seed), k)
        state.params, state.moments, value = chunk(state.params, state.moments, state.rest, data, key)
        error, plain, sizes = examine(state.params, state.rest, held, sample)
        fresh = config.patience is None or (pruner is not None and pruner.busy(k))
        _note(state, ((k + 1.0) * length, float(value), float(error), float(plain)), fresh)
        if pruner is not None:
            pruner.turn(k, state, np.asarray(sizes), float(error))
        if checkpoints is not None:
            _save(state, checkpoints)
        if report is not None:
            rate = (k + 1 - begun) * length / (time.perf_counter() - start)
            alive = int(np.sum(np.asarray(state.rest["mask"][...]) > 0))
            report(Progress((k + 1) * length, CHUNKS * length, float(value), float(error), rate, alive))
        if config.patience is not None and state.since >= config.patience:
            break
    if not np.isfinite(state.lowest):
        raise NoResult("training diverged: the held-out error was never finite", remedy="Try a lower learning rate")
    best = nnx.merge(graph, state.best, state.best_rest)
    return Trained(best, network, np.array(state.history), data.names, natural)


def _note(state: _State, row: tuple[float, float, float, float], fresh: bool) -> None:
    """Add to the history; keep the parameters where they are the best so far (``fresh``: always)."""
    if fresh or row[2] < state.lowest:
        state.best, state.best_rest, state.since = state.params, state.rest, 0
    else:
        state.since += 1
    state.history.append(row)


class _Pruner:
    """Takes away the weakest third of the living components, chunk by chunk, as long as the error bears it.

    The number that is left is found, not given: the cut that doubled the held-out error is taken back and is the last.
    """

    FIRST, LAST = 5, 14

    def __init__(self) -> None:
        self.before: tuple[Any, Any, Any, float] | None = None
        self.done = False

    def busy(self, k: int) -> bool:
        return k <= self.LAST

    def turn(self, k: int, state: _State, sizes: np.ndarray, error: float) -> None:
        if self.done or not self.FIRST <= k <= self.LAST:
            return
        if self.before is not None and error > 2 * self.before[3]:
            state.params, state.moments, state.rest, _ = self.before
            self.done = True
            return
        mask = np.array(state.rest["mask"][...])
        alive = np.flatnonzero(mask)
        if k == self.LAST or len(alive) < 2:
            self.done = True
            return
        self.before = (state.params, state.moments, state.rest, error)
        weakest = alive[np.argsort(sizes[alive])[: max(1, len(alive) // 3)]]
        mask[weakest] = 0.0
        state.rest = jax.tree.map(lambda leaf: leaf, state.rest)
        state.rest["mask"] = state.rest["mask"].replace(jnp.asarray(mask))


def prediction_error(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, floor: float = 1.0) -> jax.Array:
    """Mean over particles of |F - F_predicted| / (scale + |F|), F = m a, with ``floor`` times each particle's scale."""
    target = data.target[index].reshape(-1, net.dim)
    mass = net.mass(data.properties[index].reshape(target.shape[0], -1))
    error = jnp.sqrt(jnp.sum(((out.nodes["target"] - target) * mass) ** 2, -1) + 1e-30)
    size = jnp.sqrt(jnp.sum((target * mass) ** 2, -1))
    here = data.present[index].reshape(-1)
    scale = jnp.tile(jnp.asarray(net.scales.particle), len(index))
    return jnp.sum(here * error / (floor * scale + size)) / jnp.sum(here)


def absolute_error(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, floor: float = 1.0) -> jax.Array:
    """Mean over particles of the sum over components of |target - prediction| (arXiv 2006.11287)."""
    target = data.target[index].reshape(-1, net.dim)
    here = data.present[index].reshape(-1)
    return jnp.sum(here * jnp.sum(jnp.abs(out.nodes["target"] - target), -1)) / jnp.sum(here)


ERRORS = {"relative": prediction_error, "absolute": absolute_error}
"""Of a prediction, by ``TrainingConfig.loss``."""


def _loss(
    graph: Any,
    network: NetworkConfig,
    config: TrainingConfig,
    params: Any,
    rest: Any,
    data: GraphData,
    index: jax.Array,
    key: jax.Array,
) -> jax.Array:
    net = nnx.merge(graph, params, rest)
    seen = batch_graph(data, index)
    if config.shift:
        seen = displaced(seen, config.shift, jax.random.fold_in(key, 1))
    out = net(seen, key if network.strategy == "kl" else None)
    loss = ERRORS[config.loss](net, out, data, index, config.floor)
    message = out.edges["message"]
    if network.strategy in ("l1", "pruning"):
        loss += config.l1 * jnp.mean(jnp.sum(jnp.abs(message), -1))
    if network.strategy == "kl":
        mean, log_variance = out.edges["mean"], out.edges["log_variance"]
        divergence = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1)
        loss += config.kl * jnp.mean(jnp.sum(divergence, -1))
    if network.node == "fixed":
        loss += config.own / config.floor * _plainness(net, out, data, index)
    return loss


def displaced(graph: Graph, sigma: float, key: jax.Array) -> Graph:
    """Each snapshot of a batch moved as a whole, by a normal displacement."""
    place = graph.nodes["position"]
    by = sigma * jax.random.normal(key, (len(graph.n_node), place.shape[-1]))
    moved = place + jnp.repeat(by, len(place) // len(by), axis=0)
    return graph._replace(nodes={**graph.nodes, "position": moved})


def _plainness(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array) -> jax.Array:
    """Mean over particles of the self force, twice the pair forces off the line of centres, and for particular bodies
    a tenth of the whole pair forces, in units of the typical force: of the sums that explain the motion alike, the
    plain one. A field is left to the particles, what is central to the pairs, and no body pulls that need not."""
    scale = jnp.tile(jnp.asarray(net.scales.particle), len(index))
    here = data.present[index].reshape(-1)
    gather = lambda lengths: jax.ops.segment_sum(lengths, out.receivers, len(scale)) * net.scales.force  # noqa: E731
    total = here * _length(out.nodes["self"])
    if "across" in out.edges:
        total += 2.0 * gather(_length(out.edges["across"]))
    if net.strength is not None:
        total += 0.1 * gather(_length(out.edges["message"]))
    return jnp.sum(total / scale) / jnp.sum(here)


def _length(vectors: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(vectors**2, -1) + 1e-24)


def predict(trained: Trained, snapshots: Snapshots, batch: int = 256) -> np.ndarray:
    """The network's target (S N D) in the units of the data."""
    data = trained.seen(snapshots)
    run = jitted(trained.network, lambda net, data, index: net(batch_graph(data, index)).nodes["target"])
    count, rows = len(data), []
    for start in range(0, count, batch):
        index = jnp.minimum(jnp.arange(start, start + batch), count - 1)
        out = np.asarray(run(data, index), float).reshape(batch, *snapshots.target.shape[1:])
        rows.append(out[: count - start])
    return np.concatenate(rows) * trained.natural.target


def _flatten(tree: Any, name: str) -> dict[str, np.ndarray]:
    return {f"{name}.{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(tree))}


def _unflatten(like: Any, arrays: Mapping[str, np.ndarray], name: str) -> Any:
    leaves, shape = jax.tree.flatten(like)
    return jax.tree.unflatten(shape, [jnp.asarray(arrays[f"{name}.{k}"]) for k in range(len(leaves))])


def _save(state: _State, checkpoints: Checkpoints) -> None:
    arrays = {k: v for name, tree in state.trees().items() for k, v in _flatten(tree, name).items()}
    checkpoints.save({**arrays, "history": np.array(state.history)}, {"since": state.since})


def _restore(state: _State, checkpoints: Checkpoints | None) -> _State:
    kept = checkpoints.load() if checkpoints is not None else None
    if kept is None:
        return state
    arrays, meta = kept
    trees = {name: _unflatten(tree, arrays, name) for name, tree in state.trees().items()}
    history = [(float(a), float(b), float(c), float(d)) for a, b, c, d in arrays["history"]]
    return _State(**trees, history=history, since=int(meta["since"]))
