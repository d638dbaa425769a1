"""Training: it finds the force, it repeats, it goes on where it was stopped, and it says when it failed."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from networks import (
    SHAPE,
    SMALL,
    apply_network,
    full_graph,
    predicted_target,
    spring_world,
    trained_pruning,
    trained_spring,
    untrained_network,
)
from worlds import halves, radial, relative_error, size, spring, world

from gnn_discovery.errors import NoResult, UsageError
from gnn_discovery.gnn.graph import batch_graph, graph_data
from gnn_discovery.gnn.networks import NetworkConfig, make_network, measure_scales
from gnn_discovery.gnn.training import (
    N_CHUNKS,
    TrainedNetwork,
    TrainingConfig,
    absolute_error,
    displace_snapshots,
    optimise_network,
    predict_target,
)
from gnn_discovery.gnn.training.batches import draw_batch, interacting_snapshots
from gnn_discovery.gnn.training.losses import training_loss
from gnn_discovery.pipeline import DiscoverConfig, RunCache, Session
from gnn_discovery.pipeline.network_training import train_with_restarts
from gnn_discovery.runs import RunDirectory

SPLIT = spring_world()
TINIEST = NetworkConfig(width=4, depth=0, gate=False)


def weighed_error(trained, data):
    """Mean over particles of |F - F'| / (scale + |F|), F = m a: what training lowers and stops by."""
    miss = size(predicted_target(trained, data) - data.target)[..., 0] * data.properties["m"]
    return float(np.mean(miss / (trained.force_scale[0] + size(data.force)[..., 0])))


@pytest.mark.slow
def test_the_error_falls_to_a_percent_on_a_spring():
    trained = trained_spring()
    steps, loss, valid, plain = trained.history.T
    np.testing.assert_allclose(steps, SMALL.steps * np.arange(1, N_CHUNKS + 1) / N_CHUNKS)
    np.testing.assert_array_equal(valid, plain)
    assert valid[0] > 0.2 and valid.min() < 0.02
    assert loss[-1] < 0.03 * loss[0]
    assert relative_error(predict_target(trained, SPLIT.test), SPLIT.test.target) < 0.02


@pytest.mark.slow
def test_a_field_and_a_friction_are_learnt_over_their_range():
    """A centre that attracts by 1/r^2, over two decades of force, and a drag that turns into a push at low speed."""

    def alone(x, v, p):
        speed = size(v)
        return -x / (size(x) + 0.1) ** 3 + (1 - speed**2) * v

    split = halves(world(own=alone, count=3000, particles=3))
    trained = optimise_network(split, NetworkConfig(), TrainingConfig(steps=2000), 0)
    assert weighed_error(trained, split.test) < 0.01


@pytest.mark.slow
def test_what_is_kept_is_the_network_that_predicts_the_held_out_runs_best():
    trained = trained_spring()
    assert weighed_error(trained, SPLIT.valid) == pytest.approx(trained.history[:, 2].min(), rel=1e-3)


@pytest.mark.slow
def test_prediction_in_batches_is_prediction():
    trained = trained_spring()
    expected = predicted_target(trained, SPLIT.test)
    assert len(SPLIT.test.run) % 50, "the last batch is not full"
    np.testing.assert_allclose(predict_target(trained, SPLIT.test, batch=50), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_network_of_one_that_was_not(tmp_path):
    """Bit for bit, through a run directory; which says as well that a seed gives the same network again."""
    uninterrupted, first, second = trained_spring(), [], []

    def stop(progress):
        first.append(progress.step)
        if len(first) == 7:
            raise KeyboardInterrupt

    def training(report):
        return lambda kept: optimise_network(SPLIT, SHAPE, SMALL, seed=0, report=report, checkpoints=kept)

    with pytest.raises(KeyboardInterrupt):
        RunCache(RunDirectory(tmp_path)).network("network", training(stop))
    resumed = RunCache(RunDirectory(tmp_path)).network(
        "network", training(lambda progress: second.append(progress.step))
    )
    assert len(first) == 7 and first + second == [SMALL.steps // N_CHUNKS * k for k in range(1, N_CHUNKS + 1)]
    here, there = resumed.pack()[0], uninterrupted.pack()[0]
    assert here.keys() == there.keys()
    for name in here:
        np.testing.assert_array_equal(here[name], there[name], err_msg=name)
    again = RunCache(RunDirectory(tmp_path)).network("network", lambda _: pytest.fail("trained again"))
    np.testing.assert_array_equal(again.history, resumed.history)


@pytest.mark.parametrize(
    ("errors", "noise", "kept"),
    [
        ((0.04,), 0.0, 0.04),
        ((0.4, 0.02), 0.0, 0.02),
        ((0.4, 0.5, 0.03), 0.0, 0.03),
        ((0.4, 0.5, 0.6), 0.0, 0.4),
        ((0.4,), 0.2, 0.4),
    ],
)
def test_a_network_that_got_stuck_is_trained_again_and_the_best_one_kept(monkeypatch, errors, noise, kept):
    """More slowly, then without regard to small forces; unless it is as good as the noise allows."""
    asked, plain = [], DiscoverConfig().training

    def stand_in(data, network, training, seed, **_):
        asked.append((training.learning_rate, training.floor))
        error = errors[len(asked) - 1]
        return TrainedNetwork(untrained_network(SPLIT.train), network, np.array([[1.0, 0.0, error, error]]), ())

    monkeypatch.setattr("gnn_discovery.pipeline.network_training.optimise_network", stand_in)
    data = replace(SPLIT, train=replace(SPLIT.train, noise=noise))
    assert train_with_restarts(data, Session(DiscoverConfig())).error == kept
    rate, floor = plain.learning_rate, plain.floor
    assert asked == [(rate, floor), (rate / 3, floor), (rate, 10 * floor)][: len(errors)]


def test_other_data_of_the_same_shape_compile_nothing_new():
    """Scales are arguments and sizes are powers of two: what was compiled for some data serves other data."""
    how, compiled = TrainingConfig(steps=N_CHUNKS), []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    for data in (SPLIT, halves(world(radial(lambda r, _: -3.0 / r**2), count=590, seed=1))):
        compiled.clear()
        trained = optimise_network(data, TINIEST, how, seed=0)
        predict_target(trained, data.test)
    assert not compiled


@pytest.mark.slow
@pytest.mark.parametrize("made", [trained_spring, trained_pruning])
def test_a_packed_network_says_the_same(made):
    """Also the components that were taken away stay away."""
    trained = made()
    arrays, meta = trained.pack()
    again = TrainedNetwork.unpack(arrays, json.loads(json.dumps(meta)))
    assert again.config == trained.config and again.names == trained.names == ("m",)
    assert jax.tree.structure(again.network.scales) == jax.tree.structure(trained.network.scales)
    for kept, first in zip(*map(jax.tree.leaves, (again.network.scales, trained.network.scales)), strict=True):
        np.testing.assert_array_equal(kept, first)
    np.testing.assert_array_equal(again.history, trained.history)
    np.testing.assert_array_equal(predicted_target(again, SPLIT.test), predicted_target(trained, SPLIT.test))


@pytest.mark.slow
def test_pruning_finds_that_two_components_carry_a_force_in_the_plane():
    """Of twelve; the paper's count is the dimension of space."""
    trained = trained_pruning()
    alive = np.flatnonzero(np.asarray(trained.network.mask[...]))
    assert 2 <= len(alive) <= 3
    message = np.asarray(apply_network(trained.network, full_graph(SPLIT.test)).edges["message"])
    silent = np.setdiff1d(np.arange(12), alive)
    assert np.all(message[:, silent] == 0) and np.all(np.std(message[:, alive], axis=0) > 0)
    assert relative_error(predict_target(trained, SPLIT.test), SPLIT.test.target) < 0.1


@pytest.mark.slow
def test_hidden_source_strengths_are_found_up_to_a_common_factor():
    """a_i = sum_j s_j f(r_ij), and nothing is told of s."""
    strength = np.array([1.0, 3.0, 0.3, 0.6])
    data = world(count=600, mass=False)
    pull = spring(data.separation(), data.separation(), {}) * strength[data.senders][:, None]
    np.add.at(data.target, (slice(None), data.receivers), pull)
    trained = optimise_network(halves(data), replace(SHAPE, latent=True), replace(SMALL, steps=600), seed=0)
    found = np.asarray(trained.network.source_strengths(), float)
    np.testing.assert_allclose(found / found[0], strength, rtol=0.03)


@pytest.mark.slow
def test_training_that_does_not_move_stops_early_where_it_began():
    """With a learning rate of nothing the held-out error never gets better than it was first."""
    config = replace(SMALL, steps=20, patience=4)
    trained = optimise_network(SPLIT, TINIEST, config, seed=3, schedule=optax.constant_schedule(0.0))
    assert len(trained.history) == 1 + 4
    assert np.ptp(trained.history[:, 2]) == 0
    start = untrained_network(SPLIT.train, seed=3, width=4, depth=0, gate=False)
    ends = [jax.tree.leaves(nnx.state(network, nnx.Param)) for network in (start, trained.network)]
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.slow
def test_training_that_diverges_is_no_result():
    config = TrainingConfig(steps=20, edges=96, learning_rate=1e30)
    with pytest.raises(NoResult, match="diverged"):
        optimise_network(SPLIT, TINIEST, config, seed=0)


@pytest.mark.parametrize("strategy", ["l1", "kl"])
def test_the_price_of_messages_is_the_papers(strategy):
    """Mean over edges of the L1 norm of a message, or of its divergence from N(0, 1) (arXiv 2006.11287, section 3)."""
    network = untrained_network(SPLIT.valid, node="mlp", strategy=strategy, message=3, depth=0)
    graph, params, rest = nnx.split(network, nnx.Param, ...)
    index, key = jnp.arange(len(SPLIT.valid.run)), jax.random.key(0)
    configs = [TrainingConfig(l1=weight, kl=weight) for weight in (0.0, 7.0)]

    @jax.jit
    def look(params, rest, data):
        losses = [training_loss(graph, network.config, config, params, rest, data, index, key) for config in configs]
        return losses, nnx.merge(graph, params, rest)(batch_graph(data, index), key).edges

    losses, edges = look(params, rest, graph_data(SPLIT.valid))
    edges = {k: np.asarray(v, float) for k, v in edges.items()}
    if strategy == "l1":
        price = np.abs(edges["message"]).sum(-1).mean()
    else:
        mean, deviation = edges["mean"], np.exp(0.5 * edges["log_variance"])
        price = (-np.log(deviation) + 0.5 * (deviation**2 + mean**2) - 0.5).sum(-1).mean()
    assert float(losses[1] - losses[0]) == pytest.approx(7.0 * price, rel=1e-4)


def test_a_snapshot_is_displaced_as_a_whole():
    data = graph_data(SPLIT.train)
    index = jnp.arange(300)
    graph = batch_graph(data, index)
    moved = displace_snapshots(graph, 3.0, jax.random.key(0))
    by = np.asarray(moved.nodes["position"] - graph.nodes["position"]).reshape(300, -1, SPLIT.train.dim)
    np.testing.assert_allclose(by, by[:, :1] + np.zeros_like(by), atol=1e-5)
    assert np.std(by[:, 0]) == pytest.approx(3.0, rel=0.1) and abs(np.mean(by)) < 0.5
    assert moved.edges["separation"] is graph.edges["separation"]


def test_the_absolute_error_is_that_of_the_paper():
    """The mean over particles of the sum over components, in units of the target."""
    config = NetworkConfig(node="mlp", inputs="raw", activation="relu", width=8)
    net = make_network(config, measure_scales(SPLIT.train, raw=True), SPLIT.train.dim, 4, rngs=nnx.Rngs(0))
    data, index = graph_data(SPLIT.test), jnp.arange(20)
    out = net(batch_graph(data, index))
    prediction = np.asarray(out.nodes["target"]).reshape(20, -1, SPLIT.test.dim)
    expected = np.abs(prediction - SPLIT.test.target[:20]).sum(-1).mean()
    assert float(absolute_error(net, out.nodes["target"], data, index)) == pytest.approx(expected, rel=1e-5)


def test_without_patience_the_last_parameters_are_kept():
    """A rate that rises without end leaves the best behind."""
    how = TrainingConfig(steps=N_CHUNKS, loss="absolute", optimiser="paper", patience=None)
    network = replace(TINIEST, inputs="raw")
    trained = optimise_network(SPLIT, network, how, seed=0, schedule=optax.linear_schedule(0.01, 5.0, N_CHUNKS))
    assert len(trained.history) == N_CHUNKS
    data, index = graph_data(SPLIT.valid), jnp.arange(len(SPLIT.valid.run))
    out = trained.network(batch_graph(data, index))
    error = float(absolute_error(trained.network, out.nodes["target"], data, index))
    assert error == pytest.approx(trained.history[-1, 2], rel=1e-4)
    assert trained.history[-1, 2] > trained.error


def contact(diameter):
    """Spheres that push with unit stiffness where they overlap."""
    return world(radial(lambda r, p: np.maximum(diameter - r, 0.0)), particles=2, count=2000, mass=False)


def test_rare_encounters_fill_half_of_each_batch():
    """Of places N(0, 1) in a plane, 1 - exp(-s^2 / 4) of the pairs overlap."""
    data, few = contact(0.5), 1 - np.exp(-(0.5**2) / 4)
    padded, count = interacting_snapshots(data, scale=0.2)
    busy = np.asarray(padded)[: int(count)]
    distance = size(data.separation())[:, 0, 0]
    np.testing.assert_array_equal(busy, np.flatnonzero(distance < 0.5 - 0.1 * 0.2))
    batch = np.asarray(draw_batch(jax.random.key(0), 8000, jnp.asarray(2000), (padded, count)))
    first, rest = np.isin(batch, busy).reshape(2, -1).mean(axis=1)
    assert first == 1 and rest == pytest.approx(few, rel=0.15)
    assert set(batch[:4000]) == set(busy), "each of them is seen"


def test_where_encounters_are_no_rarity_all_snapshots_are_drawn_alike():
    for data in (contact(1.5), contact(0.0), SPLIT.train):
        assert interacting_snapshots(data, scale=0.2) is None
    batch = np.asarray(draw_batch(jax.random.key(0), 40_000, jnp.asarray(10), None))
    np.testing.assert_allclose(np.bincount(batch, minlength=10), 4000, rtol=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -5},
        {"steps": 0},
        {"steps": 10.5},
        {"edges": 0},
        {"optimiser": "adam"},
        {"learning_rate": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"loss": "mse"},
        {"loss": "abs"},
        {"floor": 0.0},
        {"shift": -1.0},
        {"l1": -1e-3},
        {"kl": float("inf")},
        {"noncentral_weight": True},
        {"patience": 0},
    ],
    ids=str,
)
def test_a_config_refuses_unknown_words_and_impossible_numbers(wrong):
    """The error names the field and the value."""
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError) as caught:
        TrainingConfig(**wrong)
    assert caught.value.what == f"{name} is {value!r}" and caught.value.where == "TrainingConfig"
    assert caught.value.remedy
    with pytest.raises(UsageError):
        replace(TrainingConfig(), **wrong)


def test_a_particle_that_is_not_there_meets_nothing():
    data = contact(0.5)
    assert interacting_snapshots(replace(data, present=np.zeros_like(data.present)), scale=0.2) is None
