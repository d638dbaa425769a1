"""Define the two recipes: "fast" is that of this program, "paper" that of Cranmer et al. 2020 (arXiv 2006.11287)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gnn_discovery.errors import require_choice
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import DEFAULT_TRAINING_STEPS, TrainingConfig
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import SimulationConfig

NETWORK_SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"node": "mlp", "strategy": name} for name in ("standard", "bottleneck", "l1", "kl", "pruning")},
    "fixed": {"node": "fixed"},
    "hamiltonian": {"node": "hamiltonian"},
}
"""Each strategy of the tables is a network with these settings."""

PAPER_STEPS = 1_000_000
"""The paper trains for 200 epochs, which are so many steps with four particles."""
PAPER_BATCH_GRAPHS = 64
"""A batch of the paper holds so many snapshots of four particles."""
PAPER_OPERATORS = ("+", "-", "*", "/", "pow", "exp", "log")
"""The paper has ``>``, ``<`` and IF too, which the engines do not offer on several variables."""


def recipe_config(
    recipe: str, strategy: str, *, budget: float, simulation: SimulationConfig, seed: int
) -> DiscoverConfig:
    """Return the settings of a cell.

    Args:
        recipe: "fast" or "paper".
        strategy: name of a strategy of `NETWORK_SETTINGS`.
        budget: factor on the steps of training.
        simulation: the motion, its number of particles stated.
        seed: seed of data, network and regression.

    Raises:
        UsageError: the recipe or the strategy is unknown.
    """
    require_choice("recipe", recipe, ("fast", "paper"), "replication")
    require_choice("strategy", strategy, tuple(NETWORK_SETTINGS), "replication")
    network = replace(NetworkConfig(), **NETWORK_SETTINGS[strategy])
    config = DiscoverConfig(seed=seed, simulation=simulation, network=network)
    if recipe == "fast":
        steps = round(budget * DEFAULT_TRAINING_STEPS[network.node])
        return replace(config, training=replace(config.training, steps=steps))
    n = simulation.particles or 4
    size = None if strategy in ("bottleneck", "fixed", "hamiltonian") else 100
    paper: dict[str, Any] = {
        "inputs": "raw",
        "message": size,
        "width": 300,
        "depth": 3,
        "gate": False,
        "activation": "softplus" if strategy == "hamiltonian" else "relu",
    }
    return replace(
        config,
        network=replace(network, **paper),
        training=TrainingConfig(
            steps=round(budget * PAPER_STEPS * (n / 4) ** 2),
            edges=round(PAPER_BATCH_GRAPHS * (4 / n) ** 2 * n * (n - 1)),
            optimiser="paper",
            learning_rate=1e-3,
            loss="absolute",
            shift=3.0,
            l1=1e-2,
            kl=1.0 if strategy == "kl" else TrainingConfig().kl,
            noncentral_weight=0.0,
            patience=None,
        ),
        regression=replace(config.regression, operators=PAPER_OPERATORS),
    )
