"""The pipeline: `discover`, `explain`, and the stages of both, to be called by hand in the same order.

Each name is loaded when it is first asked for: a command that loads motion and trains nothing imports no network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnn_discovery.pipeline.config import DiscoverConfig as DiscoverConfig
    from gnn_discovery.pipeline.discovery import discover as discover
    from gnn_discovery.pipeline.explanation import explain as explain
    from gnn_discovery.pipeline.known_terms import fit_stated_law as fit_stated_law
    from gnn_discovery.pipeline.loading import LoadedMotion as LoadedMotion
    from gnn_discovery.pipeline.loading import MotionSource as MotionSource
    from gnn_discovery.pipeline.loading import load_motion as load_motion
    from gnn_discovery.pipeline.loading import names_a_file as names_a_file
    from gnn_discovery.pipeline.loading import prepare_dataset as prepare_dataset
    from gnn_discovery.pipeline.loading import resolve_order as resolve_order
    from gnn_discovery.pipeline.motion_selection import select_on_motion as select_on_motion
    from gnn_discovery.pipeline.paths import trace_motion as trace_motion
    from gnn_discovery.pipeline.run_cache import RunCache as RunCache
    from gnn_discovery.pipeline.run_cache import load_run_config as load_run_config
    from gnn_discovery.pipeline.session import NETWORK as NETWORK
    from gnn_discovery.pipeline.session import ProgressMonitor as ProgressMonitor
    from gnn_discovery.pipeline.session import Session as Session
    from gnn_discovery.pipeline.session import require_engines as require_engines
    from gnn_discovery.pipeline.stage_records import CandidateLaws as CandidateLaws
    from gnn_discovery.pipeline.stage_records import MessageReadout as MessageReadout
    from gnn_discovery.pipeline.stage_records import PreparedMotion as PreparedMotion
    from gnn_discovery.pipeline.stage_records import SelectedLaw as SelectedLaw
    from gnn_discovery.pipeline.stage_records import Validation as Validation
    from gnn_discovery.pipeline.stages import check_law as check_law
    from gnn_discovery.pipeline.stages import decide_verdict as decide_verdict
    from gnn_discovery.pipeline.stages import distill_candidates as distill_candidates
    from gnn_discovery.pipeline.stages import estimate_constants as estimate_constants
    from gnn_discovery.pipeline.stages import extract_messages as extract_messages
    from gnn_discovery.pipeline.stages import prepare_motion as prepare_motion
    from gnn_discovery.pipeline.stages import select_candidate as select_candidate
    from gnn_discovery.pipeline.stages import subtract_known_terms as subtract_known_terms
    from gnn_discovery.pipeline.stages import train_network as train_network
    from gnn_discovery.pipeline.stages import validate_law as validate_law

_HOMES = {
    "CandidateLaws": "stage_records",
    "DiscoverConfig": "config",
    "LoadedMotion": "loading",
    "MessageReadout": "stage_records",
    "MotionSource": "loading",
    "NETWORK": "session",
    "PreparedMotion": "stage_records",
    "ProgressMonitor": "session",
    "RunCache": "run_cache",
    "SelectedLaw": "stage_records",
    "Session": "session",
    "Validation": "stage_records",
    "check_law": "stages",
    "decide_verdict": "stages",
    "discover": "discovery",
    "distill_candidates": "stages",
    "estimate_constants": "stages",
    "explain": "explanation",
    "extract_messages": "stages",
    "fit_stated_law": "known_terms",
    "load_motion": "loading",
    "load_run_config": "run_cache",
    "names_a_file": "loading",
    "prepare_dataset": "loading",
    "prepare_motion": "stages",
    "require_engines": "session",
    "resolve_order": "loading",
    "select_candidate": "stages",
    "select_on_motion": "motion_selection",
    "subtract_known_terms": "stages",
    "trace_motion": "paths",
    "train_network": "stages",
    "validate_law": "stages",
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
