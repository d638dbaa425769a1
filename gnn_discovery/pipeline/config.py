"""The settings of a discovery: one frozen record, which JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, get_args

from gnn_discovery.criteria import Criteria, criteria_from_dict
from gnn_discovery.errors import UsageError, require_choice, require_integer
from gnn_discovery.gnn.config import NetworkConfig, TrainingConfig
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.symbolic.search import EngineConfig
from gnn_discovery.types import OrderSetting

ERROR_BAR_METHODS = ("jackknife", "posterior")


@dataclass(frozen=True)
class DiscoverConfig:
    """All settings of a discovery.

    Attributes:
        seed: of every random choice.
        order: of the equation of motion, ``m a = sum F`` (2) or ``v = sum F`` (1); ``auto`` lets the motion tell.
        cutoff: distance beyond which pairs do not interact; None takes that of the motion, or connects all.
        known: terms of the law that are known, the search is for the rest; written as in `gnn_discovery.laws.parser`,
            in the units of the motion: ``pair radial: -m_i*m_j/r**2``. A number in them stays, a name that is no
            variable is fitted.
        units: of ``length``, ``time`` and properties: the motion is converted to them where it states others.
        engines: symbolic engines by name; with several the report says whether each alone leads to the same law.
        errors: of the constants: ``jackknife``, runs left out in turn, or ``posterior``, draws by NUTS (an extra).
        seeds: networks trained in all where a candidate has to show that it is stable.
        simulation, network, training, regression: settings of the simulator, the network, its training, the engines.
        criteria: every number that decides something scientific.
    """

    seed: int = 0
    order: OrderSetting = "auto"
    cutoff: float | None = None
    known: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    engines: tuple[str, ...] = ("operon",)
    errors: str = "jackknife"
    seeds: int = 3
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    regression: EngineConfig = field(default_factory=EngineConfig)
    criteria: Criteria = field(default_factory=Criteria)

    def __post_init__(self) -> None:
        if isinstance(self.engines, str) or not self.engines or len(set(self.engines)) < len(self.engines):
            raise UsageError(f"engines must be names, each once, got {self.engines!r}", remedy='As in ("operon",)')
        if self.known is not None:
            if not isinstance(self.known, str):
                raise UsageError(f"known is {self.known!r}", remedy="Give terms as text: 'pair radial: -m_i*m_j/r**2'")
            parse_law(self.known, 1 if self.order == 1 else 2)
        where = type(self).__name__
        parts = {
            "simulation": SimulationConfig,
            "network": NetworkConfig,
            "training": TrainingConfig,
            "regression": EngineConfig,
            "criteria": Criteria,
            "units": Mapping,
        }
        for name, kind in parts.items():
            if not isinstance(getattr(self, name), kind):
                raise UsageError(f"{name} is {getattr(self, name)!r}", where=where, remedy=f"Give a {kind.__name__}")
        require_choice("errors", self.errors, ERROR_BAR_METHODS, where)
        require_integer("seed", self.seed, 0, where)
        require_integer("seeds", self.seeds, 1, where)
        require_choice("order", self.order, get_args(OrderSetting), where)
        if self.cutoff is not None and not (isinstance(self.cutoff, int | float) and 0 < self.cutoff < inf):
            raise UsageError(
                f"cutoff is {self.cutoff!r}", where=where, remedy="Give a positive distance, or None for no cut-off"
            )
        self._refuse_idle_weights(where)
        object.__setattr__(self, "regression", replace(self.regression, criteria=self.criteria.search))

    def _refuse_idle_weights(self, where: str) -> None:
        """Raise a UsageError for a weight of the loss that was changed and has no effect with this network."""
        default, strategy, node = TrainingConfig(), self.network.strategy, self.network.node
        used = {"l1": strategy in ("l1", "pruning"), "kl": strategy == "kl", "noncentral_weight": node == "fixed"}
        for name, has_effect in used.items():
            value = getattr(self.training, name)
            if value not in (0.0, getattr(default, name)) and not has_effect:
                raise UsageError(
                    f"training.{name} is {value!r}, which has no effect with node={node!r}, strategy={strategy!r}",
                    where=where,
                    remedy=f"Leave {name} as it is, or choose a network that pays for it",
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the config as JSON can hold it; the criteria of the search stand with all others."""
        plain = asdict(self)
        del plain["regression"]["criteria"]
        return plain

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> DiscoverConfig:
        """Return the config that `to_dict` made ``plain`` of."""
        parts = {
            "engines": tuple(plain["engines"]),
            "simulation": SimulationConfig(**plain["simulation"]),
            "network": NetworkConfig(**plain["network"]),
            "training": TrainingConfig(**plain["training"]),
            "regression": EngineConfig.from_dict(plain["regression"]),
            "criteria": criteria_from_dict(plain["criteria"]),
        }
        return DiscoverConfig(**{**plain, **parts})
