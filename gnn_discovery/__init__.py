"""From particle motion to the force law: a formula with error bars, the evidence for it, and a verdict.

``discover`` does it all; ``pipeline`` holds each step on its own. Importing the package imports neither jax
nor an engine: each name is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # see gnn_discovery.runs.compilation_cache

if TYPE_CHECKING:
    from gnn_discovery.catalogue.recognition import Recognition as Recognition
    from gnn_discovery.catalogue.recognition import recognise as recognise
    from gnn_discovery.data.dataset.dataset import Dataset as Dataset
    from gnn_discovery.data.trajectory import Trajectory as Trajectory
    from gnn_discovery.errors import DataError as DataError
    from gnn_discovery.errors import EngineUnavailable as EngineUnavailable
    from gnn_discovery.errors import GnnDiscoveryError as GnnDiscoveryError
    from gnn_discovery.errors import NoResult as NoResult
    from gnn_discovery.errors import StorageError as StorageError
    from gnn_discovery.errors import UsageError as UsageError
    from gnn_discovery.gnn.config import NetworkConfig as NetworkConfig
    from gnn_discovery.gnn.config import TrainingConfig as TrainingConfig
    from gnn_discovery.laws.law import Constant as Constant
    from gnn_discovery.laws.law import ForceLaw as ForceLaw
    from gnn_discovery.laws.law import Term as Term
    from gnn_discovery.messages.table import MessageTable as MessageTable
    from gnn_discovery.pipeline import DiscoverConfig as DiscoverConfig
    from gnn_discovery.pipeline import discover as discover
    from gnn_discovery.pipeline import explain as explain
    from gnn_discovery.report import write_report as write_report
    from gnn_discovery.report.discovery import Discovery as Discovery
    from gnn_discovery.report.explanation import Explanation as Explanation
    from gnn_discovery.simulators import FunctionSimulator as FunctionSimulator
    from gnn_discovery.simulators import SimulationConfig as SimulationConfig
    from gnn_discovery.simulators import Simulator as Simulator
    from gnn_discovery.simulators import check_simulator as check_simulator
    from gnn_discovery.symbolic.expression import Expression as Expression
    from gnn_discovery.symbolic.search import EngineConfig as EngineConfig
    from gnn_discovery.validation.decision import JudgeContext as JudgeContext
    from gnn_discovery.validation.decision import judge as judge
    from gnn_discovery.validation.verdict import Verdict as Verdict

_HOMES = {
    "Constant": "laws.law",
    "DataError": "errors",
    "Dataset": "data.dataset.dataset",
    "DiscoverConfig": "pipeline",
    "Discovery": "report.discovery",
    "EngineConfig": "symbolic.search",
    "EngineUnavailable": "errors",
    "Explanation": "report.explanation",
    "Expression": "symbolic.expression",
    "ForceLaw": "laws.law",
    "FunctionSimulator": "simulators",
    "GnnDiscoveryError": "errors",
    "JudgeContext": "validation.decision",
    "MessageTable": "messages.table",
    "NetworkConfig": "gnn.config",
    "NoResult": "errors",
    "Recognition": "catalogue.recognition",
    "SimulationConfig": "simulators",
    "Simulator": "simulators",
    "StorageError": "errors",
    "Term": "laws.law",
    "TrainingConfig": "gnn.config",
    "Trajectory": "data.trajectory",
    "UsageError": "errors",
    "Verdict": "validation.verdict",
    "check_simulator": "simulators",
    "discover": "pipeline",
    "explain": "pipeline",
    "judge": "validation.decision",
    "recognise": "catalogue.recognition",
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
