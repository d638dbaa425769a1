"""The benchmark against PyTorch Geometric: our network is the paper's, written out here, and the ratio what it says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import peer
import peer_ours
from gnn_discovery_replication.recipes import PAPER_BATCH_GRAPHS


@pytest.fixture(scope="module")
def given():
    data, config = peer_ours.motion(runs=8)
    return peer_ours.reference_arrays(data.train, replace(config, network=replace(config.network, width=20, message=7)))


def mlp(x, weights):
    for k in range(0, 8, 2):
        x = x @ weights[k].T + weights[k + 1]
        x = np.maximum(x, 0) if k < 6 else x
    return x


def test_ours_is_the_network_and_the_loss_of_the_paper(given):
    x, y = given["x"][:PAPER_BATCH_GRAPHS].astype(float), given["y"][:PAPER_BATCH_GRAPHS]
    weights = [given[f"weights_{k}"].astype(float) for k in range(16)]
    receivers, senders = np.argwhere(~np.eye(4, dtype=bool)).T
    messages = mlp(np.concatenate([x[:, receivers], x[:, senders]], -1), weights[:8])
    total = np.stack([messages[:, receivers == i].sum(1) for i in range(4)], 1)
    output = mlp(np.concatenate([total, x], -1), weights[8:])
    assert given["output"] == pytest.approx(output.reshape(-1, 2), rel=1e-4, abs=1e-5)
    error = np.abs(output - y).sum(-1).mean() + 1e-2 * np.abs(messages).sum(-1).mean()
    assert given["loss"] == pytest.approx(error, rel=1e-5)


def test_the_same_network_agrees_and_another_is_refused(given):
    same = {k: a for k, a in given.items() if k in ("output", "loss") or k.startswith("gradient")}
    found = peer.agreement(given, same)
    assert found["differ"] == {"output": 0, "loss": 0, "gradient": 0}
    assert found["parameters"] == sum(given[f"weights_{k}"].size for k in range(16))
    with pytest.raises(SystemExit, match="two different networks"):
        peer.agreement(given, {**same, "gradient_3": 2 * same["gradient_3"]})


def test_the_table_has_the_ratio_of_turns_side_by_side():
    side = {"processor": [0.02, 0.04, 0.02], "wall": [0.03, 0.05, 0.03], "product": [1e-3, 1e-3, 1e-3]}
    half = {name: [s / 2 for s in seconds] for name, seconds in side.items()}
    record = {
        "torch": side,
        "ours": half,
        "operations": {"step": 1.2e9, "product": 1e8},
        "parameters": 1000,
        "steps": 100,
        "differ": {"output": 1e-7, "loss": 0.0, "gradient": 1e-7},
        "versions": {"jax": "0"},
        "peer": {"torch": "0"},
        "date": "2020",
        "commit": "abc",
        "load": 1.0,
        "machine": "a machine",
    }
    text = peer.table(record)
    assert "ours over the peer's: **0.50**" in text
    assert "| processor time of a step, ms | 20.0 [20.0, 40.0] | 10.0 [10.0, 20.0] | 0.50 [0.50, 0.50] |" in text
    assert "| products of matrices alone, GFLOP/s | 100 [100, 100] | 200 [200, 200] | 2.00 [2.00, 2.00] |" in text
    assert "the ratio would be 0.30" in text, "6 ms of products, over 20 ms"
    assert "were the two rates equal, the ratio would be 1.00" in text
