"""What a discovery is asked to do: one frozen record, which JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gnn_discovery.model import NetworkConfig
from gnn_discovery.simulator import SimulationConfig
from gnn_discovery.symbolic import EngineConfig
from gnn_discovery.training import TrainingConfig
from gnn_discovery.types import Order


@dataclass(frozen=True)
class DiscoverConfig:
    """All settings of a discovery.

    Attributes:
        seed: of every random choice.
        order: of the equation of motion, ``m a = sum F`` (2) or ``v = sum F`` (1).
        cutoff: distance beyond which pairs do not interact; None takes that of the motion, or connects all.
        units: of ``length``, ``time`` and properties, where the motion does not state them.
        engine: a symbolic engine by name.
        seeds: networks trained in all where a candidate has to show that it is stable.
    """

    seed: int = 0
    order: Order = 2
    cutoff: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    engine: str = "operon"
    seeds: int = 3
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    regression: EngineConfig = field(default_factory=EngineConfig)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> DiscoverConfig:
        parts = {
            "simulation": SimulationConfig(**plain["simulation"]),
            "network": NetworkConfig(**plain["network"]),
            "training": TrainingConfig(**plain["training"]),
            "regression": EngineConfig(**{**plain["regression"], "operators": tuple(plain["regression"]["operators"])}),
        }
        return DiscoverConfig(**{**plain, **parts})
