"""From particle motion to the force law: a formula with error bars, the evidence for it, and a verdict.

``discover`` does it all; ``pipeline`` holds each step on its own. Importing the package imports neither jax
nor an engine: each name is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnn_discovery.errors import DataError as DataError
    from gnn_discovery.errors import EngineUnavailable as EngineUnavailable
    from gnn_discovery.errors import GnnDiscoveryError as GnnDiscoveryError
    from gnn_discovery.errors import NoResult as NoResult
    from gnn_discovery.errors import StorageError as StorageError
    from gnn_discovery.errors import UsageError as UsageError
    from gnn_discovery.expression import Expression as Expression
    from gnn_discovery.law import Constant as Constant
    from gnn_discovery.law import ForceLaw as ForceLaw
    from gnn_discovery.law import Term as Term
    from gnn_discovery.model import NetworkConfig as NetworkConfig
    from gnn_discovery.physics import JudgeContext as JudgeContext
    from gnn_discovery.physics import Recognition as Recognition
    from gnn_discovery.physics import Verdict as Verdict
    from gnn_discovery.physics import judge as judge
    from gnn_discovery.physics import recognise as recognise
    from gnn_discovery.pipeline import DiscoverConfig as DiscoverConfig
    from gnn_discovery.pipeline import discover as discover
    from gnn_discovery.pipeline import explain as explain
    from gnn_discovery.report import write_report as write_report
    from gnn_discovery.report.explanation import Explanation as Explanation
    from gnn_discovery.report.record import Discovery as Discovery
    from gnn_discovery.simulator import FunctionSimulator as FunctionSimulator
    from gnn_discovery.simulator import SimulationConfig as SimulationConfig
    from gnn_discovery.simulator import Simulator as Simulator
    from gnn_discovery.simulator import check_simulator as check_simulator
    from gnn_discovery.snapshots import Snapshots as Snapshots
    from gnn_discovery.symbolic import EngineConfig as EngineConfig
    from gnn_discovery.table import MessageTable as MessageTable
    from gnn_discovery.training import TrainingConfig as TrainingConfig
    from gnn_discovery.trajectory import Trajectory as Trajectory

_HOMES = {
    "Constant": "law",
    "DataError": "errors",
    "DiscoverConfig": "pipeline",
    "Discovery": "report.record",
    "EngineConfig": "symbolic",
    "EngineUnavailable": "errors",
    "Explanation": "report.explanation",
    "Expression": "expression",
    "ForceLaw": "law",
    "FunctionSimulator": "simulator",
    "GnnDiscoveryError": "errors",
    "JudgeContext": "physics",
    "MessageTable": "table",
    "NetworkConfig": "model",
    "NoResult": "errors",
    "Recognition": "physics",
    "SimulationConfig": "simulator",
    "Simulator": "simulator",
    "Snapshots": "snapshots",
    "StorageError": "errors",
    "Term": "law",
    "TrainingConfig": "training",
    "Trajectory": "trajectory",
    "UsageError": "errors",
    "Verdict": "physics",
    "check_simulator": "simulator",
    "discover": "pipeline",
    "explain": "pipeline",
    "judge": "physics",
    "recognise": "physics",
    "write_report": "report",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
