"""The yardstick of table 5: what the same regression finds in the observed accelerations, with no network."""

from __future__ import annotations

from dataclasses import replace

from gnn_discovery import pipeline
from gnn_discovery.data.dataset import Split
from gnn_discovery.distillation import distill_tables, tables_without_network
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline import DiscoverConfig


def laws_without_network(data: Split, config: DiscoverConfig) -> tuple[ForceLaw, ForceLaw]:
    """The first law of the same regression on contributions made from the accelerations alone, and the one chosen and
    refitted.

    Raises:
        NoResult: no law could be fitted.
    """
    candidates = distill_tables(
        tables_without_network(data.train, config.seed),
        config.engines,
        replace(config.regression, seed=config.seed),
        order=config.order,
        divides_by_mass=data.train.has_mass,
    ).laws
    return candidates[0], pipeline.select(candidates, data, config).law
