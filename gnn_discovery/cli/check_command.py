"""A law that is given, judged: against motion, or by its form alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gnn_discovery import pipeline
from gnn_discovery.catalogue.recognition import recognise
from gnn_discovery.cli import run_commands
from gnn_discovery.errors import UsageError
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.pipeline import DiscoverConfig, load_run_config
from gnn_discovery.report.wording import is_informational
from gnn_discovery.runs import RunDirectory
from gnn_discovery.types import Order
from gnn_discovery.validation.verdict import Check

CHECK_OUTCOMES = {True: "passed", False: "failed", None: "not made"}


def check_law(
    given: str, source: str | None, *, seed: int, order: Order, distances: tuple[float, float]
) -> dict[str, Any]:
    """The verdict on a law that somebody wrote down, or that a run found; of its form where there is no motion."""
    for argument in (given, source or ""):
        if argument.startswith("--"):
            raise UsageError(f"there is no option {argument.partition('=')[0]}", remedy="`check --help` lists them")
    config, there = DiscoverConfig(seed=seed), source
    if Path(given).is_dir():
        config, there = load_run_config(RunDirectory(Path(given)))
    known = run_commands.read_law_file(Path(given)) if _is_file(given) else parse_law(given, order)
    if source is None and there is None:
        return _check_form_only(known, distances)
    config = replace(config, order=known.order)
    data = pipeline.prepare_dataset(pipeline.load_motion(source or str(there), config.simulation), config)
    if not _is_file(given):
        known = pipeline.fit_stated_law(known, data)
    verdict, fit = pipeline.check(known, data)
    return {
        "law": str(known),
        "status": verdict.status,
        "match": verdict.match,
        "alternatives": list(verdict.alternatives),
        "reason": verdict.reason,
        "error": fit.law_error[0],
        "r2": fit.r2[0],
        "checks": [_format_check(one) for one in verdict.checks],
    }


def _format_check(check: Check) -> str:
    """A check in a line, with its figure."""
    outcome = "not kept" if is_informational(check) else CHECK_OUTCOMES[check.passed]
    figure = "" if check.figure is None else f", {check.figure:.2g}"
    return f"{check.name}: {outcome}{figure} ({check.detail})"


def _is_file(given: str) -> bool:
    """Whether a law is in a file or a run, there or missing, and not spelt out."""
    return Path(given).exists() or given.endswith((".json", ".yaml", ".yml"))


def _check_form_only(law: ForceLaw, distances: tuple[float, float]) -> dict[str, Any]:
    found = recognise(law, distances)
    return {
        "law": str(found.law),
        "status": found.status,
        "match": found.match,
        "alternatives": list(found.alternatives),
        "nearest": dict(found.nearest),
        "compared_over": found.over,
    }
